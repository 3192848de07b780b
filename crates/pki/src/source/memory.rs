//! Certificates that nobody provides: made at the start, kept in memory alone, renewed there.

use std::fmt;
use std::future;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::source::{Material, Source};
use crate::{Authority, AuthorityOptions, Clock, LeafOptions, Names, PkiError, Validity, renew_at};

/// As long as kube-rbac-proxy's lasts; it is renewed after two thirds of it, which few processes reach.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);

/// A server's certificate from an authority that exists for this one signature: the key of the authority is forgotten at
/// once. Clients cannot know it beforehand, so they verify nothing, or pin what they saw.
pub struct SelfSigned {
    names: Names,
    clock: Clock,
    current: Mutex<Made>,
}

struct Made {
    material: Material,
    authority: CertificateDer<'static>,
    renew_at: Timestamp,
}

impl SelfSigned {
    /// For these names.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate(names: Names, clock: Clock) -> Result<Self, PkiError> {
        let current = Mutex::new(Made::new(&names, clock())?);
        Ok(Self { names, clock, current })
    }

    /// The certificate of the authority of what is shown now, for tests and those who pin.
    pub fn authority_pem(&self) -> String {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        crate::bundle::pem_of("CERTIFICATE", &current.authority)
    }
}

impl Source for SelfSigned {
    /// What was made, or something new once two thirds of that's life are over.
    fn read(&self) -> Result<Material, PkiError> {
        let now = (self.clock)();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= current.renew_at {
            *current = Made::new(&self.names, now)?;
        }
        Ok(current.material.clone())
    }

    async fn changed(&self) {
        future::pending::<()>().await;
    }
}

impl Made {
    fn new(names: &Names, now: Timestamp) -> Result<Self, PkiError> {
        let authority =
            Authority::generate_with(&AuthorityOptions { life: LIFE, ..AuthorityOptions::default() }, now)?;
        let leaf = authority.issue_with(&LeafOptions { life: LIFE, ..LeafOptions::default() }, names, now)?;
        let chain = leaf.certificate_pem() + authority.certificate_pem();
        let key = Zeroizing::new(leaf.key_pem().as_bytes().to_vec());
        // Nothing is renewed with it, so there is nothing to spread: no jitter.
        let renew_at = renew_at(Validity { not_before: now, not_after: leaf.not_after() }, 128);
        let material = Material { pair: Some((chain.into_bytes(), key)), trust: None };
        Ok(Self { material, authority: authority.certificate().clone(), renew_at })
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSigned").field("names", &self.names).finish_non_exhaustive()
    }
}
