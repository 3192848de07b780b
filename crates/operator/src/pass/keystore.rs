//! The entries of an application's keystore: users' Secrets, gathered in one of our own; and what another operator put there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application, Kind, SecretSource, names};
use parapet_elastic::{files, policy};

use super::{Context, PassError};
use crate::cluster::Followed;

/// Gathers the entries, or takes the Secret away if there are none. What it returns decides whether pods must make their
/// keystore anew; nothing if there is none.
pub(super) async fn gather<K: Application>(
    cx: &Context,
    owner: &K,
    sources: Option<&[SecretSource]>,
    followed: &mut BTreeSet<Followed>,
) -> Result<Option<Vec<u8>>, PassError> {
    let namespace = owner.object_namespace();
    let sources = sources.unwrap_or_default();
    followed.extend(sources.iter().map(|source| Followed::secret(namespace, &source.secret_name)));
    let mut found = BTreeMap::new();
    for source in sources {
        if let Some(secret) = cx.cluster.fetch::<Secret>(namespace, &source.secret_name).await? {
            found.insert(source.secret_name.as_str(), secret);
        }
    }
    let (secret, problems) = files::secure_settings(owner, sources, &|name| found.get(name).cloned());
    // A keystore without what was asked for would start pods that can't work.
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem.into());
    }
    let name = files::secure_settings_name(owner);
    let (live, api_keys) = (cx.cluster.get::<Secret>(namespace, &name), api_keys(cx, owner));
    let foreign = files::ForeignEntries {
        live: live.as_deref(),
        api_keys: api_keys.as_deref(),
        of_policy: has_entries_of_a_policy(cx, owner),
    };
    let Some(secret) = files::with_foreign_entries(owner, secret, &foreign) else {
        cx.remove::<Secret>(namespace, &name).await?;
        return Ok(None);
    };
    let applied = cx.apply(&secret).await?.object;
    Ok(Some(content(&applied)))
}

/// The keys that another operator got for remote clusters of this one.
fn api_keys<K: Application>(cx: &Context, owner: &K) -> Option<Arc<Secret>> {
    let name = names::elasticsearch::remote_api_keys(owner.object_name());
    (K::KIND == Kind::Elasticsearch).then(|| cx.cluster.get(owner.object_namespace(), &name)).flatten()
}

fn has_entries_of_a_policy<K: Application>(cx: &Context, owner: &K) -> bool {
    let settings = names::generated(K::KIND, owner.object_name(), &["file-settings"]);
    [policy::secret_name(owner), settings].iter().any(|name| {
        let secret = cx.cluster.get::<Secret>(owner.object_namespace(), name);
        secret.is_some_and(|secret| policy::has_secure_settings(&secret))
    })
}

/// Names and values, each with its length before it, so that no two keystores are spelled alike.
fn content(secret: &Secret) -> Vec<u8> {
    let mut content = Vec::new();
    for part in secret.data.iter().flatten().flat_map(|(name, value)| [name.as_bytes(), &value.0]) {
        content.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        content.extend(part);
    }
    content
}
