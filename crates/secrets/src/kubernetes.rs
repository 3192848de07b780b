//! Secrets of an API server, each read and watched by its name: the right to `get` and `watch` that one name is enough,
//! and nothing is ever listed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::{
    KubernetesConfig, Location, Provider, ProviderName, SecretBytes, SecretError, Snapshot, Version,
};

/// How long the server may be silent on an ordinary call.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one watch lasts; kube's own default, below what load balancers cut.
const WATCH_SECONDS: u32 = 290;
/// Wait before a watch that broke off is begun again; the store polls meanwhile in any case.
const WATCH_RETRY: Duration = Duration::from_secs(5);

/// What an API server says of a version that it doesn't remember.
const GONE: u16 = 410;
/// Pause between two watches.
const WATCH_AGAIN: Duration = Duration::from_secs(1);

/// Secrets of an API server.
pub struct KubernetesProvider {
    calls: Client,
    watches: Client,
    namespace: String,
    /// The resource version that the last look at each secret found; `None` if it wasn't there.
    seen: Mutex<HashMap<Location, Option<String>>>,
}

/// What the configuration says of how to connect.
pub(crate) async fn client_config(
    name: &ProviderName,
    config: &KubernetesConfig,
) -> Result<Config, SecretError> {
    let unusable = |why: String| SecretError::Configuration { provider: name.to_string(), why };
    match &config.kubeconfig {
        None => Config::incluster().map_err(|error| unusable(format!("not in a pod: {error}"))),
        Some(path) => {
            // Errors of parsing quote the file, which may hold keys: only the path is told.
            let unreadable = || unusable(format!("unusable kubeconfig {}", path.display()));
            let kubeconfig = Kubeconfig::read_from(path).map_err(|_| unreadable())?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(|_| unreadable())
        }
    }
}

impl KubernetesProvider {
    /// Connects as `config` says when first asked; never through a proxy. `namespace` is for paths that name none.
    ///
    /// # Errors
    /// The configuration's certificates or keys are unusable.
    pub fn from_config(
        name: &ProviderName,
        mut config: Config,
        namespace: Option<String>,
    ) -> Result<Self, SecretError> {
        config.proxy_url = None;
        // The store has its own back-off, and its own deadline.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        config.reset_reader_on_write = true;
        let mut watching = config.clone();
        watching.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS) + 10));
        let client = |config: Config| {
            Client::try_from(config).map_err(|_| SecretError::Configuration {
                provider: name.to_string(),
                why: "its certificates or keys are unusable".to_owned(),
            })
        };
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self { calls: client(config)?, watches: client(watching)?, namespace, seen: Mutex::default() })
    }

    fn place<'a>(&'a self, location: &'a Location) -> Result<(&'a str, &'a str), SecretError> {
        let mut segments = location.path.segments();
        match (segments.next(), segments.next(), segments.next()) {
            (Some(name), None, None) => Ok((&self.namespace, name)),
            (Some(namespace), Some(name), None) => Ok((namespace, name)),
            _ => Err(SecretError::Unsupported("expected NAME or NAMESPACE/NAME")),
        }
    }

    fn remember(&self, location: &Location, version: Option<String>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone(), version);
    }

    /// Watches from what was seen; returns when that is no longer so, or can't be told.
    async fn watch(&self, namespace: &str, name: &str, seen: &str) -> Result<(), kube::Error> {
        let secrets: Api<Secret> = Api::namespaced(self.watches.clone(), namespace);
        let only = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECONDS);
        let mut from = seen.to_owned();
        loop {
            let events = secrets.watch(&only, &from).await?;
            pin_mut!(events);
            while let Some(event) = events.next().await {
                match event? {
                    WatchEvent::Bookmark(bookmark) => from = bookmark.metadata.resource_version,
                    WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_) => return Ok(()),
                    WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
                }
            }
            // Its time was up. A server that ends watches at once isn't asked without end.
            tokio::time::sleep(WATCH_AGAIN).await;
        }
    }
}

#[async_trait]
impl Provider for KubernetesProvider {
    async fn resolve(&self, location: &Location) -> Result<Snapshot, SecretError> {
        if location.version.is_some() {
            return Err(SecretError::Unsupported("the API server has no versions to choose from"));
        }
        let (namespace, name) = self.place(location)?;
        let secrets: Api<Secret> = Api::namespaced(self.calls.clone(), namespace);
        let secret = match secrets.get(name).await {
            Ok(secret) => secret,
            Err(error) => {
                let error = translated(error);
                if matches!(error, SecretError::NotFound) {
                    self.remember(location, None);
                }
                return Err(error);
            }
        };
        let version = secret.metadata.resource_version.unwrap_or_default();
        self.remember(location, Some(version.clone()));
        let values: BTreeMap<String, SecretBytes> = secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, SecretBytes::from(value.0)))
            .collect();
        Snapshot::new(values, Version::new(version))
    }

    async fn changed(&self, location: &Location) {
        let Ok((namespace, name)) = self.place(location) else { return std::future::pending().await };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(location).cloned();
        // Without any answer yet there is nothing to watch from.
        let Some(seen) = seen else { return std::future::pending().await };
        // From nothing: the server tells what is there now, then what comes.
        while let Err(error) = self.watch(namespace, name, seen.as_deref().unwrap_or_default()).await {
            // Nothing can be watched from that version any more: the next look finds a newer one.
            let is_too_old = matches!(&error, kube::Error::Api(status) if status.code == GONE);
            tracing::debug!(secret = %location, error = %translated(error), "watching a secret broke off");
            tokio::time::sleep(if is_too_old { WATCH_AGAIN } else { WATCH_RETRY }).await;
            if is_too_old {
                return;
            }
        }
    }

    async fn forget(&self, location: &Location) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(location);
    }
}

/// An error without what the server said: parts of an object may be in it.
fn translated(error: kube::Error) -> SecretError {
    match error {
        kube::Error::Api(status) => match status.code {
            401 => SecretError::Denied("the API server doesn't accept our credentials"),
            403 => SecretError::Denied("get and watch on this secret are not granted"),
            404 => SecretError::NotFound,
            429 => SecretError::Throttled {
                retry_after: status
                    .details
                    .as_ref()
                    .map(|details| Duration::from_secs(u64::from(details.retry_after_seconds))),
            },
            code => SecretError::Status { step: "read a secret", status: code },
        },
        kube::Error::SerdeError(_) => SecretError::Malformed("the API server's answer is no Secret"),
        kube::Error::HyperError(source) => {
            SecretError::Unreachable { step: "reach the API server", source: Box::new(source) }
        }
        kube::Error::Service(source) => SecretError::Unreachable { step: "reach the API server", source },
        _ => SecretError::Malformed("the API server's answer can't be used"),
    }
}
