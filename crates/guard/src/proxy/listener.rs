//! Accepting connections until told to stop, then letting them finish.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parapet_pki::{Reloading, ServerTls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::places::Places;
use super::strict::Accepted;
use super::{Handle, Readiness, Workers, connection};
use crate::metrics::Turned;
use crate::{Limits, Metrics};

/// After a failed `accept` (no file descriptors left, usually), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often pooled connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Connections that wait to be accepted; Linux' default limit is 4096.
const BACKLOG: u32 = 1024;

/// Whether a listener encrypts.
#[derive(Debug, Clone)]
pub enum Security {
    /// Clear text: for sockets that only this machine reaches.
    Plain,
    /// TLS, each connection with the configuration of its moment. Connections of an older one are asked to end.
    Tls(Reloading<ServerTls>),
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    tcp: TcpListener,
    address: SocketAddr,
    security: Security,
    limits: Arc<Limits>,
    metrics: Metrics,
    workers: Arc<Workers>,
}

/// How the connections of a listener ended after the request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that finished by themselves in time.
    pub finished: usize,
    /// Connections that were cut.
    pub cut: usize,
}

impl Listener {
    /// Binds `address`. `name` is a label of metrics and logs.
    ///
    /// # Errors
    ///
    /// The address can't be bound.
    pub async fn bind(
        name: &'static str,
        address: SocketAddr,
        security: Security,
        limits: Limits,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()
        } else {
            tokio::net::TcpSocket::new_v6()
        }?;
        // A restart must not wait for the connections of its predecessor.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let tcp = socket.listen(BACKLOG)?;
        let address = tcp.local_addr()?;
        let workers = Arc::new(Workers::here());
        Ok(Self { name, tcp, address, security, limits: Arc::new(limits), metrics, workers })
    }

    /// With its connections on these threads.
    #[must_use]
    pub fn on(self, workers: Arc<Workers>) -> Self {
        Self { workers, ..self }
    }

    /// Where it listens: the port, if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves. Then: not ready any more; after [`Limits::drain_delay`] nothing is accepted; what
    /// is in flight may finish within [`Limits::drain_deadline`]; the rest is cut.
    #[expect(private_bounds, reason = "handlers are this crate's: the proxy and the fixed routes")]
    pub async fn serve<H: Handle>(
        self,
        handler: Arc<H>,
        readiness: Readiness,
        shutdown: impl Future<Output = ()>,
    ) -> Drained {
        let Self { name, tcp, address, security, limits, metrics, workers } = self;
        let places = Places::new(limits.connections, limits.connections_per_address);
        let handshakes = Arc::new(Semaphore::new(limits.handshakes));
        let (close, closing) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut ending = std::pin::pin!(async {
            shutdown.await;
            readiness.set_unready("shutting down");
            tracing::info!(listener = name, delay = ?limits.drain_delay, "draining");
            tokio::time::sleep(limits.drain_delay).await;
        });
        tracing::info!(listener = name, %address, tls = matches!(security, Security::Tls(_)), "listening");
        loop {
            let accepted = tokio::select! {
                () = ending.as_mut() => break,
                // Keeps the set from growing with what has ended.
                Some(_) = connections.join_next() => continue,
                _ = sweep.tick() => {
                    handler.sweep();
                    continue;
                }
                accepted = tcp.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    metrics.turned_away(name, Turned::Accept);
                    tracing::warn!(listener = name, %error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let place = match places.take(peer.ip()) {
                Ok(place) => place,
                Err(reason) => {
                    metrics.turned_away(name, reason);
                    continue;
                }
            };
            let counted = metrics.accepted(name);
            let (security, limits, metrics) = (security.clone(), Arc::clone(&limits), metrics.clone());
            let (handler, handshakes, closing) =
                (Arc::clone(&handler), Arc::clone(&handshakes), closing.clone());
            let refused = metrics.clone();
            let serve = move |stream: TcpStream, worker| async move {
                let _held = (place, counted);
                // Small answers should not wait for acknowledgements of earlier ones.
                let _ = stream.set_nodelay(true);
                let (stream, changed) = match security {
                    Security::Plain => (Accepted::Plain(stream), None),
                    Security::Tls(tls) => {
                        let mut changed = tls.subscribe();
                        let current = Arc::clone(&changed.borrow_and_update());
                        match shake(stream, &current, &handshakes, limits.handshake_timeout, closing.clone())
                            .await
                        {
                            Ok(stream) => (stream, Some(changed)),
                            Err(reason) => {
                                metrics.turned_away(name, reason);
                                tracing::debug!(listener = name, %peer, ?reason, "no TLS session");
                                return;
                            }
                        }
                    }
                };
                connection::serve(stream, (peer, worker), handler, &limits, changed, closing).await;
            };
            if let Err(error) = workers.spawn(&mut connections, workers.seat(), stream, serve) {
                refused.turned_away(name, Turned::Accept);
                tracing::warn!(listener = name, %error, "a connection can't be handed over");
            }
        }
        drop(tcp);
        close.send_replace(true);
        let drained = drain(connections, limits.drain_deadline).await;
        tracing::info!(listener = name, finished = drained.finished, cut = drained.cut, "listener closed");
        drained
    }
}

/// A handshake that a closing listener does not wait for.
async fn shake(
    stream: TcpStream,
    tls: &ServerTls,
    handshakes: &Semaphore,
    deadline: Duration,
    mut closing: watch::Receiver<bool>,
) -> Result<Accepted, Turned> {
    let shaking = async {
        let _place = handshakes.acquire().await;
        TlsAcceptor::from(tls.config()).accept(stream).await
    };
    tokio::select! {
        shaken = tokio::time::timeout(deadline, shaking) => match shaken {
            Ok(Ok(stream)) => Ok(Accepted::Tls(Box::new(stream))),
            Ok(Err(_)) => Err(Turned::Handshake),
            Err(_) => Err(Turned::HandshakeTimeout),
        },
        _ = closing.wait_for(|closing| *closing) => Err(Turned::Handshake),
    }
}

async fn drain(mut connections: JoinSet<()>, deadline: Duration) -> Drained {
    let mut finished = 0;
    let drained = tokio::time::timeout(deadline, async {
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
