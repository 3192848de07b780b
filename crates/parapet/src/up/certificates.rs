//! The process's certificates: one authority, one leaf that all listeners show, renewed while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parapet_fs::Fs;
use parapet_pki::{Authority, Folder, Names, PkiError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::metrics::CertificateMetrics;

/// How often it is asked whether the leaf is due; clocks jump and machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub(crate) struct Certificates(Arc<Folder>);

impl Certificates {
    /// Opens the folder, or makes authority and leaf at the first start.
    pub(crate) fn open(fs: Arc<dyn Fs>, folder: &Path, names: &[String]) -> Result<Self, PkiError> {
        let names = Names::new(names.iter().map(String::as_str))?;
        Folder::open(fs, folder, names, Timestamp::now()).map(|folder| Self(Arc::new(folder)))
    }

    pub(crate) fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        // The listener sets the protocols that it speaks.
        self.0.identity().server_config(&[])
    }

    /// Absolute path of the CA's certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.0.ca_path()
    }

    /// (name, end) of each certificate.
    pub(crate) fn expiries(&self) -> [(&'static str, Timestamp); 2] {
        self.0.expiries()
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.0.authority()
    }

    /// Renews the leaf when it is due, until `closed`.
    pub(crate) fn spawn_renewal(
        &self,
        metrics: CertificateMetrics,
        mut closed: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let certificates = self.clone();
        tokio::spawn(async move {
            loop {
                for (name, ends) in certificates.expiries() {
                    metrics.set(name, ends);
                }
                if tokio::time::timeout(LOOK_EVERY, closed.wait_for(|closed| *closed)).await.is_ok() {
                    return;
                }
                let folder = certificates.0.clone();
                match tokio::task::spawn_blocking(move || folder.renew(Timestamp::now())).await {
                    Ok(Ok(Some(reason))) => {
                        tracing::info!(reason = reason.reason(), "server certificate renewed");
                    }
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => {
                        tracing::error!(%error, "renewing the server certificate failed; the old one stays");
                    }
                    Err(error) => {
                        tracing::error!(%error, "renewing the server certificate failed; the old one stays");
                    }
                }
            }
        })
    }
}
