//! Accepting connections until told to stop, then letting them finish.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service;

use crate::handshake::{Failure, handshake};
use crate::metrics::Refused;
use crate::{Listener, RequestBody, connection};

/// After a failed `accept` (no file descriptors left, usually), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the connections of a listener ended after the request to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had finished by themselves within the grace.
    pub finished: usize,
    /// Connections that were cut.
    pub cut: usize,
}

/// Serves `service` (an axum `Router`, tonic's included) on `listener` until `shutdown` resolves; then stops accepting,
/// lets requests in flight finish within [`crate::Limits::shutdown_grace`], and cuts what is left. The address is free when it returns.
pub async fn serve<S, B>(listener: Listener, service: S, shutdown: impl Future<Output = ()>) -> Drained
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Listener { name, tcp, address, tls, limits, metrics } = listener;
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    tracing::info!(listener = name, %address, "listening");
    loop {
        let accepted = tokio::select! {
            () = shutdown.as_mut() => break,
            // Keeps the set from growing with what has ended.
            Some(_) = connections.join_next() => continue,
            accepted = tcp.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                metrics.refused(Refused::AcceptFailed);
                tracing::warn!(listener = name, %error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            metrics.refused(Refused::TooManyConnections);
            continue;
        };
        let open = metrics.accepted();
        let (tls, limits, metrics) = (tls.clone(), limits.clone(), metrics.clone());
        let (service, closing) = (service.clone(), closing.clone());
        connections.spawn(async move {
            let _held = (place, open);
            match shake(stream, peer, tls, limits.handshake_timeout, closing.clone()).await {
                Ok(session) => connection::serve(session, peer, service, &limits, &metrics, closing).await,
                Err(failure) => {
                    metrics.failed(failure);
                    tracing::debug!(listener = name, %peer, reason = failure.reason(), "no TLS session");
                }
            }
        });
    }
    drop(tcp);
    close.send_replace(true);
    let drained = drain(connections, limits.shutdown_grace).await;
    tracing::info!(listener = name, finished = drained.finished, cut = drained.cut, "listener closed");
    drained
}

/// A handshake that a closing listener does not wait for.
async fn shake(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Arc<rustls::ServerConfig>,
    deadline: Duration,
    mut closing: watch::Receiver<bool>,
) -> Result<tokio_rustls::server::TlsStream<TcpStream>, Failure> {
    // Small answers should not wait for acknowledgements of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "setting TCP_NODELAY failed");
    }
    tokio::select! {
        shaken = handshake(stream, tls, deadline) => shaken,
        _ = closing.wait_for(|closing| *closing) => Err(Failure::Closed),
    }
}

async fn drain(mut connections: JoinSet<()>, grace: Duration) -> Drained {
    let mut finished = 0;
    let drained = tokio::time::timeout(grace, async {
        while connections.join_next().await.is_some() {
            finished += 1;
        }
    });
    if drained.await.is_ok() {
        return Drained { finished, cut: 0 };
    }
    let cut = connections.len();
    connections.shutdown().await;
    Drained { finished, cut }
}
