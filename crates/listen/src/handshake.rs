//! From an accepted TCP connection to a TLS session, or to the reason why there is none.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection: the record type of a handshake (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// How much of a clear-text request is read away before the connection is closed; unread bytes would turn the
/// close into a reset.
const MAX_DRAIN_BYTES: usize = 64 * 1024;
/// How long that may take.
const MAX_DRAIN: Duration = Duration::from_secs(1);

/// Why there is no TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer did not finish in time.
    Timeout,
    /// The peer went away: a health probe, a port scan.
    Closed,
    /// The peer speaks something else, such as HTTP without TLS.
    NotTls,
    /// The peer broke the protocol.
    Malformed,
    /// No version, cipher or other parameter in common.
    Incompatible,
    /// The peer did not accept us: usually it does not know our CA.
    Rejected,
    /// The peer's certificate was not accepted.
    ClientCertificate,
    /// The connection broke, or anything else.
    Other,
}

impl Failure {
    /// The value of the `reason` label.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Malformed => "malformed",
            Self::Incompatible => "incompatible",
            Self::Rejected => "rejected_by_peer",
            Self::ClientCertificate => "client_certificate",
            Self::Other => "other",
        }
    }
}

/// Shakes hands within `deadline`. A peer that does not speak TLS gets a plain close and no byte.
pub(crate) async fn handshake(
    tcp: TcpStream,
    tls: Arc<ServerConfig>,
    deadline: Duration,
) -> Result<TlsStream<TcpStream>, Failure> {
    let shaking = async {
        let mut first = [0u8];
        match tcp.peek(&mut first).await {
            Ok(0) => return Err(Failure::Closed),
            Ok(_) if first[0] != HANDSHAKE_RECORD => {
                close_cleanly(tcp).await;
                return Err(Failure::NotTls);
            }
            Ok(_) => {}
            Err(_) => return Err(Failure::Closed),
        }
        TlsAcceptor::from(tls).accept(tcp).await.map_err(|error| classify(&error))
    };
    tokio::time::timeout(deadline, shaking).await.unwrap_or(Err(Failure::Timeout))
}

async fn close_cleanly(mut tcp: TcpStream) {
    let drain = async {
        tcp.shutdown().await?;
        let mut sink = [0u8; 4096];
        let mut drained = 0;
        while drained < MAX_DRAIN_BYTES {
            match tcp.read(&mut sink).await? {
                0 => break,
                n => drained += n,
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // The peer is a stranger and the connection is over: how it ends makes no difference.
    drop(tokio::time::timeout(MAX_DRAIN, drain).await);
}

fn classify(error: &std::io::Error) -> Failure {
    use rustls::Error;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => Failure::Closed,
            _ => Failure::Other,
        };
    };
    match tls {
        Error::AlertReceived(_) => Failure::Rejected,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Failure::Incompatible,
        Error::NoCertificatesPresented | Error::InvalidCertificate(_) => Failure::ClientCertificate,
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => Failure::Malformed,
        _ => Failure::Other,
    }
}
