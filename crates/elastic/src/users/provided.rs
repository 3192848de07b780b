//! Users and roles that the cluster's owner brings in Secrets.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use parapet_api::Elasticsearch;

use super::files;
use crate::config::Yml;
use crate::data;

/// What the owner brings.
#[derive(Clone, Default)]
pub struct Provided {
    /// Roles by name, as `roles.yml` has them.
    pub(super) roles: Yml,
    /// Names of users, and how they prove who they are.
    pub(super) users: BTreeMap<String, Proof>,
    /// Users by role.
    pub(super) users_roles: BTreeMap<String, BTreeSet<String>>,
}

/// How a user proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// A hash as it was brought.
    Hash(String),
    /// A password, to be hashed.
    Password(String),
}

impl std::fmt::Debug for Provided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provided({} users, {:?})", self.users.len(), self.roles)
    }
}

impl Provided {
    /// Whether the owner brings the user `elastic`: then the operator makes none, and no Secret for it.
    pub fn has_elastic_user(&self) -> bool {
        self.users.contains_key(super::ELASTIC)
    }
}

/// A Secret that was left out, and why. It is no reason to stop: the event names it, and it is looked at again when it changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvidedProblem {
    /// It isn't there.
    #[error("the Secret {secret} does not exist")]
    Missing {
        /// Which.
        secret: String,
    },
    /// It has none of the keys that it should have.
    #[error("the Secret {secret} has no {keys}")]
    NoKeys {
        /// Which.
        secret: String,
        /// What it lacks.
        keys: &'static str,
    },
    /// A key can't be read.
    #[error("{key} in the Secret {secret} can't be read")]
    Malformed {
        /// Which.
        secret: String,
        /// Which key.
        key: &'static str,
    },
    /// A password that Elasticsearch would refuse.
    #[error("the password in the Secret {secret} has fewer than {least} characters")]
    ShortPassword {
        /// Which.
        secret: String,
        /// How many it must have.
        least: usize,
    },
}

impl ProvidedProblem {
    /// Which Secret.
    pub fn secret(&self) -> &str {
        match self {
            Self::Missing { secret }
            | Self::NoKeys { secret, .. }
            | Self::Malformed { secret, .. }
            | Self::ShortPassword { secret, .. } => secret,
        }
    }
}

/// Reads what `spec.auth` refers to; `get` gives a Secret of the cluster's namespace by name.
pub fn read_provided(
    es: &Elasticsearch,
    get: &dyn Fn(&str) -> Option<Secret>,
) -> (Provided, Vec<ProvidedProblem>) {
    let mut provided = Provided::default();
    let mut problems = Vec::new();
    let mut each = |refs: &[parapet_api::SecretName], read: Reader| {
        for name in refs.iter().filter_map(|one| one.secret_name.as_deref()).filter(|name| !name.is_empty()) {
            let missing = || ProvidedProblem::Missing { secret: name.to_owned() };
            let outcome = get(name).ok_or_else(missing).and_then(|secret| read(name, &secret, &mut provided));
            problems.extend(outcome.err());
        }
    };
    each(&es.spec.auth.file_realm, read_realm);
    each(&es.spec.auth.roles, read_roles);
    (provided, problems)
}

type Reader = fn(&str, &Secret, &mut Provided) -> Result<(), ProvidedProblem>;

fn read_roles(name: &str, secret: &Secret, provided: &mut Provided) -> Result<(), ProvidedProblem> {
    const KEY: &str = "roles.yml";
    let text = data::text(secret, KEY)
        .ok_or_else(|| ProvidedProblem::NoKeys { secret: name.to_owned(), keys: KEY })?;
    let malformed = || ProvidedProblem::Malformed { secret: name.to_owned(), key: KEY };
    let roles = Yml::parse_plain(&text).map_err(|_| malformed())?;
    provided.roles = std::mem::take(&mut provided.roles).replaced_by(roles);
    Ok(())
}

fn read_realm(name: &str, secret: &Secret, provided: &mut Provided) -> Result<(), ProvidedProblem> {
    let username = data::filled(secret, "username");
    if let Some((username, password)) = username.zip(data::text(secret, "password")) {
        return read_basic(name, username, password, secret, provided);
    }
    let files = data::text(secret, "users").zip(data::text(secret, "users_roles"));
    let Some((users, users_roles)) = files else {
        let keys = "users and users_roles, nor username and password";
        return Err(ProvidedProblem::NoKeys { secret: name.to_owned(), keys });
    };
    let malformed = |key| ProvidedProblem::Malformed { secret: name.to_owned(), key };
    let users = files::parse(&users).ok_or_else(|| malformed("users"))?;
    let roles = files::parse(&users_roles).ok_or_else(|| malformed("users_roles"))?;
    provided.users.extend(users.into_iter().map(|(user, hash)| (user, Proof::Hash(hash))));
    for (role, users) in roles {
        provided.users_roles.entry(role).or_default().extend(comma_list(&users));
    }
    Ok(())
}

fn read_basic(
    name: &str,
    username: String,
    password: String,
    secret: &Secret,
    provided: &mut Provided,
) -> Result<(), ProvidedProblem> {
    /// Elasticsearch's own least.
    const LEAST: usize = 6;
    if password.chars().count() < LEAST {
        return Err(ProvidedProblem::ShortPassword { secret: name.to_owned(), least: LEAST });
    }
    if username.contains([':', '\n', ',']) {
        return Err(ProvidedProblem::Malformed { secret: name.to_owned(), key: "username" });
    }
    for role in comma_list(&data::text(secret, "roles").unwrap_or_default()) {
        provided.users_roles.entry(role).or_default().insert(username.clone());
    }
    provided.users.insert(username, Proof::Password(password));
    Ok(())
}

pub(super) fn comma_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
