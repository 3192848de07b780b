//! A user or a service account for a referrer, as the Secrets of both sides.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{Application, Elasticsearch, Kibana, StackVersion, labels};

use super::AssociationKind;
use crate::data;
use crate::owned_by;
use crate::random::{Random, alphanumeric};
use crate::users::{Hasher, ServiceToken, Strength};

/// The key of the password in a Secret that a user wrote.
pub(super) const PASSWORD: &str = "password";

/// What is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

/// The two Secrets of one user.
#[derive(Clone)]
pub struct UserSecrets {
    /// In the referrer's namespace: what it logs in with.
    pub referrer: Secret,
    /// In Elasticsearch's namespace: what its file realm is told.
    pub elasticsearch: Secret,
}

impl std::fmt::Debug for UserSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserSecrets(…)")
    }
}

/// A user with a password, of that length if it is made now, and `roles`. A password that `live` has is kept, and the hash with it
/// if it fits.
#[allow(
    clippy::too_many_arguments,
    reason = "each is another part of the pair of Secrets; a struct would have one user"
)]
pub fn password_user<K: Application>(
    kind: AssociationKind,
    referrer: &K,
    target: &Target<'_>,
    es: &Elasticsearch,
    roles: &[&str],
    live: (Option<&Secret>, Option<&Secret>),
    hasher: &Hasher,
    length: usize,
    random: Random<'_>,
) -> UserSecrets {
    let user = kind.user_name(referrer.object_namespace(), referrer.object_name(), target);
    let kept = live.0.and_then(|secret| data::filled(secret, &user));
    let password = kept.unwrap_or_else(|| alphanumeric(length, random));
    let old_hash = live.1.and_then(|secret| data::text(secret, "passwordHash"));
    let hash = hasher.hash(&password, old_hash.as_deref(), Strength::Generated, random);
    let in_elasticsearch = [("name", user.clone()), ("passwordHash", hash), ("userRoles", roles.join(","))];
    UserSecrets {
        referrer: data::secret(referrer_meta(kind, referrer, target), [(user, password)]),
        elasticsearch: data::secret(
            elasticsearch_meta(kind, referrer, (target, es), "user"),
            in_elasticsearch.map(|(key, value)| (key.to_owned(), value)),
        ),
    }
}

/// Kibana's service account `elastic/kibana`, with a token of its own. One that `live` has is kept.
pub fn service_account(
    kibana: &Kibana,
    target: &Target<'_>,
    es: &Elasticsearch,
    live: Option<&Secret>,
    random: Random<'_>,
) -> UserSecrets {
    const ACCOUNT: &str = "elastic/kibana";
    let kind = AssociationKind::KibanaElasticsearch;
    let uid = kibana.metadata.uid.as_deref().unwrap_or_default();
    let name = format!("{}_{}_{uid}", kibana.object_namespace(), kibana.object_name());
    let kept = live.and_then(|secret| {
        let same = data::text(secret, "name")? == name;
        same.then(|| Some((data::filled(secret, "token")?, data::filled(secret, "hash")?)))?
    });
    let (token, hash) = kept.unwrap_or_else(|| {
        let made = ServiceToken::make(ACCOUNT, &name, random);
        (made.wire, made.hash)
    });
    let in_elasticsearch = [("name", format!("{ACCOUNT}/{name}")), ("hash", hash.clone())];
    let in_referrer =
        [("token", token), ("name", name), ("hash", hash), ("serviceAccount", ACCOUNT.to_owned())];
    UserSecrets {
        referrer: data::secret(
            referrer_meta(kind, kibana, target),
            in_referrer.map(|(key, value)| (key.to_owned(), value)),
        ),
        elasticsearch: data::secret(
            elasticsearch_meta(kind, kibana, (target, es), "service-account-token"),
            in_elasticsearch.map(|(key, value)| (key.to_owned(), value)),
        ),
    }
}

/// The roles of APM Server's user in Elasticsearch, by APM Server's version.
pub fn apm_user_roles(version: &StackVersion) -> &'static [&'static str] {
    if version.at_least(8, 7, 0) {
        &["eck_apm_user_role_v87", "apm_system"]
    } else if version.at_least(8, 0, 0) {
        &["eck_apm_user_role_v80", "apm_system"]
    } else if version.at_least(7, 5, 0) {
        &["eck_apm_user_role_v75", "ingest_admin", "apm_system"]
    } else {
        &["eck_apm_user_role_v7", "ingest_admin", "apm_system"]
    }
}

fn referrer_meta<K: Application>(kind: AssociationKind, referrer: &K, target: &Target<'_>) -> ObjectMeta {
    let mut all = kind.labels(referrer);
    all.extend(kind.target_labels(target));
    all.insert(labels::CREDENTIALS.to_owned(), "true".to_owned());
    all.insert(labels::WATCHED.to_owned(), "true".to_owned());
    ObjectMeta {
        name: Some(kind.user_secret(referrer.object_name(), target)),
        namespace: Some(referrer.object_namespace().to_owned()),
        labels: Some(all),
        owner_references: Some(vec![owned_by(referrer)]),
        ..ObjectMeta::default()
    }
}

fn elasticsearch_meta<K: Application>(
    kind: AssociationKind,
    referrer: &K,
    (target, es): (&Target<'_>, &Elasticsearch),
    user_type: &str,
) -> ObjectMeta {
    let mut all: BTreeMap<String, String> = kind.labels(referrer);
    all.insert(labels::TYPE.to_owned(), user_type.to_owned());
    all.insert(labels::CLUSTER_NAME.to_owned(), es.object_name().to_owned());
    all.insert(labels::CLUSTER_NAMESPACE.to_owned(), es.object_namespace().to_owned());
    all.insert(labels::WATCHED.to_owned(), "true".to_owned());
    ObjectMeta {
        name: Some(kind.user_name(referrer.object_namespace(), referrer.object_name(), target)),
        namespace: Some(es.object_namespace().to_owned()),
        labels: Some(all),
        owner_references: Some(vec![owned_by(es)]),
        ..ObjectMeta::default()
    }
}
