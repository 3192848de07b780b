//! What goes into a keystore: the aggregate of `spec.secureSettings`, and what another operator put there besides.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application, SecretSource, names};

use crate::foreign::{adopted_parts, note_adopted_parts};
use crate::{data, owned_meta};

/// A source that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreProblem {
    /// The Secret isn't there.
    #[error("the Secret {secret} does not exist")]
    Missing {
        /// Which.
        secret: String,
    },
    /// A key that is asked for isn't in it.
    #[error("the Secret {secret} has no key {key}")]
    NoKey {
        /// Which Secret.
        secret: String,
        /// Which key.
        key: String,
    },
}

/// `<owner>-<es|kb|apm>-secure-settings`.
pub fn secure_settings_name<K: Application>(owner: &K) -> String {
    names::generated(K::KIND, owner.object_name(), &["secure-settings"])
}

/// The Secret that the keystore's init container reads; none if nothing goes into it. `get` gives a Secret of the owner's
/// namespace by name. Of two sources for one entry the later wins.
pub fn secure_settings<K: Application>(
    owner: &K,
    sources: &[SecretSource],
    get: &dyn Fn(&str) -> Option<Secret>,
) -> (Option<Secret>, Vec<KeystoreProblem>) {
    let mut entries: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut problems = Vec::new();
    for source in sources {
        let Some(secret) = get(&source.secret_name) else {
            problems.push(KeystoreProblem::Missing { secret: source.secret_name.clone() });
            continue;
        };
        let all = secret.data.unwrap_or_default();
        if source.entries.is_empty() {
            entries.extend(all.into_iter().map(|(key, value)| (key, value.0)));
            continue;
        }
        for entry in &source.entries {
            let Some(value) = all.get(&entry.key) else {
                let (secret, key) = (source.secret_name.clone(), entry.key.clone());
                problems.push(KeystoreProblem::NoKey { secret, key });
                continue;
            };
            let path =
                entry.path.clone().filter(|path| !path.is_empty()).unwrap_or_else(|| entry.key.clone());
            entries.insert(path, value.0.clone());
        }
    }
    let made =
        (!entries.is_empty()).then(|| data::secret(owned_meta(owner, secure_settings_name(owner)), entries));
    (made, problems)
}

/// Entries of a keystore that no `spec.secureSettings` names.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForeignEntries<'a> {
    /// The Secret that the keystore is made of, as it is.
    pub live: Option<&'a Secret>,
    /// `<X>-es-remote-api-keys`, whose entries go into the keystore.
    pub api_keys: Option<&'a Secret>,
    /// Whether a policy gives the keystore entries that stand nowhere else here: those of `live` that nobody else names.
    pub of_policy: bool,
}

/// `made`, what `spec.secureSettings` gives, with the entries that come from elsewhere; the specification's win.
pub fn with_foreign_entries<K: Application>(
    owner: &K,
    made: Option<Secret>,
    foreign: &ForeignEntries<'_>,
) -> Option<Secret> {
    let live_meta = foreign.live.map(|live| &live.metadata);
    let entries = |secret: Option<&Secret>| secret.and_then(|secret| secret.data.clone()).unwrap_or_default();
    let mut all = entries(foreign.api_keys);
    all.extend(entries(made.as_ref()));
    let noted = adopted_parts(live_meta);
    let is_adopted = |name: &String| noted.as_ref().map_or(foreign.of_policy, |noted| noted.contains(name));
    let mut adopted = entries(foreign.live);
    adopted.retain(|name, _| !all.contains_key(name) && is_adopted(name));
    let names: BTreeSet<String> = adopted.keys().cloned().collect();
    all.extend(adopted);
    if all.is_empty() {
        return None;
    }
    let mut secret =
        made.unwrap_or_else(|| data::secret::<Vec<u8>>(owned_meta(owner, secure_settings_name(owner)), []));
    note_adopted_parts(&mut secret.metadata, live_meta, &names);
    secret.data = Some(all);
    Some(secret)
}
