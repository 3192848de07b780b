//! Users and roles.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, labels, names};
use parapet_elastic::users::{self, Realm, Strength, file_realm, read_provided};

use crate::cluster::Followed;
use crate::events::{Reason, Related};
use crate::pass::own::Own;
use crate::pass::{PassError, association, controller};

/// Brings passwords, users and roles up to date. A Secret of the user's that isn't there or can't be read is told of and
/// left out.
pub(super) async fn reconcile(
    own: Own<'_>,
    es: &Elasticsearch,
    followed: &mut BTreeSet<Followed>,
) -> Result<(), PassError> {
    let cx = own.cx;
    let (namespace, name) = (es.object_namespace(), es.object_name());
    let auth = &es.spec.auth;
    let mut brought = BTreeMap::new();
    for secret in auth.file_realm.iter().chain(&auth.roles).filter_map(|one| one.secret_name.as_deref()) {
        followed.insert(Followed::secret(namespace, secret));
        if let Some(found) = cx.cluster.fetch::<Secret>(namespace, secret).await? {
            brought.insert(secret, found);
        }
    }
    let (provided, problems) = read_provided(es, &|name| brought.get(name).cloned());
    let mut by_secret: BTreeMap<Related, Vec<String>> = BTreeMap::new();
    for problem in &problems {
        let secret = Related::core("Secret", namespace, problem.secret());
        by_secret.entry(secret).or_default().push(problem.to_string());
    }
    let notes = by_secret.into_iter().map(|(secret, notes)| (secret, notes.join("; "))).collect();
    let subject = (Reason::Unexpected, "UserConfiguration");
    cx.events.tell_each(controller(parapet_api::Kind::Elasticsearch), es, subject, notes);
    let elastic_name = names::elasticsearch::elastic_user(name);
    let length = cx.options.objects.password_length;
    let elastic = if auth.disable_elastic_user || provided.has_elastic_user() {
        cx.remove::<Secret>(namespace, &elastic_name).await?;
        None
    } else {
        let live = own.find::<Secret>(namespace, &elastic_name).await?;
        let desired = users::elastic_user(es, live.as_deref(), length, &mut cx.random());
        let applied = own.apply(&desired).await?.object;
        let password = |secret| users::password_of(secret, users::ELASTIC);
        // Somebody may have made the Secret, with a password of theirs, before this pass could see it.
        let made = live.is_none() && password(&applied) == password(&desired);
        Some((applied, if made { Strength::Generated } else { Strength::Chosen }))
    };
    let live = own.find::<Secret>(namespace, &names::elasticsearch::internal_users(name)).await?;
    let internal = users::internal_users(es, live.as_deref(), length, &mut cx.random());
    let internal = own.apply(&internal).await?.object;
    let associated: Vec<Secret> = cx
        .cluster
        .labelled::<Secret>(Some(namespace), labels::CLUSTER_NAME, name)
        .iter()
        .filter(|secret| association::is_user(secret))
        .map(|secret| (**secret).clone())
        .collect();
    let live = own.find::<Secret>(namespace, &names::elasticsearch::file_realm(name)).await?;
    let realm = Realm {
        elastic: elastic.as_ref().map(|(secret, strength)| (&**secret, *strength)),
        internal: &internal,
        associated: &associated,
        provided: &provided,
        live: live.as_deref(),
    };
    let realm = file_realm(es, &realm, &cx.hasher, &mut cx.random())?;
    own.apply(&realm).await?;
    Ok(())
}
