//! Why the demo did not start.

use std::path::PathBuf;

/// Why the demo did not start. Nothing of it runs then.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A log file cannot be written.
    #[error("cannot write the demo's logs in {}", path.display())]
    Log {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate or key is no PEM.
    #[error("the demo's {what} cannot be read")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not make a TLS configuration.
    #[error("the demo's TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The OTLP endpoint is not `https`.
    #[error("the demo sends over TLS only, not to {endpoint}")]
    ClearText {
        /// What was given.
        endpoint: String,
    },
    /// The OTLP token cannot be sent.
    #[error("the demo's token is no header value")]
    Token,
    /// The SDK does not take the endpoint.
    #[error("the demo's OTLP exporter cannot be set up")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// A port on loopback cannot be had.
    #[error("the demo cannot listen")]
    Listen(#[from] parapet_listen::ListenError),
    /// The system has no randomness.
    #[error("no random secrets for the demo")]
    Random(#[source] getrandom::Error),
}

impl DemoError {
    /// Whether the surroundings are at fault (a full disk, no free port) and a later start may succeed; otherwise the options are.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Log { .. } | Self::Listen(_) | Self::Random(_) => true,
            Self::Pem { .. } | Self::Tls(_) | Self::ClearText { .. } | Self::Token | Self::Otlp(_) => false,
        }
    }
}
