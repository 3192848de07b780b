//! The providers that the configuration names.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    Configuration, FileProvider, Location, Metrics, Provider, ProviderConfig, ProviderName, Scope,
    SecretError, Tenants, VaultProvider,
};

/// Providers by name.
#[derive(Default)]
pub struct Providers(BTreeMap<ProviderName, Entry>);

pub(crate) struct Entry {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) permits: Arc<Semaphore>,
    tenants: Option<Tenants>,
}

impl Providers {
    /// Makes each provider of the configuration; none is connected to yet.
    ///
    /// # Errors
    /// A provider cannot work: a file that it needs is not there, or an address that `egress` doesn't allow.
    pub async fn open(configuration: &Configuration, metrics: &Metrics) -> Result<Self, SecretError> {
        let egress = Egress(configuration.egress.as_deref());
        let mut providers = Self::default();
        for (name, config) in &configuration.providers {
            let provider: Arc<dyn Provider> = match config {
                ProviderConfig::File(file) => Arc::new(FileProvider::new(file)),
                ProviderConfig::Kubernetes(kubernetes) => open_kubernetes(name, kubernetes, &egress).await?,
                ProviderConfig::Vault(vault) => {
                    for address in &vault.addresses {
                        egress.check(name, &address.authority())?;
                    }
                    Arc::new(VaultProvider::new(name, vault, metrics)?)
                }
            };
            let entry = Entry {
                provider,
                permits: Arc::new(Semaphore::new(config.concurrency())),
                tenants: config.tenants().cloned(),
            };
            providers.0.insert(name.clone(), entry);
        }
        Ok(providers)
    }

    /// Adds a provider of another kind, `concurrency` calls at once; tenants may not use it unless `tenants` says so.
    pub fn insert(
        &mut self,
        name: ProviderName,
        provider: Arc<dyn Provider>,
        concurrency: usize,
        tenants: Option<Tenants>,
    ) {
        let permits = Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        self.0.insert(name, Entry { provider, permits, tenants });
    }

    /// The provider of `location`, if `scope` may use it for that.
    pub(crate) fn of(&self, scope: &Scope, location: &Location) -> Result<&Entry, SecretError> {
        let entry = self
            .0
            .get(&location.provider)
            .ok_or_else(|| SecretError::UnknownProvider(location.provider.to_string()))?;
        scope.check(location, entry.tenants.as_ref())?;
        Ok(entry)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.0.values().map(|entry| &entry.provider)
    }
}

/// The hosts that may be connected to; `None` for those that the providers name.
pub(crate) struct Egress<'a>(Option<&'a [String]>);

impl Egress<'_> {
    fn check(&self, provider: &ProviderName, authority: &str) -> Result<(), SecretError> {
        match self.0 {
            Some(hosts) if !hosts.iter().any(|host| host.eq_ignore_ascii_case(authority)) => {
                Err(SecretError::Configuration {
                    provider: provider.to_string(),
                    why: format!("{authority} is not among the hosts that egress allows"),
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "kubernetes")]
async fn open_kubernetes(
    name: &ProviderName,
    config: &crate::KubernetesConfig,
    egress: &Egress<'_>,
) -> Result<Arc<dyn Provider>, SecretError> {
    let client = crate::kubernetes::client_config(name, config).await?;
    // The pod's own API server needs no permission; one that a kubeconfig names does.
    if config.kubeconfig.is_some() {
        let wrong = || SecretError::Configuration {
            provider: name.to_string(),
            why: "the kubeconfig's server is not https".to_owned(),
        };
        egress.check(name, &crate::Address::of(&client.cluster_url).ok_or_else(wrong)?.authority())?;
    }
    Ok(Arc::new(crate::KubernetesProvider::from_config(name, client, config.namespace.clone())?))
}

#[cfg(not(feature = "kubernetes"))]
async fn open_kubernetes(
    name: &ProviderName,
    _: &crate::KubernetesConfig,
    _: &Egress<'_>,
) -> Result<Arc<dyn Provider>, SecretError> {
    Err(SecretError::Configuration {
        provider: name.to_string(),
        why: "this build has no kubernetes provider".to_owned(),
    })
}
