//! A server certificate that somebody else issues: found by reference, checked, shown, and replaced when the secret changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use parapet_fs::Fs;
use parapet_pki::{Bundle, Leaf, PkiError, ServerIdentity};
use parapet_secrets::{Need, Refused, Scope, SecretKey, Snapshot, Store, Subscription};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::turned;
use crate::config::file::Tls;
use crate::exit::{Failure, OrExit as _, Reason};

/// What commands on this machine trust while the certificate is a given one.
const TRUSTED: &str = "given-ca.crt";

/// The certificate in use.
pub(crate) struct Given {
    keys: Keys,
    identity: ServerIdentity,
    subscription: Subscription,
    fs: Arc<dyn Fs>,
    trusted: PathBuf,
}

/// Where in the secret it is.
struct Keys {
    certificate: SecretKey,
    private_key: SecretKey,
    authority: Option<SecretKey>,
}

impl Given {
    /// Waits for the secret, and takes the certificate in it.
    pub(crate) async fn open(
        secrets: &Store,
        tls: &Tls,
        fs: Arc<dyn Fs>,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let Tls { certificate, private_key, authority } = tls;
        let keys = Keys {
            certificate: certificate.secret_ref.key.clone(),
            private_key: private_key.secret_ref.key.clone(),
            authority: authority.as_ref().map(|authority| authority.secret_ref.key.clone()),
        };
        let mut subscription = secrets
            .watch(&Scope::Own, &certificate.secret_ref, Need::Required, "listeners")
            .context("listen.tls.certificate")
            .or_exit(Reason::Usage)?;
        secrets.started().await.context("listen.tls").or_exit(Reason::Failed)?;
        let trusted = folder.join(TRUSTED);
        let mut first = None;
        let taken = subscription.apply(|snapshot| {
            let leaf = keys.leaf(snapshot)?;
            keys.write_trusted(snapshot, &leaf, &*fs, &trusted)?;
            first = Some(leaf);
            Ok(())
        });
        match (taken, first) {
            (Some(Ok(_)), Some(leaf)) => {
                Ok(Self { keys, identity: ServerIdentity::new(leaf), subscription, fs, trusted })
            }
            (Some(Err(refused)), _) => Err(refused).context("listen.tls").or_exit(Reason::Failed),
            (None | Some(Ok(_)), _) => {
                Err(Refused("there is no certificate")).context("listen.tls").or_exit(Reason::Failed)
            }
        }
    }

    /// A file of what clients on this machine can trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.trusted.clone()
    }

    pub(crate) fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        // The listener sets the protocols that it speaks.
        self.identity.server_config(&[])
    }

    /// Shows each new certificate from the next handshake on, until `closed`.
    pub(crate) fn spawn_renewal(self, closed: watch::Receiver<bool>) -> JoinHandle<()> {
        let Self { keys, identity, subscription, fs, trusted } = self;
        let following = subscription.keep_applied(move |snapshot| {
            let leaf = keys.leaf(snapshot)?;
            keys.write_trusted(snapshot, &leaf, &*fs, &trusted)?;
            identity.replace(leaf);
            Ok(())
        });
        tokio::spawn(async move {
            tokio::select! {
                () = following => {}
                () = turned(closed) => {}
            }
        })
    }
}

impl Keys {
    /// The certificate and its key, if they fit each other and are valid now.
    fn leaf(&self, snapshot: &Snapshot) -> Result<Leaf, Refused> {
        let text = |key: &SecretKey, missing, no_text| {
            let value = snapshot.get(key.as_str()).ok_or(Refused(missing))?;
            value.expose_text().ok_or(Refused(no_text))
        };
        let certificate =
            text(&self.certificate, "the secret has no such certificate", "the certificate is no PEM")?;
        let key = text(&self.private_key, "the secret has no such private key", "the private key is no PEM")?;
        let mut pem = Zeroizing::new(String::with_capacity(certificate.len() + key.len() + 1));
        for part in [certificate, "\n", key] {
            pem.push_str(part);
        }
        let leaf = Leaf::from_pem(&pem).map_err(|error| match error {
            PkiError::KeyMismatch => Refused("the private key does not belong to the certificate"),
            _ => Refused("the certificate or the private key is unusable"),
        })?;
        let now = Timestamp::now();
        match (leaf.not_before() <= now, now <= leaf.not_after()) {
            (true, true) => Ok(leaf),
            (false, _) => Err(Refused("the certificate is not valid yet")),
            (_, false) => Err(Refused("the certificate has expired")),
        }
    }

    /// Certificates alone: a value may hold the key too.
    fn write_trusted(
        &self,
        snapshot: &Snapshot,
        leaf: &Leaf,
        fs: &dyn Fs,
        path: &Path,
    ) -> Result<(), Refused> {
        let bundle = match &self.authority {
            Some(key) => {
                let authority =
                    snapshot.get(key.as_str()).ok_or(Refused("the secret has no such authority"))?;
                Bundle::from_pem(authority.expose())
            }
            None => Bundle::new(leaf.pair().chain().iter().cloned()),
        };
        let bundle = bundle.map_err(|_| Refused("the authority is no usable certificate"))?;
        parapet_fs::replace(fs, path, bundle.to_pem().as_bytes()).map_err(|error| {
            tracing::warn!(path = %path.display(), %error, "the authority for clients can't be written");
            Refused("the authority for clients can't be written")
        })
    }
}
