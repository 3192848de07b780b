//! The process's certificates: an authority that rotates, and a leaf that all listeners show, both kept fresh while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parapet_fs::Fs;
use parapet_pki::{Authority, Event, Folder, FolderOptions, Metrics, Names, PkiError, Reports};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is asked what is due; clocks jump and machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub(crate) struct Certificates(Arc<Folder>);

impl Certificates {
    /// Opens the folder, or makes authority and leaf at the first start.
    pub(crate) fn open(fs: Arc<dyn Fs>, folder: &Path, names: &[String]) -> Result<Self, PkiError> {
        let names = Names::new(names.iter().map(String::as_str))?;
        Folder::open(fs, folder, FolderOptions::new(names), Timestamp::now())
            .map(|folder| Self(Arc::new(folder)))
    }

    pub(crate) fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        // The listener sets the protocols that it speaks.
        self.0.identity().server_config(&[])
    }

    /// Absolute path of the CA's certificate; of two, while one takes the other's place.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.0.ca_path()
    }

    /// (name, end) of each certificate.
    pub(crate) fn expiries(&self) -> Vec<(&'static str, Timestamp)> {
        self.0.expiries()
    }

    /// The authority that signs now.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.0.authority()
    }

    /// Certificates of the authorities that are trusted now, PEM.
    pub(crate) fn bundle_pem(&self) -> Result<String, PkiError> {
        self.0.bundle().map(|bundle| bundle.to_pem())
    }

    /// Renews the leaf and rotates the authority when they are due, until `closed`.
    pub(crate) fn spawn_renewal(
        &self,
        metrics: Metrics,
        mut closed: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let certificates = self.clone();
        tokio::spawn(async move {
            loop {
                for (name, ends) in certificates.expiries() {
                    metrics.set_expiry(name, ends);
                }
                metrics.set_phase("ca", certificates.0.rotation().phase());
                if tokio::time::timeout(LOOK_EVERY, closed.wait_for(|closed| *closed)).await.is_ok() {
                    return;
                }
                let folder = certificates.0.clone();
                // Who uses the leaf and who was given `ca.crt` nobody knows: the phases go by time.
                let ticked =
                    tokio::task::spawn_blocking(move || folder.tick(Timestamp::now(), &Reports::default()));
                match ticked.await {
                    Ok(Ok(events)) => events.into_iter().for_each(|event| certificates.tell(event)),
                    Ok(Err(error)) => {
                        let error = error.with_causes();
                        tracing::error!(%error, "renewing certificates failed; the old ones stay");
                    }
                    Err(error) => {
                        tracing::error!(%error, "renewing certificates failed; the old ones stay");
                    }
                }
            }
        })
    }

    /// Says what people have to do, if anything.
    fn tell(&self, event: Event) {
        use parapet_pki::rotation::Phase;
        let ca_file = self.ca_file();
        if let Event::Entered(Phase::Prepare, _) = event {
            tracing::warn!(
                ca_file = %ca_file.display(),
                "the certificate authority will be replaced in a month; give clients elsewhere the new CA file, which has both"
            );
        }
    }
}
