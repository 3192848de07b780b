//! The Secret with the file realm: `<X>-es-xpack-file-realm`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, Kind, StackVersion, annotations, labels, names};

use super::provided::{Proof, comma_list};
use super::{
    DIAGNOSTICS, ELASTIC, Hasher, INTERNAL, MONITORING, PRE_STOP, PROBE, Provided, Strength, files,
    predefined_roles,
};
use crate::config::Yml;
use crate::foreign::{adopted_parts, note_adopted_parts};
use crate::random::Random;
use crate::{data, owned_meta};

/// What the file realm is made of.
pub struct Realm<'a> {
    /// `<X>-es-elastic-user`; none if the user is disabled or brought by the owner. Whose the password is decides what a new
    /// hash of it must cost: only who has generated it just now knows that it was.
    pub elastic: Option<(&'a Secret, Strength)>,
    /// `<X>-es-internal-users`.
    pub internal: &'a Secret,
    /// Secrets of this cluster with the types `user` and `service-account-token`.
    pub associated: &'a [Secret],
    /// What the owner brings.
    pub provided: &'a Provided,
    /// The realm as it is, for its hashes.
    pub live: Option<&'a Secret>,
}

/// Why there is no realm.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// A password isn't where it was just written.
    #[error("no password for {user} in its Secret")]
    NoPassword {
        /// Whose.
        user: &'static str,
    },
    /// A version that isn't one.
    #[error(transparent)]
    Version(#[from] parapet_api::VersionError),
}

/// The realm's files. Users: the operator's own, then `elastic`, then those of associations, then the owner's, who win; roles:
/// the predefined ones, then the owner's, then those that a policy of another operator left ([`roles_of_a_policy`]).
/// Elasticsearch reads them anew without a restart.
pub fn file_realm(
    es: &Elasticsearch,
    inputs: &Realm<'_>,
    hasher: &Hasher,
    random: Random<'_>,
) -> Result<Secret, RealmError> {
    let version: StackVersion = es.spec.version.parse()?;
    let live = live_hashes(inputs.live);
    let mut accounts = Accounts { hasher, live: &live, hashes: BTreeMap::new(), roles: BTreeMap::new() };
    for (user, role) in internal_roles(&version) {
        let password = data::filled(inputs.internal, user).ok_or(RealmError::NoPassword { user })?;
        accounts.add(user, &password, Strength::Generated, [role.to_owned()], random);
    }
    if let Some((elastic, strength)) = inputs.elastic {
        let password = data::filled(elastic, ELASTIC).ok_or(RealmError::NoPassword { user: ELASTIC })?;
        accounts.add(ELASTIC, &password, strength, ["superuser".to_owned()], random);
    }
    let mut tokens = BTreeMap::new();
    for secret in inputs.associated {
        accounts.associate(secret, &mut tokens);
    }
    accounts.provide(inputs.provided, random);

    let roles = predefined_roles().replaced_by(inputs.provided.roles.clone());
    let policy = inputs.live.map(|live| roles_of_a_policy(live, &roles)).unwrap_or_default();
    let policy_names: BTreeSet<String> = policy.settings.keys().cloned().collect();
    let roles = roles.replaced_by(policy);
    let live_roles = inputs.live.and_then(|live| data::text(live, ROLES));
    let name = names::generated(Kind::Elasticsearch, es.object_name(), &["xpack-file-realm"]);
    let mut metadata = owned_meta(es, name);
    let hash = inputs.live.and_then(roles_hash).unwrap_or_default().to_owned();
    metadata.annotations.get_or_insert_default().insert(annotations::ROLES_HASH.to_owned(), hash);
    note_adopted_parts(&mut metadata, inputs.live.map(|live| &live.metadata), &policy_names);
    let entries = [
        ("users", files::users(&accounts.hashes)),
        ("users_roles", files::users_roles(&accounts.roles)),
        (ROLES, roles.text_keeping(live_roles.as_deref())),
        ("service_tokens", files::service_tokens(&tokens)),
    ];
    Ok(data::secret(metadata, entries.map(|(key, value)| (key.to_owned(), value))))
}

/// The file with roles.
const ROLES: &str = "roles.yml";

/// Which policy's roles are in the file, if any are.
fn roles_hash(live: &Secret) -> Option<&str> {
    let hash = live.metadata.annotations.as_ref()?.get(annotations::ROLES_HASH)?;
    Some(hash.as_str()).filter(|hash| !hash.is_empty())
}

/// The roles in `live` that a policy put there: neither predefined nor the owner's (`ours`), or other than the owner's. None if
/// the Secret says that no policy applies.
fn roles_of_a_policy(live: &Secret, ours: &Yml) -> Yml {
    let text = roles_hash(live).and_then(|_| data::text(live, ROLES));
    let Some(mut roles) = text.and_then(|text| Yml::parse_plain(&text).ok()) else { return Yml::default() };
    let predefined = predefined_roles();
    let noted = adopted_parts(Some(&live.metadata));
    roles.settings.retain(|name, role| match &noted {
        Some(noted) => noted.contains(name),
        None => !predefined.settings.contains_key(name) && ours.settings.get(name) != Some(role),
    });
    roles
}

/// The operator's own users, and what each may do.
fn internal_roles(version: &StackVersion) -> [(&'static str, &'static str); 5] {
    let diagnostics = if version.at_least(8, 5, 0) {
        "elastic_internal_diagnostics_v85"
    } else if version.at_least(8, 0, 0) {
        "elastic_internal_diagnostics_v80"
    } else {
        "superuser"
    };
    [
        (INTERNAL, "superuser"),
        (PRE_STOP, "elastic-internal_cluster_manage"),
        (PROBE, "elastic_internal_probe_user"),
        (MONITORING, "remote_monitoring_collector"),
        (DIAGNOSTICS, diagnostics),
    ]
}

fn live_hashes(live: Option<&Secret>) -> BTreeMap<String, String> {
    let users = live.and_then(|live| files::parse(&data::text(live, "users")?));
    users.unwrap_or_default().into_iter().collect()
}

struct Accounts<'a> {
    hasher: &'a Hasher,
    live: &'a BTreeMap<String, String>,
    hashes: BTreeMap<String, String>,
    roles: BTreeMap<String, BTreeSet<String>>,
}

impl Accounts<'_> {
    fn add(
        &mut self,
        user: &str,
        password: &str,
        strength: Strength,
        roles: impl IntoIterator<Item = String>,
        random: Random<'_>,
    ) {
        let live = self.live.get(user).map(String::as_str);
        let hash = self.hasher.hash(password, live, strength, random);
        self.hashes.insert(user.to_owned(), hash);
        for role in roles {
            self.roles.entry(role).or_default().insert(user.to_owned());
        }
    }

    /// A user or a token of an association. A Secret without a name or a hash is left out: its controller will complete it.
    fn associate(&mut self, secret: &Secret, tokens: &mut BTreeMap<String, String>) {
        let kind = secret.metadata.labels.as_ref().and_then(|all| all.get(labels::TYPE)).map(String::as_str);
        let Some(name) = data::filled(secret, "name") else { return };
        match kind {
            Some("user") => {
                let Some(hash) = data::filled(secret, "passwordHash") else { return };
                self.hashes.insert(name.clone(), hash);
                for role in comma_list(&data::text(secret, "userRoles").unwrap_or_default()) {
                    self.roles.entry(role).or_default().insert(name.clone());
                }
            }
            Some("service-account-token") => {
                let Some(hash) = data::filled(secret, "hash") else { return };
                tokens.insert(name, hash);
            }
            _ => {}
        }
    }

    /// The owner's users take the place of others of the same name, roles included.
    fn provide(&mut self, provided: &Provided, random: Random<'_>) {
        for (user, proof) in &provided.users {
            for users in self.roles.values_mut() {
                users.remove(user);
            }
            match proof {
                Proof::Hash(hash) => drop(self.hashes.insert(user.clone(), hash.clone())),
                Proof::Password(password) => self.add(user, password, Strength::Chosen, [], random),
            }
        }
        for (role, users) in &provided.users_roles {
            self.roles.entry(role.clone()).or_default().extend(users.iter().cloned());
        }
    }
}
