//! Configuration files: the operator's own settings, and the user's over them.

mod apm_server;
mod elasticsearch;
mod kibana;
mod render;
mod roles;
mod tree;

pub use apm_server::{ApmServerInputs, apm_server, secret as apm_server_secret};
pub use elasticsearch::{elasticsearch, secret as elasticsearch_secret};
pub use kibana::{EncryptionKeys, KibanaInputs, kibana, secret as kibana_secret};
pub use parapet_api::{Role, Roles};
pub use roles::node_roles;
pub use tree::{Node, Yml};

use crate::association::Conf;

/// What a user's configuration can be refused for.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// One setting is written twice, perhaps once with dots and once as an object.
    #[error("the setting {path} is given twice")]
    Twice {
        /// Its dotted path.
        path: String,
    },
    /// A setting is a value and an object at once.
    #[error("the setting {path} is a value and an object at once")]
    ValueAndObject {
        /// Its dotted path.
        path: String,
    },
    /// A key with an empty part: `a..b`.
    #[error("the key {key:?} has an empty part")]
    EmptyPart {
        /// As it is written.
        key: String,
    },
    /// More objects within objects than anything sensible has.
    #[error("settings are nested deeper than {most} levels")]
    TooDeep {
        /// How many are allowed.
        most: usize,
    },
    /// A text that is not YAML, or not an object.
    #[error("the configuration is not an object in YAML")]
    NotYaml(#[source] serde_saphyr::Error),
    /// What a policy left is no object in JSON.
    #[error("the configuration that a policy left is not an object in JSON")]
    Policy(#[source] serde_json::Error),
    /// A version that isn't one.
    #[error(transparent)]
    Version(#[from] parapet_api::VersionError),
}

/// Another application, and how one proves who one is there.
#[derive(Clone, Debug)]
pub struct Association<'a> {
    /// Where it is.
    pub conf: &'a Conf,
    /// Who one is.
    pub credentials: Credentials,
}

/// How one proves who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    None,
    /// The token of a service account.
    Token(String),
    /// A user's name and password.
    Password {
        /// Who.
        username: String,
        /// Its secret.
        password: String,
    },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(…)",
            Self::Password { .. } => "Password(…)",
        })
    }
}

impl Credentials {
    /// What `secret`, which [`Conf`] names, holds for a user or a service account; nothing if it lacks the key.
    pub fn read(conf: &Conf, secret: &k8s_openapi::api::core::v1::Secret) -> Option<Self> {
        if !conf.has_auth() {
            return Some(Self::None);
        }
        let text = crate::data::text(secret, &conf.auth_secret_key)?;
        if conf.is_service_account {
            return Some(Self::Token(text));
        }
        // A Secret of our own has one key, the user's name; one that a user wrote names the user beside the password.
        let username =
            crate::data::filled(secret, "username").unwrap_or_else(|| conf.auth_secret_key.clone());
        Some(Self::Password { username, password: text })
    }
}
