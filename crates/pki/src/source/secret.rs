//! Kubernetes Secrets of type `kubernetes.io/tls`, from whoever watches them; no client is known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use zeroize::Zeroizing;

use crate::PkiError;
use crate::source::{Material, Source};

/// A Secret's `data`, decoded.
pub type SecretData = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// The pair of one Secret and the bundle of the same or another one. Whoever watches the API puts each version into the
/// channel; `None` while there is no such Secret.
#[derive(Debug)]
pub struct SecretPair {
    data: watch::Receiver<Option<Arc<SecretData>>>,
    /// Remembers which version was announced; a lock, because waiting changes it.
    announced: Mutex<watch::Receiver<Option<Arc<SecretData>>>>,
}

impl SecretPair {
    /// Takes what the channel has.
    pub fn new(data: watch::Receiver<Option<Arc<SecretData>>>) -> Self {
        Self { announced: Mutex::new(data.clone()), data }
    }
}

impl Source for SecretPair {
    fn read(&self) -> Result<Material, PkiError> {
        let data = self.data.borrow().clone();
        secret_material(&*data.ok_or(PkiError::SecretKey { key: "tls.crt" })?)
    }

    async fn changed(&self) {
        if self.announced.lock().await.changed().await.is_err() {
            // Whoever watched is gone; what was read last stays.
            std::future::pending::<()>().await;
        }
    }
}

/// What stands in a Secret under the usual keys: `tls.crt`, `tls.key`, both or neither, and `ca.crt`.
pub fn secret_material(data: &SecretData) -> Result<Material, PkiError> {
    let pair = match (data.get("tls.crt"), data.get("tls.key")) {
        (Some(certificates), Some(key)) => Some((certificates.to_vec(), key.clone())),
        (None, None) => None,
        (None, Some(_)) => return Err(PkiError::SecretKey { key: "tls.crt" }),
        (Some(_), None) => return Err(PkiError::SecretKey { key: "tls.key" }),
    };
    let trust = data.get("ca.crt").map(|pem| pem.to_vec());
    if pair.is_none() && trust.is_none() {
        return Err(PkiError::SecretKey { key: "tls.crt" });
    }
    Ok(Material { pair, trust })
}
