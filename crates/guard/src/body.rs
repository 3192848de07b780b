//! Bodies on their way through: never buffered, trailers checked.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::engine::Place;
use crate::headers;
use crate::upstream::AnswerBody;

/// Any failure of a body: it ends the message, and nobody but the log reads it.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

/// A request's body on its way to the upstream.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// None: there is none, as in the copy of a request.
    incoming: Option<Incoming>,
}

impl Outgoing {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self { incoming: Some(incoming) }
    }

    pub(crate) fn empty() -> Self {
        Self { incoming: None }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        Pin::new(incoming).poll_frame(cx).map(|frame| {
            frame.map(|frame| {
                let mut frame = frame.map_err(BodyError::from)?;
                if let Some(trailers) = frame.trailers_mut() {
                    scrub_trailers(trailers);
                }
                Ok(frame)
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A trailer may say nothing that a header couldn't.
fn scrub_trailers(trailers: &mut HeaderMap) {
    let gone: Vec<HeaderName> =
        trailers.keys().filter(|name| headers::is_reserved_trailer(name)).cloned().collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// An answer's body on its way to the caller.
#[derive(Debug)]
pub(crate) struct Answer {
    kind: Kind,
    /// The request is in flight until its answer is.
    _place: Option<Place>,
}

#[derive(Debug)]
enum Kind {
    Text(Option<Bytes>),
    Upstream(AnswerBody),
}

impl Answer {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self { kind: Kind::Text((!text.is_empty()).then_some(text)), _place: None }
    }

    pub(crate) fn upstream(body: AnswerBody, place: Place) -> Self {
        Self { kind: Kind::Upstream(body), _place: Some(place) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Kind::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Text(text) => text.is_none(),
            Kind::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Kind::Upstream(body) => body.size_hint(),
        }
    }
}
