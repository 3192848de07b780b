//! The gate as a server: listeners, connections, and what is done with each request.

mod connection;
mod cork;
mod forward;
mod framing;
mod listener;
mod operations;
mod places;
mod readiness;
mod streams;
mod strict;
mod tunnel;
mod workers;

pub use forward::{Forward, TunnelRules};
pub use listener::{Drained, Listener, Security};
pub use operations::Operations;
pub use readiness::Readiness;
pub use workers::Workers;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Peer;
use crate::body::Answer;

/// One connection, as its requests see it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) peer: Peer,
    /// The peer's address as the upstream is told it.
    pub(crate) address: Option<HeaderValue>,
    /// Whether it is encrypted.
    pub(crate) secure: bool,
    /// Turns the reader transparent: what comes next is not HTTP.
    pub(crate) tunnel: Arc<AtomicBool>,
    /// Turns true when the listener ends.
    pub(crate) closing: watch::Receiver<bool>,
    /// Which of the [`Workers`] it lives on.
    pub(crate) worker: usize,
    /// What goes on after the connection's HTTP has ended; it ends with the connection.
    tunnels: Mutex<JoinSet<()>>,
}

impl Client {
    fn tunnels(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What answers the requests of a listener.
pub(crate) trait Handle: Send + Sync + 'static {
    /// Answers one request. Failures are answers.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: Arc<Client>,
    ) -> impl Future<Output = Response<Answer>> + Send;

    /// Something is to be counted or logged that never became a request.
    fn unreadable(&self, _client: &Client, _fault: &'static str) {}

    /// An HTTP/2 stream was reset because its reader gave no room.
    fn stalled(&self) {}

    /// Called now and then.
    fn sweep(&self) {}
}
