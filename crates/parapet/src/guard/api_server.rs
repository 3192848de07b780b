//! The client of the API server, made so that every wait and every retry is the guard's own.

use std::path::Path;

use anyhow::{Context as _, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};

/// By a kubeconfig, or as a pod is told.
pub(super) async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<kube::Client> {
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("--kubeconfig: can't use {}", path.display()))?;
            let proxies = file.clusters.iter().filter_map(|named| named.cluster.as_ref()?.proxy_url.as_ref());
            ensure!(
                proxies.filter(|proxy| !proxy.is_empty()).count() == 0,
                "--kubeconfig: {} names a proxy-url, which is not supported",
                path.display()
            );
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("--kubeconfig: can't use {}", path.display()))?
        }
        None => kube::Config::incluster()
            .context("not in a pod with a service account; outside of one, --kubeconfig is needed")?,
    };
    // The client's own would go on for minutes while a caller waits.
    config.default_retry = false;
    // Tokens go to the API server itself, whatever the environment says of proxies.
    config.proxy_url = None;
    kube::Client::try_from(config).context("can't set up the client of the API server")
}
