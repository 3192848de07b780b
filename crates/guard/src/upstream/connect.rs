//! Opening one connection to the upstream.

use std::io::{self, IoSlice};
use std::os::unix::fs::FileTypeExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Address, Protocol, UpstreamError};
use crate::Metrics;

/// Opens connections.
#[derive(Debug)]
pub(super) struct Connector {
    address: Address,
    protocol: Protocol,
    timeout: Duration,
    metrics: Metrics,
}

/// One connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Clear text over the network.
    Tcp(TcpStream),
    /// Clear text on this machine.
    Unix(UnixStream),
    /// TLS over either.
    Tls(Box<TlsStream<Raw>>),
}

/// What TLS runs over.
#[derive(Debug)]
pub(crate) enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connector {
    pub(super) fn new(address: Address, protocol: Protocol, timeout: Duration, metrics: Metrics) -> Self {
        Self { address, protocol, timeout, metrics }
    }

    /// HTTP/1 without asking.
    pub(super) fn is_http1(&self) -> bool {
        matches!(self.protocol, Protocol::Http1)
    }

    /// HTTP/2 without asking.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.protocol, Protocol::H2c)
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.protocol, Protocol::Tls { .. })
    }

    pub(super) async fn connect(&self) -> Result<Stream, UpstreamError> {
        self.bounded(false).await
    }

    /// As [`Self::connect`], but a TLS upstream is offered HTTP/1.1 alone.
    pub(super) async fn connect_http1(&self) -> Result<Stream, UpstreamError> {
        self.bounded(true).await
    }

    async fn bounded(&self, only_http1: bool) -> Result<Stream, UpstreamError> {
        let opened = tokio::time::timeout(self.timeout, self.open(only_http1)).await;
        let stream = opened.map_err(|_| UpstreamError::ConnectTimeout(self.timeout))??;
        self.metrics.upstream_opened();
        Ok(stream)
    }

    async fn open(&self, only_http1: bool) -> Result<Stream, UpstreamError> {
        let raw = match &self.address {
            Address::Tcp { host, port } => {
                let stream =
                    TcpStream::connect((host.as_str(), *port)).await.map_err(UpstreamError::Connect)?;
                // Small requests should not wait for acknowledgements of earlier ones.
                stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
                Raw::Tcp(stream)
            }
            Address::Unix { path, uid } => {
                let kind =
                    tokio::fs::symlink_metadata(path).await.map_err(UpstreamError::Connect)?.file_type();
                if !kind.is_socket() {
                    return Err(UpstreamError::Socket("the path is not a socket"));
                }
                let stream = UnixStream::connect(path).await.map_err(UpstreamError::Connect)?;
                let listener = stream.peer_cred().map_err(UpstreamError::Connect)?.uid();
                if uid.is_some_and(|uid| uid != listener) {
                    return Err(UpstreamError::Socket("another user listens there"));
                }
                Raw::Unix(stream)
            }
        };
        let Protocol::Tls { tls, name } = &self.protocol else {
            return Ok(match raw {
                Raw::Tcp(stream) => Stream::Tcp(stream),
                Raw::Unix(stream) => Stream::Unix(stream),
            });
        };
        let mut config = tls.current().config();
        if only_http1 {
            Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let stream =
            TlsConnector::from(config).connect(name.clone(), raw).await.map_err(UpstreamError::Connect)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl Stream {
    /// Whether the handshake chose HTTP/2.
    pub(super) fn chose_http2(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2"))
    }
}

/// Forwards each method to whichever stream it is.
macro_rules! each {
    ($self:ident, $($kind:ident)|+, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            $(Self::$kind($stream) => $call,)+
        }
    };
}

/// Reading and writing, for an enum of streams.
macro_rules! is_stream {
    ($type:ident: $($kind:ident)|+) => {
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_read(cx, buf))
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_write(cx, buf))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $(Self::$kind(stream) => stream.is_write_vectored(),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_shutdown(cx))
            }
        }
    };
}

is_stream!(Raw: Tcp | Unix);
is_stream!(Stream: Tcp | Unix | Tls);
