//! Where certificates, keys and bundles come from, as bytes.

mod files;
mod memory;
mod secret;

use zeroize::Zeroizing;

use crate::PkiError;

pub use files::{PairPaths, WatchedPair};
pub use memory::SelfSigned;
pub use secret::{SecretData, SecretPair, secret_material};

/// What a source has: PEM, not looked at yet. Two are equal if their bytes are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Material {
    /// The certificate chain and its private key.
    pub pair: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    /// The authorities to trust.
    pub trust: Option<Vec<u8>>,
}

/// A place that has certificates and may have others later.
pub trait Source: Send + Sync + 'static {
    /// Everything that is there now, of one moment: never a certificate of before a change with a key of after it. May
    /// block; it is called where that is allowed.
    ///
    /// # Errors
    /// Something is missing or unreadable. What was read before stays in use.
    fn read(&self) -> Result<Material, PkiError>;

    /// Resolves when it may be worth reading again; it is read now and then anyway. Dropping the future loses no change.
    fn changed(&self) -> impl Future<Output = ()> + Send;
}
