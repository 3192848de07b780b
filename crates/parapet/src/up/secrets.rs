//! The providers and the store of the configuration's secrets.

use anyhow::Context as _;
use parapet_secrets::{Configuration, Metrics, Options, Providers, Store};

use crate::exit::{Failure, OrExit as _, Reason};

/// A store over the configured providers. Nothing is read yet.
pub(crate) async fn open(configuration: &Configuration, metrics: &Metrics) -> Result<Store, Failure> {
    let providers =
        Providers::open(configuration, metrics).await.context("secrets.providers").or_exit(Reason::Usage)?;
    Ok(Store::new(Options::new(providers, configuration.settings(), metrics.clone())))
}
