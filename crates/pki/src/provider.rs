//! The one implementation of cryptography that this program uses, and whether it is a FIPS module.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ServerConfig};

use crate::PkiError;

/// Whether this program was built to use nothing but the FIPS module of AWS-LC (cargo feature `fips`).
pub const FIPS_BUILD: bool = cfg!(feature = "fips");

/// aws-lc-rs; never taken from a process-wide default, so that nobody can change it behind our back.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Whether the cryptography really is a FIPS module's in approved operation, which the module itself answers.
pub fn fips_enabled() -> bool {
    provider().fips()
}

/// Asserts what a FIPS build promises; call it at start, before anything listens. Other builds always pass.
///
/// # Errors
/// This is a FIPS build and the provider does not say that it is in FIPS mode.
pub fn assert_fips() -> Result<(), PkiError> {
    if FIPS_BUILD && !fips_enabled() {
        Err(PkiError::NotFips { what: "cryptographic provider" })
    } else {
        Ok(())
    }
}

/// The same for a configuration that somebody else assembled: every listener's passes through here.
///
/// # Errors
/// This is a FIPS build and the configuration would allow something that is not approved.
pub fn assert_fips_server(config: &ServerConfig) -> Result<(), PkiError> {
    if FIPS_BUILD && !config.fips() {
        Err(PkiError::NotFips { what: "server configuration" })
    } else {
        Ok(())
    }
}

/// The same for a client's configuration.
///
/// # Errors
/// This is a FIPS build and the configuration would allow something that is not approved.
pub fn assert_fips_client(config: &ClientConfig) -> Result<(), PkiError> {
    if FIPS_BUILD && !config.fips() {
        Err(PkiError::NotFips { what: "client configuration" })
    } else {
        Ok(())
    }
}
