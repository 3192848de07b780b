//! HTTP/1 connections: each carries one exchange at a time and is driven by whoever waits for its answer.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::unsent::Unsent;
use super::{AnswerBody, Stream, UpstreamError};
use crate::body::{BodyError, Outgoing};

/// Connections kept for the whole of the idle timeout: a scrape and a few more at once.
const WARM: usize = 8;

/// How long others are kept. Each holds tens of kilobytes, and what a peak needed isn't needed until the next one.
const SURPLUS_FOR: Duration = Duration::from_secs(5);

/// Idle connections, the most recently used last.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    idle: Arc<Mutex<VecDeque<Channel>>>,
    most: usize,
    timeout: Duration,
}

/// A connection and what drives it. Dropping it closes it.
pub(super) struct Channel {
    sender: SendRequest<Outgoing>,
    link: Box<Connection<TokioIo<Stream>, Outgoing>>,
    pub(super) idle_since: Instant,
}

/// The body of an answer, and the connection it comes over.
#[derive(Debug)]
pub(crate) struct PooledBody {
    incoming: Incoming,
    /// None once the connection went back to the pool, or broke.
    channel: Option<Channel>,
    pool: Pool,
}

impl Pool {
    pub(super) fn new(most: usize, timeout: Duration) -> Self {
        Self { idle: Arc::default(), most, timeout }
    }

    pub(super) fn has_idle(&self) -> bool {
        !self.lock().is_empty()
    }

    /// The connection used last, if it still stands as far as can be seen.
    pub(super) fn take(&self, now: Instant) -> Option<Channel> {
        loop {
            let mut channel = self.lock().pop_back()?;
            if now.saturating_duration_since(channel.idle_since) < self.timeout && channel.is_open() {
                return Some(channel);
            }
        }
    }

    /// Closes what was idle for too long, and what only a peak needed.
    pub(super) fn sweep(&self, now: Instant) {
        let mut old = Vec::new();
        let mut idle = self.lock();
        while let Some(channel) = idle.front() {
            let idle_for = now.saturating_duration_since(channel.idle_since);
            let most = if idle.len() > WARM { self.timeout.min(SURPLUS_FOR) } else { self.timeout };
            if idle_for < most {
                break;
            }
            old.extend(idle.pop_front());
        }
        drop(idle);
        drop(old);
    }

    /// Sends a request and waits for the answer's head. After an error the request is there again, if none of it was sent.
    pub(super) async fn exchange_over(
        &self,
        mut channel: Channel,
        request: &mut Unsent,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let mut answer = pin!(channel.sender.try_send_request(request.take()));
        let answered = poll_fn(|cx| {
            let ended = Pin::new(&mut *channel.link).poll(cx);
            match answer.as_mut().poll(cx) {
                Poll::Ready(answered) => Poll::Ready(Some(answered)),
                Poll::Pending if ended.is_ready() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        let response = match answered {
            None => return Err(UpstreamError::Closed),
            Some(Err(failed)) => return Err(request.failed(failed)),
            Some(Ok(response)) => response,
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::Upgrade);
        }
        let (parts, incoming) = response.into_parts();
        let mut body = PooledBody { incoming, channel: Some(channel), pool: self.clone() };
        if body.incoming.is_end_stream() {
            // Nobody will poll a body that has ended.
            poll_fn(|cx| {
                body.release(cx);
                Poll::Ready(())
            })
            .await;
        }
        Ok(Response::from_parts(parts, AnswerBody::Pooled(body)))
    }

    fn put(&self, mut channel: Channel) {
        channel.idle_since = Instant::now();
        let mut idle = self.lock();
        let surplus = if idle.len() >= self.most { idle.pop_front() } else { None };
        if self.most > 0 {
            idle.push_back(channel);
        }
        drop(idle);
        drop(surplus);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Channel>> {
        // Each change of the queue is one call that doesn't panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    pub(super) async fn new(stream: Stream) -> Result<Self, UpstreamError> {
        let handshake = Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, link) = handshake.map_err(UpstreamError::Exchange)?;
        Ok(Self { sender, link: Box::new(link), idle_since: Instant::now() })
    }

    /// Looks once whether the other end has closed it, or sent what nobody asked for.
    fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(&mut *self.link).poll(&mut cx).is_pending() && self.sender.is_ready()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Channel").field("idle_since", &self.idle_since).finish_non_exhaustive()
    }
}

impl PooledBody {
    /// Gives the connection back if the exchange is complete in both directions.
    fn release(&mut self, cx: &mut Context<'_>) {
        let Some(mut channel) = self.channel.take() else { return };
        // Usually it has seen the end already, and waits for the next request.
        let ended = !channel.sender.is_ready() && Pin::new(&mut *channel.link).poll(cx).is_ready();
        if !ended && channel.sender.is_ready() {
            self.pool.put(channel);
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(channel) = &mut this.channel {
            // An end of the connection shows in the body, which knows whether it is complete.
            if Pin::new(&mut *channel.link).poll(cx).is_ready() {
                this.channel = None;
            }
        }
        let frame = Pin::new(&mut this.incoming).poll_frame(cx).map_err(BodyError::from);
        match &frame {
            Poll::Ready(None) => this.release(cx),
            Poll::Ready(Some(Ok(_))) if this.incoming.is_end_stream() => this.release(cx),
            Poll::Ready(Some(Err(_))) => this.channel = None,
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn what_a_peak_needed_is_closed_before_the_rest() {
        let pool = Pool::new(100, Duration::from_secs(60));
        let mut others = Vec::new();
        for _ in 0..WARM + 12 {
            let (ours, other) = UnixStream::pair().unwrap();
            others.push(other);
            pool.put(Channel::new(Stream::Unix(ours)).await.unwrap());
        }
        let now = Instant::now();
        let kept_at = |seconds| {
            pool.sweep(now + Duration::from_secs(seconds));
            pool.lock().len()
        };
        assert_eq!([kept_at(3), kept_at(6), kept_at(59), kept_at(61)], [WARM + 12, WARM, WARM, 0]);
    }
}
