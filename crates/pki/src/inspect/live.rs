//! What a server shows to whoever connects, asked without trusting it.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::provider;

/// What a server showed.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its certificates, in its order.
    pub chain: Vec<CertificateDer<'static>>,
    /// Version of TLS, if the handshake came that far.
    pub version: Option<String>,
    /// Cipher suite, if the handshake came that far.
    pub cipher_suite: Option<String>,
    /// Whether it asked for a client's certificate.
    pub asks_for_certificate: bool,
    /// How the handshake ended, if not well: after the certificate was seen.
    pub ended: Option<String>,
}

/// Shakes hands with the server behind `stream` as far as it takes to see its certificates. Nothing is sent but the
/// handshake, and nothing that comes is believed.
///
/// # Errors
/// The stream failed, or the server showed no certificate.
pub fn ask(stream: &mut (impl Read + Write), name: ServerName<'static>) -> io::Result<Peer> {
    let seen = Arc::new(Seen {
        algorithms: provider().signature_verification_algorithms,
        chain: Mutex::new(Vec::new()),
    });
    let asked = Arc::new(Asked::default());
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(Arc::clone(&asked) as Arc<dyn rustls::client::ResolvesClientCert>);
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut ended = None;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(stream) {
            ended = Some(error);
            break;
        }
    }
    let chain = seen.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match ended {
        Some(error) if chain.is_empty() => Err(error),
        ended => {
            connection.send_close_notify();
            // The answer is known; whether the farewell arrives makes no difference.
            let _ = connection.write_tls(stream);
            Ok(Peer {
                chain,
                version: connection.protocol_version().map(|version| format!("{version:?}")),
                cipher_suite: connection
                    .negotiated_cipher_suite()
                    .map(|suite| format!("{:?}", suite.suite())),
                asks_for_certificate: asked.0.load(std::sync::atomic::Ordering::Relaxed),
                ended: ended.map(|error| error.to_string()),
            })
        }
    }
}

/// Remembers the chain and lets it pass; that the server has the key is still verified.
#[derive(Debug)]
struct Seen {
    algorithms: WebPkiSupportedAlgorithms,
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) =
            chain.map(|certificate| certificate.clone().into_owned()).collect();
        Ok(ServerCertVerified::assertion())
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

/// Notes that a certificate was asked for, and has none.
#[derive(Debug, Default)]
struct Asked(std::sync::atomic::AtomicBool);

impl rustls::client::ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}
