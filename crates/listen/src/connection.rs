//! One TLS session: HTTP/1.1 or HTTP/2 as ALPN chose, until it ends, idles, or is told to finish.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tower::{Service, ServiceExt as _};

use crate::metrics::ListenerMetrics;
use crate::{Limits, RequestBody};

/// A silent HTTP/2 peer is asked whether it is there, and given as long again to say so; a dead machine is noticed in a minute.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Header fields of an HTTP/1.1 request; hyper's own default.
const MAX_HEADERS: usize = 100;
/// hyper wants at least this much to buffer one HTTP/1.1 head.
const MIN_HEAD_BUFFER: usize = 8192;

/// Serves the session until it is over. `closing` turns true when the listener shuts down.
pub(crate) async fn serve<S, B>(
    tls: TlsStream<TcpStream>,
    peer: SocketAddr,
    service: S,
    limits: &Limits,
    metrics: &ListenerMetrics,
    closing: watch::Receiver<bool>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let activity = Arc::new(Activity::default());
    let requests = metrics.requests(if h2 { "h2" } else { "h1" });
    let service =
        PerRequest { inner: service, peer, requests, limits: limits.clone(), activity: activity.clone() };
    let io = TokioIo::new(tls);
    let ended = if h2 {
        let connection = http2(limits).serve_connection(io, service);
        drive(connection, |c| c.graceful_shutdown(), limits, &activity, closing).await
    } else {
        let connection = http1(limits).serve_connection(io, service);
        drive(connection, |c| c.graceful_shutdown(), limits, &activity, closing).await
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, error = &error as &dyn Error, "connection ended early");
    }
}

fn http1(limits: &Limits) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size((limits.max_header_bytes as usize).max(MIN_HEAD_BUFFER));
    builder
}

fn http2(limits: &Limits) -> hyper::server::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(limits.max_header_bytes)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    builder
}

/// Polls a connection to its end; asks it to finish when the listener closes or nothing is asked of it.
async fn drive<C, E>(
    connection: C,
    finish: impl Fn(Pin<&mut C>),
    limits: &Limits,
    activity: &Activity,
    mut closing: watch::Receiver<bool>,
) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let mut connection = pin!(connection);
    let mut patience = limits.header_timeout;
    let mut seen = activity.requests();
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = closing.wait_for(|closing| *closing) => break,
            () = tokio::time::sleep(patience) => {
                let now = activity.requests();
                if now == seen && activity.is_idle() {
                    break;
                }
                (seen, patience) = (now, limits.idle_timeout);
            }
        }
    }
    finish(connection.as_mut());
    // A peer that never spoke HTTP/2 does not answer the goodbye either. A listener that closes is less patient still.
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = no_request_for(limits.shutdown_grace, activity) => Ok(()),
    }
}

/// Resolves when `grace` has passed without a request in flight.
async fn no_request_for(grace: Duration, activity: &Activity) {
    loop {
        tokio::time::sleep(grace).await;
        if activity.is_idle() {
            return;
        }
    }
}

/// What goes on in one connection.
#[derive(Debug, Default)]
struct Activity {
    started: AtomicU64,
    ended: AtomicU64,
}

impl Activity {
    fn requests(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.started.load(Ordering::Relaxed) == self.ended.load(Ordering::Relaxed)
    }

    fn begin(self: &Arc<Self>) -> InFlight {
        self.started.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }
}

/// A request whose answer is not sent yet.
#[derive(Debug)]
struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts each request and tells the service who asks.
#[derive(Clone)]
struct PerRequest<S> {
    inner: S,
    peer: SocketAddr,
    requests: Counter,
    limits: Limits,
    activity: Arc<Activity>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for PerRequest<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Tracked<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.requests.inc();
        let in_flight = self.activity.begin();
        request.extensions_mut().insert(self.peer);
        // Who asks before sending a body has not sent it, and need not after a refusal.
        let asks_first = request.headers().contains_key(EXPECT);
        let (parts, body) = request.into_parts();
        let (body, unread) = RequestBody::new(body);
        let (service, limits) = (self.inner.clone(), self.limits.clone());
        Box::pin(async move {
            let response = service.oneshot(Request::from_parts(parts, body)).await?;
            if !asks_first {
                unread.discard(&limits).await;
            }
            Ok(response.map(|body| Tracked { body: Box::pin(body), _in_flight: in_flight }))
        })
    }
}

/// A response body that keeps its request in flight until it is sent.
struct Tracked<B> {
    body: Pin<Box<B>>,
    _in_flight: InFlight,
}

impl<B: Body> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
