//! Configuration of the providers as the user writes it: camelCase keys, unknown ones refused, no secret in it.

mod address;
mod span;
mod tenants;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use address::Address;
pub use span::Span;
pub use tenants::Tenants;

use crate::{ProviderName, SecretPath, Settings};

/// How often is asked unless configured; short enough that a rotation needs nobody's attention.
const REFRESH_EVERY: Duration = Duration::from_secs(300);
/// How old a value may get while its provider is down: a night's outage is somebody's business, an hour's is not.
const MAX_STALE: Duration = Duration::from_secs(3600);
/// How long the start waits for what is required.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How many calls one provider gets at once.
const CONCURRENCY: usize = 4;

/// Where secrets come from, and how fresh they are kept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// Providers by the name that references give.
    pub providers: BTreeMap<ProviderName, ProviderConfig>,
    /// How often each secret is looked at when nothing says that it changed. Default 5m.
    pub refresh_every: Option<Span>,
    /// How old the last good value may get before the process says that it is not ready. Default 1h.
    pub max_stale: Option<Span>,
    /// How long the start waits for required secrets. Default 30s.
    pub start_deadline: Option<Span>,
    /// Hosts, as `HOST:PORT`, that providers may connect to; a provider with another address is an error. Default: those
    /// that the providers name.
    pub egress: Option<Vec<String>>,
}

impl Configuration {
    /// The settings, defaults filled in.
    pub fn settings(&self) -> Settings {
        let or = |span: Option<Span>, default| span.map_or(default, |span| span.0);
        Settings {
            refresh_every: or(self.refresh_every, REFRESH_EVERY),
            max_stale: or(self.max_stale, MAX_STALE),
            start_deadline: or(self.start_deadline, START_DEADLINE),
            ..Settings::default()
        }
    }
}

/// One provider; exactly one kind.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ProviderConfig {
    /// Files: Secret volumes, CSI drivers, agents that write files.
    File(FileConfig),
    /// Secrets of a Kubernetes API server, each read and watched by its name.
    Kubernetes(KubernetesConfig),
    /// Vault or OpenBao.
    Vault(VaultConfig),
}

impl ProviderConfig {
    pub(crate) fn tenants(&self) -> Option<&Tenants> {
        match self {
            Self::File(FileConfig { tenants, .. })
            | Self::Kubernetes(KubernetesConfig { tenants, .. })
            | Self::Vault(VaultConfig { tenants, .. }) => tenants.as_ref(),
        }
    }

    pub(crate) fn concurrency(&self) -> usize {
        let configured = match self {
            Self::File(FileConfig { concurrency, .. })
            | Self::Kubernetes(KubernetesConfig { concurrency, .. })
            | Self::Vault(VaultConfig { concurrency, .. }) => *concurrency,
        };
        configured.map_or(CONCURRENCY, |calls| usize::from(calls.get()))
    }
}

/// Files below a folder: a secret is a folder, a key is a file in it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileConfig {
    /// The folder that secrets are below; links that lead out of it are not followed.
    pub root: PathBuf,
    /// How often is looked where the system doesn't tell of changes. Default 10s.
    #[serde(default)]
    pub poll: Option<Span>,
    /// What to do with files that every user of the machine can read. Default refuse; Secret volumes of Kubernetes, which
    /// are so by default and seen by their own container only, are read in any case.
    #[serde(default)]
    pub world_readable: WorldReadable,
    /// Which namespaces' resources may use it. Default none.
    #[serde(default)]
    pub tenants: Option<Tenants>,
    /// How many secrets are read at once. Default 4.
    #[serde(default)]
    pub concurrency: Option<std::num::NonZeroU8>,
}

/// What to do with files that every user of the machine can read.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum WorldReadable {
    /// Treat them as an error.
    #[default]
    Refuse,
    /// Read them.
    Allow,
}

/// Secrets of an API server. A path is `NAME` or `NAMESPACE/NAME`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubernetesConfig {
    /// A kubeconfig file. Default: the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of paths that name none. Default: the pod's, or the kubeconfig's.
    pub namespace: Option<String>,
    /// Which namespaces' resources may use it. Default none.
    pub tenants: Option<Tenants>,
    /// How many secrets are read at once. Default 4.
    pub concurrency: Option<std::num::NonZeroU8>,
}

/// Vault or OpenBao over HTTPS. Nothing is taken from the environment, and no proxy is used.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultConfig {
    /// Where it is, such as `https://vault.example:8200`; the others are tried when the first doesn't answer, and are
    /// where a standby may send us.
    pub addresses: Vec<Address>,
    /// PEM file of the authorities that its certificate must come from; no other is trusted. Read again when it changes.
    pub ca_file: PathBuf,
    /// Namespace of Vault Enterprise, HCP and OpenBao. Default none.
    #[serde(default)]
    pub namespace: Option<String>,
    /// How to log in.
    pub auth: VaultAuth,
    /// What is mounted where; a secret's path starts with one of these.
    pub mounts: BTreeMap<SecretPath, VaultEngine>,
    /// Which namespaces' resources may use it. Default none.
    #[serde(default)]
    pub tenants: Option<Tenants>,
    /// How many calls are made at once. Default 4.
    #[serde(default)]
    pub concurrency: Option<std::num::NonZeroU8>,
}

/// How to log in to Vault.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum VaultAuth {
    /// With a service account's token. Serves for the mount of a `jwt` method too.
    #[serde(rename_all = "camelCase")]
    Kubernetes {
        /// The role to log in to.
        role: String,
        /// Where the method is mounted. Default kubernetes.
        #[serde(default)]
        mount: Option<SecretPath>,
        /// The token's file, read at each login. Default: the pod's own.
        #[serde(default)]
        token_file: Option<PathBuf>,
    },
    /// With a role id and a secret id.
    #[serde(rename_all = "camelCase")]
    AppRole {
        /// The role's id; not secret by itself.
        role_id: String,
        /// File of the secret id, read at each login.
        secret_id_file: PathBuf,
        /// The file holds a response-wrapping token that the secret id is unwrapped with, once. Default false.
        #[serde(default)]
        wrapped: bool,
        /// Where the method is mounted. Default approle.
        #[serde(default)]
        mount: Option<SecretPath>,
    },
    /// With a token that somebody else keeps in a file; it is renewed, and read again when it ends.
    TokenFile(PathBuf),
}

/// What is mounted at a path of Vault.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum VaultEngine {
    /// Key-value, version 1.
    Kv1,
    /// Key-value, version 2.
    Kv2,
    /// An engine that makes credentials with a lease: database, rabbitmq, aws and others. Each process gets its own.
    Leased,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(yaml: &str, expected: &[&str]) {
        let error = serde_saphyr::from_str::<Configuration>(yaml).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{part:?} is missing in: {error}");
        }
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let configuration: Configuration = serde_saphyr::from_str(
            "refreshEvery: 1m\nproviders:\n  mounted: {file: {root: /etc/parapet/secrets}}\n  cluster: {kubernetes: {}}\n  \
             vault:\n    vault:\n      addresses: ['https://vault.example:8200']\n      caFile: ca.pem\n      \
             auth: {kubernetes: {role: parapet}}\n      mounts: {kv: kv2, database: leased}\n",
        )
        .unwrap();
        assert_eq!(configuration.providers.len(), 3);
        assert_eq!(configuration.settings().refresh_every, Duration::from_secs(60));
        assert_eq!(configuration.settings().max_stale, MAX_STALE);
    }

    #[test]
    fn typos_are_named() {
        refused("providers: {a: {file: {rood: /x}}}", &["rood", "root"]);
        refused("providers: {a: {fil: {}}}", &["fil", "file", "kubernetes", "vault"]);
        refused("providers: {A: {file: {root: /x}}}", &["lower-case", "\"A\""]);
        refused("maxStale: soon", &["duration such as 5m", "soon"]);
        let vault = |addresses: &str, auth: &str| {
            format!(
                "providers: {{v: {{vault: {{addresses: [{addresses}], caFile: c, mounts: {{}}, auth: {auth}}}}}}}"
            )
        };
        refused(&vault("'http://v:8200'", "{tokenFile: t}"), &["https"]);
        refused(&vault("'https://user:word@v:8200'", "{tokenFile: t}"), &["https://HOST:PORT"]);
        refused(&vault("'https://v:8200/'", "{token: s.abc}"), &["token", "tokenFile"]);
        refused(
            &vault("'https://v:8200'", "{appRole: {roleId: r, secretId: s, secretIdFile: f}}"),
            &["secretId"],
        );
    }
}
