//! Who may answer for a cluster: whoever shows a certificate of its authority, whatever name it is for.
//!
//! The operator calls pods by names that their certificate needn't carry. The chain must lead to a certificate of the
//! Secret that the pods mount; who has a key of that authority is a node of the cluster, or its operator.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::ClientError;

/// How many sessions are kept to be resumed: a cluster has one connection at a time, or two.
const SESSIONS: usize = 2;

/// A configuration that trusts these certificates, and nothing else: those of the authority, and a leaf that is shown
/// exactly as it is here (a certificate of the user's whose authority nobody was given). Without any, nobody is trusted.
pub(super) fn client_config(pem: Option<&str>) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = AnyName::new(pem, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

#[derive(Debug)]
struct AnyName {
    authorities: RootCertStore,
    exactly: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyName {
    fn new(pem: Option<&str>, provider: &CryptoProvider) -> Result<Self, ClientError> {
        let certificates = CertificateDer::pem_slice_iter(pem.unwrap_or_default().as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ClientError::Trust(error.to_string()))?;
        if pem.is_some() && certificates.is_empty() {
            return Err(ClientError::Trust("there is none".to_owned()));
        }
        let mut authorities = RootCertStore::empty();
        for certificate in &certificates {
            authorities.add(certificate.clone()).map_err(|error| ClientError::Trust(error.to_string()))?;
        }
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { authorities, exactly: certificates, algorithms })
    }
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let verified = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.authorities,
            intermediates,
            now,
            self.algorithms.all,
        );
        match verified {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
                if self.exactly.iter().any(|known| known == end_entity) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            other => other.map(|()| ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
