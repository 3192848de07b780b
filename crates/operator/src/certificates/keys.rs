//! Where keys are made.

use std::sync::Arc;
use std::thread::available_parallelism;

use parapet_pki::{KeyKind, SubjectKey};
use tokio::sync::Semaphore;

use super::CertificateError;

/// Makes keys, as many at a time as there are cores. Clones are the same.
#[derive(Clone, Debug)]
pub struct KeyMaker {
    cores: Arc<Semaphore>,
}

impl Default for KeyMaker {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { cores: Arc::new(Semaphore::new(cores)) }
    }
}

impl KeyMaker {
    /// A new key. RSA takes a tenth of a second and gets a thread of its own; ECDSA is made in less than changing threads
    /// would take.
    pub async fn make(&self, kind: KeyKind) -> Result<SubjectKey, CertificateError> {
        match kind {
            KeyKind::EcdsaP256 => Ok(SubjectKey::generate(kind)?),
            KeyKind::Rsa2048 => {
                let permit =
                    Arc::clone(&self.cores).acquire_owned().await.expect("the semaphore is never closed");
                let made = tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    SubjectKey::generate(kind)
                });
                Ok(made.await.map_err(|_| CertificateError::Interrupted)??)
            }
        }
    }
}
