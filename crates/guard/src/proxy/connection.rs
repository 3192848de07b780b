//! One connection: HTTP/1.1 or HTTP/2 until it ends, idles, grows old, or is told to finish.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parapet_pki::ServerTls;
use tokio::sync::watch;

use super::cork;
use super::streams::{Progress, Streams};
use super::strict::{Accepted, Strict, StrictOptions};
use super::{Client, Handle};
use crate::body::{Answer, BodyError};
use crate::{Limits, Peer, headers};

/// A silent HTTP/2 peer is asked whether it is there, and given as long again to say so.
const PING_EVERY: Duration = Duration::from_secs(30);

/// hyper wants at least this much to buffer one HTTP/1.1 head.
const MIN_HEAD_BUFFER: usize = 8192;

/// The headers that hyper takes if it isn't told a number.
const HYPERS_HEADERS: usize = 100;

/// Streams that a peer opened and reset before they were accepted: hyper's default, which is what rapid reset met.
const MAX_RESET_STREAMS: usize = 20;

/// Streams reset because of the peer's own errors (CVE-2025-8671), hyper's default too.
const MAX_ERROR_STREAMS: usize = 1024;

/// Serves a connection until it is over.
pub(super) async fn serve<H: Handle>(
    stream: Accepted,
    (address, worker): (SocketAddr, usize),
    handler: Arc<H>,
    limits: &Limits,
    changed: Option<watch::Receiver<Arc<ServerTls>>>,
    closing: watch::Receiver<bool>,
) {
    let tunnel = Arc::new(AtomicBool::new(false));
    let peer = Peer { address: Some(address), certificates: certificates(&stream) };
    let client = Arc::new(Client {
        address: headers::written(&peer),
        peer,
        secure: matches!(stream, Accepted::Tls(_)),
        tunnel: Arc::clone(&tunnel),
        closing: closing.clone(),
        worker,
        tunnels: Mutex::default(),
    });
    let report = {
        let (handler, client) = (Arc::clone(&handler), Arc::clone(&client));
        move |fault| handler.unreadable(&client, fault)
    };
    let mut stream = Strict::new(
        stream,
        StrictOptions {
            header_timeout: limits.header_timeout,
            stall_timeout: limits.stall_timeout,
            // hyper's limit is met first, and answered with 431.
            max_head: head_buffer(limits) * 2,
            max_headers: limits.headers + 1,
            tunnel,
            report,
        },
    );
    let Ok(Ok(http2)) = tokio::time::timeout(limits.header_timeout, stream.is_http2(limits.http2)).await
    else {
        return;
    };
    let activity = Arc::new(Activity::default());
    let streams = {
        let handler = Arc::clone(&handler);
        Streams::new(limits.stall_timeout, move || handler.stalled())
    };
    let (requests, serving, begun) = (Arc::clone(&activity), Arc::clone(&client), streams.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let in_flight = requests.begin();
        let progress = http2.then(|| begun.begin());
        // On the heap: hyper moves what it waits for about, and this is kilobytes.
        let answer = Box::pin(Arc::clone(&handler).handle(request, Arc::clone(&serving)));
        async move { Ok::<_, Infallible>(answer.await.map(|body| InFlight::new(body, progress, in_flight))) }
    });
    let life = Life { limits, activity: &activity, changed, closing };
    let ended = if http2 {
        let (stream, held) = cork::corked(stream);
        let connection = http2_builder(limits, streams).serve_connection(TokioIo::new(stream), service);
        life.drive(held.around(connection), |connection| connection.inner().graceful_shutdown()).await
    } else {
        let connection =
            http1_builder(limits).serve_connection(TokioIo::new(stream), service).with_upgrades();
        life.drive(Box::pin(connection), |connection| connection.get_mut().as_mut().graceful_shutdown()).await
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %address, error = &error as &dyn std::error::Error, "connection ended early");
    }
    let mut tunnels = std::mem::take(&mut *client.tunnels());
    while tunnels.join_next().await.is_some() {}
}

fn http1_builder(limits: &Limits) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    // Time is kept by the stream below, which needs no timer for each request.
    builder.header_read_timeout(None).max_buf_size(head_buffer(limits)).half_close(false);
    // Only what is said costs: for a number of ours hyper writes over the place for that many headers, for each request.
    if limits.headers != HYPERS_HEADERS {
        builder.max_headers(limits.headers);
    }
    builder
}

fn http2_builder<E: Clone>(limits: &Limits, streams: E) -> hyper::server::conn::http2::Builder<E> {
    // HTTP/2's bounds (RFC 9113 §6.5.2 and §6.9.1).
    let frame = limits.frame_bytes.clamp(16_384, 16_777_215);
    let window = u64::from(limits.frame_bytes) * u64::from(limits.streams);
    let mut builder = hyper::server::conn::http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_frame_size(frame)
        .initial_stream_window_size(limits.frame_bytes.clamp(65_535, i32::MAX as u32))
        // The reference multiplies too, and overflows.
        .initial_connection_window_size(
            u32::try_from(window).unwrap_or(u32::MAX).clamp(65_535, i32::MAX as u32),
        )
        .max_header_list_size(limits.header_bytes)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_ERROR_STREAMS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    builder
}

fn head_buffer(limits: &Limits) -> usize {
    (limits.header_bytes as usize).max(MIN_HEAD_BUFFER)
}

fn certificates(stream: &Accepted) -> Arc<[rustls_pki_types::CertificateDer<'static>]> {
    let Accepted::Tls(stream) = stream else { return Arc::default() };
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    shown.iter().map(|certificate| certificate.clone().into_owned()).collect()
}

/// What ends a connection besides itself.
struct Life<'a> {
    limits: &'a Limits,
    activity: &'a Activity,
    changed: Option<watch::Receiver<Arc<ServerTls>>>,
    closing: watch::Receiver<bool>,
}

impl Life<'_> {
    async fn drive<C, E>(mut self, connection: C, finish: impl Fn(Pin<&mut C>)) -> Result<(), E>
    where
        C: Future<Output = Result<(), E>>,
    {
        let mut connection = pin!(connection);
        {
            // What isn't woken isn't looked at in there, while the connection is woken for all that it reads and writes.
            let mut told: FuturesUnordered<_> = std::iter::once(self.is_told_to_end()).collect();
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                _ = told.next() => {}
            }
        }
        finish(connection.as_mut());
        // A peer that never spoke does not answer the goodbye either; requests in flight have their time.
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.silence() => Ok(()),
            () = tokio::time::sleep(self.limits.linger) => Ok(()),
        }
    }

    /// Resolves when the connection should end, for a reason that isn't its own.
    async fn is_told_to_end(&mut self) {
        let age = spread(self.limits.connection_age);
        let mut old = pin!(tokio::time::sleep(age));
        let mut patience = self.limits.header_timeout;
        let mut seen = self.activity.requests();
        loop {
            tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => return,
                () = replaced(&mut self.changed) => return,
                () = old.as_mut() => return,
                () = tokio::time::sleep(patience) => {
                    let now = self.activity.requests();
                    if now == seen && self.activity.is_idle() {
                        return;
                    }
                    (seen, patience) = (now, self.limits.idle_timeout);
                }
            }
        }
    }

    /// Resolves when a header timeout has passed without a request in flight.
    async fn silence(&self) {
        loop {
            tokio::time::sleep(self.limits.header_timeout).await;
            if self.activity.is_idle() {
                return;
            }
        }
    }
}

/// Resolves when the connection's configuration was replaced.
async fn replaced(changed: &mut Option<watch::Receiver<Arc<ServerTls>>>) {
    match changed {
        // Without its sender a configuration stays what it is.
        Some(receiver) => {
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}

/// Within a tenth of `age`, so that connections that began together don't end together.
fn spread(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(0.9..=1.1))
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
        self.requests() == self.ended.load(Ordering::Relaxed)
    }

    fn begin(self: &Arc<Self>) -> Begun {
        self.started.fetch_add(1, Ordering::Relaxed);
        Begun(Arc::clone(self))
    }
}

/// A request whose answer is not complete.
#[derive(Debug)]
struct Begun(Arc<Activity>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// An answer that counts as in flight until it is dropped.
#[derive(Debug)]
struct InFlight {
    body: Answer,
    /// None: HTTP/1, where the stream below keeps time.
    progress: Option<Arc<Progress>>,
    _in_flight: Begun,
}

impl InFlight {
    fn new(body: Answer, progress: Option<Arc<Progress>>, in_flight: Begun) -> Self {
        if let Some(progress) = &progress {
            progress.waits_for_reader();
        }
        Self { body, progress, _in_flight: in_flight }
    }
}

impl Body for InFlight {
    type Data = bytes::Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<bytes::Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &self.progress {
            Some(progress) if frame.is_pending() => progress.waits_for_upstream(),
            Some(progress) => progress.waits_for_reader(),
            None => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
