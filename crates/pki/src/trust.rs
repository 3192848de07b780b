//! Whether a client's certificate leads to an authority that is trusted.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::validity::unix_time;
use crate::{Bundle, PkiError, provider};

/// The authorities that clients' certificates must lead to.
#[derive(Clone, Debug)]
pub struct Trust {
    bundle: Bundle,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Trust {
    /// Trusts the authorities of `bundle`.
    pub fn new(bundle: Bundle) -> Result<Self, PkiError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(bundle.roots()?), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { bundle, verifier })
    }

    /// The authorities.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Whether `chain`, a client's certificate and what it sent with it, leads to one of them at `now`, for use as a
    /// client. That the client has the key was shown in the handshake. Asked for each request rather than once for each
    /// connection, it also ends what a certificate allowed when it expires or its authority is no longer trusted.
    pub fn accepts_client(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), PkiError> {
        let (leaf, intermediates) = chain.split_first().ok_or(PkiError::Pem { what: "certificate" })?;
        self.verifier.verify_client_cert(leaf, intermediates, unix_time(now))?;
        Ok(())
    }

    /// Ends the handshake of clients without a trusted certificate.
    pub(crate) fn required(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// Lets every client in that has the key of what it shows; [`Trust::accepts_client`] is to judge afterwards.
    pub(crate) fn asked(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Asked {
            algorithms: provider().signature_verification_algorithms,
            hints: self.verifier.root_hint_subjects().to_vec(),
        })
    }
}

/// Takes any certificate, so that a client with a foreign one can still come in by other credentials.
#[derive(Debug)]
struct Asked {
    algorithms: WebPkiSupportedAlgorithms,
    hints: Vec<DistinguishedName>,
}

impl ClientCertVerifier for Asked {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
