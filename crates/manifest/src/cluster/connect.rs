//! The client of the API server that a kubeconfig names.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::ClusterError;

/// For one answer; a page of 500 pods comes in well under a second.
const READ: Duration = Duration::from_secs(60);

/// Which cluster is meant.
#[derive(Clone, Debug, Default)]
pub struct ClusterAddress {
    /// A context of the kubeconfig; none: its current one.
    pub context: Option<String>,
    /// The kubeconfig; none: what `KUBECONFIG` names, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
}

/// A client for `address`. Nothing is asked yet.
pub async fn connect(address: &ClusterAddress) -> Result<Client, ClusterError> {
    let file = match &address.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(ClusterError::Kubeconfig)?;
    let options = KubeConfigOptions { context: address.context.clone(), ..KubeConfigOptions::default() };
    let mut config =
        Config::from_custom_kubeconfig(file, &options).await.map_err(ClusterError::Kubeconfig)?;
    config.read_timeout = Some(READ);
    Client::try_from(config).map_err(ClusterError::Client)
}
