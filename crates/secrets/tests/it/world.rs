//! What tests of several kinds build on.

use std::sync::Arc;
use std::time::Duration;

use parapet_secrets::{
    Metrics, Options, Provider, Providers, SecretRef, SecretStatus, Settings, Snapshot, Store, Subscription,
};

/// `provider:path#key`, with `@version` before the `#` if one is meant.
pub(crate) fn reference(text: &str) -> SecretRef {
    let (provider, rest) = text.split_once(':').unwrap();
    let (path, key) = rest.split_once('#').unwrap();
    let (path, version) = match path.split_once('@') {
        Some((path, version)) => (path, Some(version.parse().unwrap())),
        None => (path, None),
    };
    SecretRef {
        provider: provider.parse().unwrap(),
        path: path.parse().unwrap(),
        key: key.parse().unwrap(),
        version,
    }
}

/// One provider called `p`.
pub(crate) fn providers(provider: Arc<dyn Provider>) -> Providers {
    let mut providers = Providers::default();
    providers.insert("p".parse().unwrap(), provider, 3, None);
    providers
}

/// A store without chance.
pub(crate) fn store(providers: Providers, settings: Settings) -> Store {
    let mut options = Options::new(providers, settings, Metrics::default());
    options.chance = Arc::new(|| 0.0);
    Store::new(options)
}

/// Looks every second, so that real providers show their changes in a test's time.
pub(crate) fn quick() -> Settings {
    Settings { refresh_every: Duration::from_secs(1), ..Settings::default() }
}

pub(crate) fn text(snapshot: &Snapshot, key: &str) -> String {
    snapshot.get(key).unwrap_or_else(|| panic!("no key {key}")).expose_text().unwrap().to_owned()
}

pub(crate) fn value(subscription: &Subscription) -> Option<String> {
    subscription.value().unwrap().map(|value| value.expose_text().unwrap().to_owned())
}

/// Waits for versions until one has this value.
pub(crate) async fn becomes(subscription: &mut Subscription, expected: &str) {
    while value(subscription).as_deref() != Some(expected) {
        subscription.changed().await;
        // Marks it as seen.
        subscription.apply(|_| Ok(()));
    }
}

pub(crate) fn status_of(store: &Store, secret: &str) -> SecretStatus {
    store.status().into_iter().find(|status| status.secret == secret).unwrap()
}
