//! The webhook's socket: TLS, bounded, each connection with the certificate of its moment.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parapet_pki::{
    Material, Options, PairPaths, PkiError, Reloading, ServerProfile, ServerTls, Source, WatchedPair,
    reloading,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Keeper, KeeperError, Kept};
use super::{Answer, MAX_BODY, Webhook};
use crate::metrics::{CertificateReads, Ended, Steps, WEBHOOK_CERTIFICATES};

/// Connections at a time: there are few API servers, and each keeps its connection.
const CONNECTIONS: usize = 256;
/// For a handshake, and for a request's head. The API server itself waits ten seconds for all of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failed `accept`, so that the loop doesn't spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// After the certificate couldn't be looked at.
const RETRY: Duration = Duration::from_secs(10);
/// For reviews in flight at the end.
const DRAIN: Duration = Duration::from_secs(3);

/// Where the certificate comes from.
pub enum Certificate {
    /// The operator makes it.
    Kept(Keeper),
    /// `tls.crt` and `tls.key` in a folder, from somebody else.
    Folder(PathBuf),
}

/// What is served, and where.
pub struct Serving {
    /// Where. Port 0 stands for any.
    pub address: SocketAddr,
    /// The certificate.
    pub certificate: Certificate,
    /// What answers.
    pub webhook: Webhook,
    /// How certificates are followed: clock and counters.
    pub options: Options,
    /// Counts how often the certificate is looked after, and read.
    pub counted: Counted,
}

/// What is counted of the certificate.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// That it was looked after.
    pub steps: Steps,
    /// That it was read.
    pub reads: CertificateReads,
}

/// A bound webhook.
#[derive(Debug)]
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    tasks: JoinSet<()>,
}

/// Why it can't be served.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address can't be bound.
    #[error("can't serve the webhook at {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no certificate.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The certificate can't be used.
    #[error("can't use the certificate of the webhook")]
    Certificate(#[from] PkiError),
}

impl Served {
    /// Returns when all has ended, after the stop.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Serves until `stop`.
///
/// # Errors
/// There is no certificate and none can be made, or the address is taken: the operator must not start then, because the
/// API server would wait for an answer to everything.
pub async fn serve(
    serving: Serving,
    stop: impl Future<Output = ()> + Clone + Send + 'static,
) -> Result<Served, WebhookError> {
    let Serving { address, certificate, webhook, options, counted } = serving;
    let mut tasks = JoinSet::new();
    let clock = Arc::clone(&options.clock);
    let shown = match certificate {
        Certificate::Kept(keeper) => {
            let kept = look_after(&keeper, &clock, &counted.steps).await?;
            let (sender, receiver) = watch::channel(kept.material.clone());
            tasks.spawn(keep(keeper, kept, sender, clock, counted.steps, stop.clone()));
            Shown::Kept(Mutex::new(receiver))
        }
        Certificate::Folder(folder) => {
            let pair = Some((folder.join("tls.crt"), folder.join("tls.key")));
            Shown::Files(WatchedPair::new(PairPaths { pair, trust: None }))
        }
    };
    let profile =
        ServerProfile { alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()], ..ServerProfile::default() };
    let (tls, reloader) = reloading(counted.reads.of(shown), profile, options)?;
    tasks.spawn(reloader.run(stop.clone()));
    let listener =
        TcpListener::bind(address).await.map_err(|source| WebhookError::Bind { address, source })?;
    let address = listener.local_addr().map_err(|source| WebhookError::Bind { address, source })?;
    tracing::info!(%address, "the webhook is served");
    tasks.spawn(accept(listener, tls, Arc::new(webhook), stop));
    Ok(Served { address, tasks })
}

/// Looks after the certificate.
async fn keep(
    keeper: Keeper,
    mut kept: Kept,
    sender: watch::Sender<Material>,
    clock: parapet_pki::Clock,
    steps: Steps,
    stop: impl Future<Output = ()> + Clone,
) {
    let work = async {
        loop {
            tokio::time::sleep(kept.look_again).await;
            match look_after(&keeper, &clock, &steps).await {
                Ok(now) => {
                    sender.send_if_modified(|material| {
                        let changed = *material != now.material;
                        *material = now.material.clone();
                        changed
                    });
                    kept = now;
                }
                Err(error) => {
                    tracing::warn!(error = %error, source = ?std::error::Error::source(&error), "the webhook's certificate can't be looked after; the one before stays");
                    kept.look_again = RETRY;
                }
            }
        }
    };
    tokio::select! { () = work => {}, () = stop => {} }
}

async fn look_after(keeper: &Keeper, clock: &parapet_pki::Clock, steps: &Steps) -> Result<Kept, KeeperError> {
    let ended = |kept: &Result<Kept, _>| if kept.is_ok() { Ended::RequeueAfter } else { Ended::Error };
    steps.count(WEBHOOK_CERTIFICATES, keeper.keep(clock()), ended).await
}

async fn accept(
    listener: TcpListener,
    tls: Reloading<ServerTls>,
    webhook: Arc<Webhook>,
    stop: impl Future<Output = ()> + Clone + Send + 'static,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut ending = std::pin::pin!(stop.clone());
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            () = &mut ending => break,
            accepted = async {
                let place = place.await.expect("the semaphore is never closed");
                listener.accept().await.map(|(socket, _)| (place, socket))
            } => accepted,
            // Ended ones are forgotten.
            Some(_) = connections.join_next() => continue,
        };
        let (place, socket) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the webhook can't be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (tls, webhook, stop) = (tls.current(), Arc::clone(&webhook), stop.clone());
        connections.spawn(async move {
            connection(socket, &tls, webhook, stop).await;
            drop(place);
        });
    }
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, all).await;
}

async fn connection(
    socket: TcpStream,
    tls: &ServerTls,
    webhook: Arc<Webhook>,
    stop: impl Future<Output = ()>,
) {
    let handshake = TlsAcceptor::from(tls.config()).accept(socket);
    let stream = match tokio::time::timeout(PATIENCE, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake with the webhook failed"),
        Err(_) => return tracing::debug!("a handshake with the webhook took too long"),
    };
    let service = service_fn(move |request| respond(Arc::clone(&webhook), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PATIENCE * 3))
        .max_concurrent_streams(64);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the webhook ended");
    }
}

async fn respond(
    webhook: Arc<Webhook>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST {
        return Ok(response(StatusCode::METHOD_NOT_ALLOWED, "reviews are posted"));
    }
    let path = request.uri().path().to_owned();
    let body = tokio::time::timeout(PATIENCE, Limited::new(request.into_body(), MAX_BODY).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Ok(response(StatusCode::PAYLOAD_TOO_LARGE, "the review is too large"));
        }
        Ok(Err(_)) => return Ok(response(StatusCode::BAD_REQUEST, "the review did not arrive whole")),
        Err(_) => return Ok(response(StatusCode::REQUEST_TIMEOUT, "the review did not arrive in time")),
    };
    let answer = AssertUnwindSafe(webhook.answer(&path, &body)).catch_unwind().await;
    let Ok(Answer { status, body }) = answer else {
        // The panic's message was printed by the hook, with its place.
        webhook.metrics.panicked();
        tracing::error!("the answer to a review panicked; this is a defect");
        return Ok(response(StatusCode::INTERNAL_SERVER_ERROR, "the review could not be answered"));
    };
    let mut response = response(status, body);
    if status == StatusCode::OK {
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    }
    Ok(response)
}

fn response(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

/// The certificate that API servers see.
enum Shown {
    /// The receiver has seen what was read last.
    Kept(Mutex<watch::Receiver<Material>>),
    Files(WatchedPair),
}

impl Source for Shown {
    fn read(&self) -> Result<Material, PkiError> {
        match self {
            Self::Kept(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(kept.borrow_and_update().clone())
            }
            Self::Files(files) => files.read(),
        }
    }

    async fn changed(&self) {
        match self {
            Self::Kept(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // The sender is gone when the process ends.
                if kept.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            Self::Files(files) => files.changed().await,
        }
    }
}
