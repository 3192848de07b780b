//! The same gate as a `tower` layer, for endpoints of this process: nothing needs a sidecar.
//!
//! The service behind sees what an upstream would see, and besides the [`Identity`](crate::Identity) in the request's
//! extensions. Who is at the other end is read from a [`Peer`] in the extensions; without one the caller has no address and
//! no certificates.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, Uri};
use tower::{Layer, Service};

use crate::{Decide, Engine, Peer, Refusal, answer, headers};

/// What a refusal looks like to the caller.
type Answers = Arc<dyn Fn(&Refusal) -> Response<Bytes> + Send + Sync>;

/// Puts the gate before a service.
pub struct GuardLayer<D> {
    engine: Arc<Engine<D>>,
    answers: Answers,
}

/// A service behind the gate.
pub struct Guarded<D, S> {
    engine: Arc<Engine<D>>,
    answers: Answers,
    inner: S,
}

impl<D> GuardLayer<D> {
    /// Asks `engine` about each request.
    pub fn new(engine: Arc<Engine<D>>) -> Self {
        Self { engine, answers: Arc::new(|refusal| answer::refused(refusal, |text| text)) }
    }

    /// With refusals in the words of the service behind, whose callers may expect a format of its own.
    #[must_use]
    pub fn answering(self, answers: impl Fn(&Refusal) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self { answers: Arc::new(answers), ..self }
    }
}

impl<D> fmt::Debug for GuardLayer<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GuardLayer")
    }
}

impl<D, S: fmt::Debug> fmt::Debug for Guarded<D, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<D> Clone for GuardLayer<D> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine), answers: Arc::clone(&self.answers) }
    }
}

impl<D, S: Clone> Clone for Guarded<D, S> {
    fn clone(&self) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            answers: Arc::clone(&self.answers),
            inner: self.inner.clone(),
        }
    }
}

impl<D, S> Layer<S> for GuardLayer<D> {
    type Service = Guarded<D, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded { engine: Arc::clone(&self.engine), answers: Arc::clone(&self.answers), inner }
    }
}

impl<D, S, B, R> Service<Request<B>> for Guarded<D, S>
where
    D: Decide + 'static,
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone takes the readiness of the one that was polled.
        let waiting = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, waiting);
        let (engine, answers) = (Arc::clone(&self.engine), Arc::clone(&self.answers));
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_default();
            let admitted = match engine.admit(&parts, &peer, |_| Ok(())).await {
                Ok(admitted) => admitted,
                Err(refusal) => return Ok(answers(&refusal).map(R::from)),
            };
            let address = headers::written(&peer);
            engine.rewrite(&mut parts, &admitted, (&peer, address.as_ref()), true);
            parts.uri = Uri::from(admitted.canonical.target);
            if let Some(identity) = admitted.grant.identity {
                parts.extensions.insert(Arc::unwrap_or_clone(identity));
            }
            // In flight until the service has answered.
            let _place = admitted.place;
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}
