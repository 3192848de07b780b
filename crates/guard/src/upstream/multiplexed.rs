//! One HTTP/2 connection for all, opened by whoever needs it first.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::connect::Connector;
use super::{Stream, UpstreamError};
use crate::body::Outgoing;

/// Sends requests over the shared connection.
pub(super) type Sender = SendRequest<Outgoing>;

/// A silent upstream is asked whether it is there, and given as long again to say so.
const PING_EVERY: Duration = Duration::from_secs(20);

/// The connection, if there is one.
#[derive(Debug, Default)]
pub(super) struct Multiplexed {
    current: Mutex<Option<Sender>>,
    /// Held while a connection is being opened.
    opening: tokio::sync::Mutex<()>,
}

/// What came of opening a connection.
pub(super) enum Opened {
    /// HTTP/2: shared from now on.
    Shared(Sender),
    /// The upstream chose HTTP/1.
    Single(Stream),
}

impl Multiplexed {
    pub(super) fn current(&self) -> Option<Sender> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    pub(super) async fn open(&self, connector: &Connector) -> Result<Opened, UpstreamError> {
        let opening = self.opening.lock().await;
        if let Some(sender) = self.current() {
            return Ok(Opened::Shared(sender));
        }
        let stream = connector.connect().await?;
        if !connector.is_http2() && !stream.chose_http2() {
            return Ok(Opened::Single(stream));
        }
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY)
            .adaptive_window(true)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, link) = handshake.map_err(UpstreamError::Exchange)?;
        tokio::spawn(async move {
            if let Err(error) = link.await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a connection to the upstream ended"
                );
            }
        });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        drop(opening);
        Ok(Opened::Shared(sender))
    }
}
