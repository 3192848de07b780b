//! The Vault provider against a scripted server, and the scenarios that need no faults against a real one too.

mod admin;
mod faults;
mod leases;
pub(crate) mod login;
pub(crate) mod server;
pub(crate) mod state;
mod suite;

use std::path::Path;
use std::sync::Arc;

use parapet_secrets::{
    Configuration, Location, Metrics, Need, Provider as _, Scope, SecretError, Snapshot, Store, Subscription,
    VaultConfig, VaultProvider,
};

use crate::world::{providers, quick, reference, store};

/// A provider at these addresses; `more` is what else stands in the configuration, with `auth` in it.
pub(crate) fn provider(addresses: &[&str], ca_file: &Path, more: &str) -> VaultProvider {
    let yaml = format!("{{addresses: {addresses:?}, caFile: '{}', {more}}}", ca_file.display());
    let config: VaultConfig = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    VaultProvider::new(&"p".parse().unwrap(), &config, &Metrics::default()).unwrap()
}

pub(crate) fn location(path: &str) -> Location {
    reference(&format!("p:{path}#k")).location()
}

pub(crate) async fn read(provider: &VaultProvider, path: &str) -> Result<Snapshot, SecretError> {
    provider.resolve(&location(path)).await
}

pub(crate) fn stored(provider: VaultProvider) -> Store {
    store(providers(Arc::new(provider)), quick())
}

pub(crate) fn watch(store: &Store, text: &str) -> Subscription {
    store.watch(&Scope::Own, &reference(text), Need::Required, "test").unwrap()
}

#[tokio::test]
async fn a_provider_without_what_it_needs_is_refused_at_the_start() {
    let check = async |vault: &str, expected: &str| {
        let configuration: Configuration =
            serde_saphyr::from_str(&format!("providers: {{v: {{vault: {vault}}}}}")).unwrap();
        let error = parapet_secrets::Providers::open(&configuration, &Metrics::default()).await.map(drop);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("provider v") && error.contains(expected), "{error}");
    };
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let ca = empty.display();
    check("{addresses: [], caFile: c, auth: {tokenFile: t}, mounts: {kv: kv2}}", "no addresses").await;
    check("{addresses: ['https://v'], caFile: c, auth: {tokenFile: t}, mounts: {}}", "no mounts").await;
    let unusable =
        format!("{{addresses: ['https://v'], caFile: '{ca}', auth: {{tokenFile: t}}, mounts: {{kv: kv2}}}}");
    check(&unusable, "no usable certificate").await;
}
