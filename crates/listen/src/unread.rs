//! What a service leaves of a request's body.
//!
//! A service that refuses by the headers alone drops the body unread. HTTP/2 then resets the stream, HTTP/1.1 closes the
//! connection, and some clients (curl 7.88 is one) report that instead of the answer. So the rest of a short body is read
//! and thrown away before the answer goes out; a long or slow one is cut all the same.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use crate::Limits;

/// The body of a request, as services get it.
#[derive(Debug)]
pub struct RequestBody {
    /// Taken by `drop` only.
    body: Option<Incoming>,
    give_back: Option<oneshot::Sender<Incoming>>,
}

/// Where a body comes back to if it is dropped before its end.
#[derive(Debug)]
pub(crate) struct Unread(oneshot::Receiver<Incoming>);

impl RequestBody {
    pub(crate) fn new(body: Incoming) -> (Self, Unread) {
        let (give_back, unread) = oneshot::channel();
        (Self { body: Some(body), give_back: Some(give_back) }, Unread(unread))
    }
}

impl Unread {
    /// Reads what was left and keeps nothing of it, within the listener's bounds. Does nothing for a body that was read
    /// to its end, or that the service still reads while it answers.
    pub(crate) async fn discard(mut self, limits: &Limits) {
        let Ok(mut body) = self.0.try_recv() else { return };
        let mut left = limits.unread_bytes;
        if body.size_hint().lower() > left {
            return;
        }
        let to_its_end = async {
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(rest) = left.checked_sub(bytes) else { return };
                left = rest;
            }
        };
        if tokio::time::timeout(limits.unread_time, to_its_end).await.is_err() {
            tracing::debug!("the rest of a refused body did not come in time");
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(body), Some(give_back)) = (self.body.take(), self.give_back.take())
            && !body.is_end_stream()
        {
            // Nobody waits for it any more if the answer is already on its way.
            let _ = give_back.send(body);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
