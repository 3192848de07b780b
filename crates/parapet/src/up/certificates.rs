//! The process's certificates: an authority that rotates, and a leaf that all listeners show, both kept fresh while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parapet_fs::Fs;
use parapet_pki::{
    Authority, Event, Folder, FolderLock, FolderOptions, Metrics, Names, PkiError, Reports, Request,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is asked what is due; clocks jump and machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// How often it is looked whether `parapet cert` asks for something: one look at a name in a folder.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// `parapet cert` has the folder open for as long as it takes to write three small files.
const OPEN_AGAIN: Duration = Duration::from_millis(50);

#[derive(Clone, Debug)]
pub(crate) struct Certificates(Arc<Held>);

#[derive(Debug)]
struct Held {
    folder: Folder,
    looked: watch::Sender<()>,
    _lock: FolderLock,
}

impl Certificates {
    /// Opens the folder, or makes authority and leaf at the first start.
    pub(crate) fn open(fs: Arc<dyn Fs>, folder: &Path, names: &[String]) -> Result<Self, PkiError> {
        let names = Names::new(names.iter().map(String::as_str))?;
        let lock = loop {
            match FolderLock::take(&*fs, folder)? {
                Some(lock) => break lock,
                // Not another `up`: it would have the data folder.
                None => std::thread::sleep(OPEN_AGAIN),
            }
        };
        let folder = Folder::open(fs, folder, FolderOptions::new(names), Timestamp::now())?;
        Ok(Self(Arc::new(Held { folder, looked: watch::Sender::new(()), _lock: lock })))
    }

    pub(crate) fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        // The listener sets the protocols that it speaks.
        self.0.folder.identity().server_config(&[])
    }

    /// Absolute path of the CA's certificate; of two, while one takes the other's place.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.0.folder.ca_path()
    }

    /// (name, end) of each certificate.
    pub(crate) fn expiries(&self) -> Vec<(&'static str, Timestamp)> {
        self.0.folder.expiries()
    }

    /// The authority that signs now.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.0.folder.authority()
    }

    /// Certificates of the authorities that are trusted now, PEM.
    pub(crate) fn bundle_pem(&self) -> Result<String, PkiError> {
        self.0.folder.bundle().map(|bundle| bundle.to_pem())
    }

    /// Changes each time that it was looked what is due: what is trusted or issued may be another from then on.
    pub(crate) fn looked(&self) -> watch::Receiver<()> {
        self.0.looked.subscribe()
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
                metrics.set_phase("ca", certificates.0.folder.rotation().phase());
                certificates.0.looked.send_replace(());
                let look = async {
                    tokio::select! {
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                        () = certificates.answered() => {}
                    }
                };
                tokio::select! {
                    _ = closed.wait_for(|closed| *closed) => return,
                    () = look => {}
                }
                let held = certificates.0.clone();
                // Who uses the leaf and who was given `ca.crt` nobody knows: the phases go by time.
                let ticked = tokio::task::spawn_blocking(move || {
                    held.folder.tick(Timestamp::now(), &Reports::default())
                });
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

    /// Resolves when `parapet cert` asked for something and has its answer.
    async fn answered(&self) {
        loop {
            tokio::time::sleep(ASKED_EVERY).await;
            let held = self.0.clone();
            match tokio::task::spawn_blocking(move || held.folder.answer(Timestamp::now())).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some((what, answered)))) => {
                    if (what, &answered.refused) == (Request::Rotate, &None) {
                        self.tell_of_successor();
                    }
                    return;
                }
                Ok(Err(error)) => {
                    let error = error.with_causes();
                    tracing::warn!(%error, "what was asked of the certificates can't be done");
                }
                Err(error) => tracing::error!(%error, "what was asked of the certificates failed"),
            }
        }
    }

    /// Says what people have to do, if anything.
    fn tell(&self, event: Event) {
        use parapet_pki::rotation::Phase;
        if let Event::Entered(Phase::Prepare, _) = event {
            self.tell_of_successor();
        }
    }

    fn tell_of_successor(&self) {
        tracing::warn!(
            ca_file = %self.ca_file().display(),
            "the certificate authority will be replaced in a month; give clients elsewhere the new CA file, which has both"
        );
    }
}
