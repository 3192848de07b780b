//! The one place that requests are forwarded to: how it is reached, and the connections kept to it.
//!
//! An HTTP/1 connection has no task of its own: whoever uses it drives it, and in between it lies in the pool. So a request
//! and its answer stay on one task, on one core. HTTP/2 connections are shared and have a task. Each worker has its own of
//! both kinds.

mod connect;
mod error;
mod multiplexed;
mod pool;
mod unsent;

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parapet_pki::{ClientTls, Reloading};
use rustls_pki_types::ServerName;
use unsent::Unsent;

pub(crate) use connect::Stream;
pub use error::UpstreamError;
pub(crate) use pool::PooledBody;

use crate::body::{BodyError, Outgoing};
use crate::{CanonicalPath, Metrics};

/// Where the upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A name or an address, looked up for each connection.
    Tcp {
        /// The name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket in the file system.
    Unix {
        /// Its path. It must be a socket itself, not a link to one.
        path: PathBuf,
        /// Who must be listening. None: anybody.
        uid: Option<u32>,
    },
}

/// How the upstream is spoken to.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// HTTP/1.1 in clear text.
    Http1,
    /// HTTP/2 in clear text, without asking first.
    H2c,
    /// TLS; the configuration's ALPN decides between HTTP/1.1 and HTTP/2.
    Tls {
        /// The configuration for the next connection.
        tls: Reloading<ClientTls>,
        /// Whose name the upstream's certificate must have.
        name: ServerName<'static>,
    },
}

/// What is known of the upstream before the first request.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// Where it is.
    pub address: Address,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Put before every path. None: nothing.
    pub base_path: Option<CanonicalPath>,
    /// For a connection with its handshakes.
    pub connect_timeout: Duration,
    /// From a request's forwarding to the head of the answer. None: as long as the caller waits.
    pub first_byte_timeout: Option<Duration>,
    /// HTTP/1 connections kept without use. The reference keeps two, and opens one for nearly each request beyond.
    pub idle_connections: usize,
    /// Of how many [`Workers`](crate::proxy::Workers) requests come: no connection is used by two of them.
    pub workers: usize,
    /// How long an HTTP/1 connection is kept without use. Of those that a peak needed, all but a few of each worker are kept
    /// for seconds only.
    pub idle_timeout: Duration,
}

impl UpstreamSettings {
    /// With a connect timeout of 5 s, no first-byte timeout, and 256 idle connections kept for 60 s.
    pub fn new(address: Address, protocol: Protocol) -> Self {
        Self {
            address,
            protocol,
            base_path: None,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: None,
            idle_connections: 256,
            workers: 1,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// The upstream and the connections to it.
#[derive(Debug)]
pub struct Upstream {
    connector: connect::Connector,
    base_path: String,
    first_byte_timeout: Option<Duration>,
    kept: Vec<Kept>,
    metrics: Metrics,
}

/// The connections of one worker.
#[derive(Debug)]
struct Kept {
    pool: pool::Pool,
    multiplexed: multiplexed::Multiplexed,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// Over a connection of its own, that goes back to the pool.
    Pooled(PooledBody),
    /// Over a stream of a shared connection.
    Shared(Incoming),
}

impl Upstream {
    /// Nothing is connected yet.
    pub fn new(settings: UpstreamSettings, metrics: Metrics) -> Self {
        let UpstreamSettings {
            address,
            protocol,
            base_path,
            connect_timeout,
            first_byte_timeout,
            idle_connections,
            workers,
            idle_timeout,
        } = settings;
        let workers = workers.max(1);
        let kept = |_| Kept {
            pool: pool::Pool::new(idle_connections.div_ceil(workers), idle_timeout),
            multiplexed: multiplexed::Multiplexed::default(),
        };
        Self {
            connector: connect::Connector::new(address, protocol, connect_timeout, metrics.clone()),
            base_path: base_path.map(|path| path.wire().trim_end_matches('/').to_owned()).unwrap_or_default(),
            first_byte_timeout,
            kept: (0..workers).map(kept).collect(),
            metrics,
        }
    }

    /// Sends a request of a worker and waits for the head of the answer. The request has been rewritten: only its target is
    /// left to do.
    pub(crate) async fn send(
        &self,
        mut request: Request<Outgoing>,
        target: PathAndQuery,
        worker: usize,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let kept = &self.kept[worker % self.kept.len()];
        let target = self.target(target)?;
        *request.uri_mut() = Uri::from(target);
        let mut request = Unsent::new(request);
        let sent = Instant::now();
        let exchange = self.exchange(kept, &mut request, sent);
        let answer = match self.first_byte_timeout {
            None => exchange.await,
            // On the heap, as all that is rare: a request carries its state about wherever it goes.
            Some(limit) => Box::pin(tokio::time::timeout(limit, exchange))
                .await
                .map_err(|_| UpstreamError::FirstByteTimeout)?,
        }?;
        self.metrics.first_byte(sent.elapsed());
        Ok(answer)
    }

    /// A connection of its own for a request that is to become a tunnel: HTTP/1, never pooled.
    pub(crate) async fn dedicated(&self) -> Result<Stream, UpstreamError> {
        self.connector.connect_http1().await
    }

    /// The target with the base path before it.
    pub(crate) fn target(&self, target: PathAndQuery) -> Result<PathAndQuery, UpstreamError> {
        if self.base_path.is_empty() {
            return Ok(target);
        }
        PathAndQuery::try_from(format!("{}{target}", self.base_path)).map_err(|_| UpstreamError::Target)
    }

    /// Closes pooled connections that were idle for too long.
    pub(crate) fn sweep(&self) {
        self.kept.iter().for_each(|kept| kept.pool.sweep(Instant::now()));
    }

    async fn exchange(
        &self,
        kept: &Kept,
        request: &mut Unsent,
        now: Instant,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        if self.connector.is_http1() {
            return self.over_http1(&kept.pool, request, now).await;
        }
        Box::pin(self.over_chosen(kept, request, now)).await
    }

    /// Over HTTP/2 if the upstream wants it.
    async fn over_chosen(
        &self,
        kept: &Kept,
        request: &mut Unsent,
        now: Instant,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        if let Some(sender) = kept.multiplexed.current() {
            match self.over_http2(sender, request).await {
                Err(_) if request.is_there() => self.metrics.upstream_retried(),
                ended => return ended,
            }
        }
        if !self.connector.is_http2() && kept.pool.has_idle() {
            return self.over_http1(&kept.pool, request, now).await;
        }
        // One connection is opened for all who wait for one.
        match kept.multiplexed.open(&self.connector).await? {
            multiplexed::Opened::Shared(sender) => self.over_http2(sender, request).await,
            multiplexed::Opened::Single(stream) => {
                request.for_http1();
                let channel = pool::Channel::new(stream).await?;
                kept.pool.exchange_over(channel, request).await
            }
        }
    }

    async fn over_http1(
        &self,
        pool: &pool::Pool,
        request: &mut Unsent,
        now: Instant,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        request.for_http1();
        while let Some(channel) = pool.take(now) {
            // What was idle for a while may have been closed by the upstream just now; then a request that changes nothing is
            // sent again. What was in use a moment ago wasn't.
            let idle_for = now.saturating_duration_since(channel.idle_since);
            let spare = if idle_for > STALE_AFTER { request.spare() } else { None };
            let error = match pool.exchange_over(channel, request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !request.is_there() {
                let spare = spare.filter(|_| error.is_broken_connection());
                *request = Unsent::new(*spare.ok_or(error)?);
            }
            self.metrics.upstream_retried();
        }
        let channel = Box::pin(self.open_http1()).await?;
        pool.exchange_over(channel, request).await
    }

    async fn open_http1(&self) -> Result<pool::Channel, UpstreamError> {
        pool::Channel::new(self.connector.connect().await?).await
    }

    async fn over_http2(
        &self,
        mut sender: multiplexed::Sender,
        request: &mut Unsent,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        sender.ready().await.map_err(UpstreamError::Exchange)?;
        request.for_http2(if self.connector.is_tls() { Scheme::HTTPS } else { Scheme::HTTP })?;
        match sender.try_send_request(request.take()).await {
            Ok(answer) => Ok(answer.map(AnswerBody::Shared)),
            Err(failed) => Err(request.failed(failed)),
        }
    }
}

/// Servers close connections that were idle for seconds; between two requests of a busy pool there are milliseconds.
const STALE_AFTER: Duration = Duration::from_millis(500);

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Pooled(body) => Pin::new(body).poll_frame(cx),
            Self::Shared(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Pooled(body) => body.is_end_stream(),
            Self::Shared(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Pooled(body) => body.size_hint(),
            Self::Shared(body) => body.size_hint(),
        }
    }
}
