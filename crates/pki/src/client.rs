//! The other side: connecting to servers that hold a leaf.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::{PkiError, provider};

/// A client's side of TLS 1.2 and 1.3 that trusts the authorities in `ca_pem` and no other. It names no application
/// protocols; HTTP clients set theirs.
pub fn client_config(ca_pem: &str) -> Result<Arc<ClientConfig>, PkiError> {
    let certificates = CertificateDer::pem_slice_iter(ca_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| PkiError::Pem { what: "certificate" })?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(certificates)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// At least one certificate, each usable.
pub(crate) fn roots(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<RootCertStore, PkiError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate)?;
    }
    if roots.is_empty() { Err(PkiError::Pem { what: "certificate" }) } else { Ok(roots) }
}
