//! The client of the API server, made so that every wait and every retry is the guard's own.

use std::path::Path;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// By a kubeconfig, or as a pod is told.
pub(super) async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<kube::Client> {
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("--kubeconfig: can't use {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("--kubeconfig: can't use {}", path.display()))?
        }
        None => kube::Config::incluster()
            .context("not in a pod with a service account; outside of one, --kubeconfig is needed")?,
    };
    // The client's own would go on for minutes while a caller waits.
    config.default_retry = false;
    kube::Client::try_from(config).context("can't set up the client of the API server")
}
