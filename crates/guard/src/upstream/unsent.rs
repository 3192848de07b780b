//! A request until it is sent. It lies in one place while connections are looked for, so that what looks for them doesn't
//! carry it about; and whoever could not send it leaves it there for the next one.

use http::header::{HOST, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, Version};
use http_body::Body as _;
use hyper::client::conn::TrySendError;

use super::UpstreamError;
use crate::body::Outgoing;

/// None: it was sent, in part or as a whole.
#[derive(Debug)]
pub(super) struct Unsent(Option<Request<Outgoing>>);

impl Unsent {
    /// A request whose target is a path.
    pub(super) fn new(request: Request<Outgoing>) -> Self {
        Self(Some(request))
    }

    /// Whether nothing of it was sent.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// To be sent over HTTP/1, which has the host in a header.
    pub(super) fn for_http1(&mut self) {
        let Some(request) = &mut self.0 else { return };
        *request.version_mut() = Version::HTTP_11;
        if let Some(authority) = request.uri().authority() {
            let host = HeaderValue::from_str(authority.as_str()).expect("it was a header before");
            let path = request.uri().path_and_query().cloned();
            request.headers_mut().insert(HOST, host);
            *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
        }
    }

    /// To be sent over HTTP/2, which has the host in the target. A request whose host is none is not sent at all.
    pub(super) fn for_http2(&mut self, scheme: Scheme) -> Result<(), UpstreamError> {
        let Some(mut request) = self.0.take() else { return Ok(()) };
        if let Some(host) = request.headers_mut().remove(HOST) {
            let authority = Authority::from_maybe_shared(host).map_err(|_| UpstreamError::Target)?;
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(scheme);
            parts.authority = Some(authority);
            // An authority without a path is no target.
            parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
            *request.uri_mut() = Uri::from_parts(parts).map_err(|_| UpstreamError::Target)?;
        }
        *request.version_mut() = Version::HTTP_2;
        self.0 = Some(request);
        Ok(())
    }

    /// Takes it, to be sent. [`Self::is_there`] was true.
    pub(super) fn take(&mut self) -> Request<Outgoing> {
        self.0.take().expect("nobody sends what was sent")
    }

    /// What became of sending it; if nothing of it was sent, it is here again.
    pub(super) fn failed(&mut self, mut failed: TrySendError<Request<Outgoing>>) -> UpstreamError {
        self.0 = failed.take_message();
        UpstreamError::Exchange(failed.into_error())
    }

    /// A copy, if sending it twice changes nothing: it has no body, and its method is a safe one.
    pub(super) fn spare(&self) -> Option<Box<Request<Outgoing>>> {
        let request = self.0.as_ref()?;
        if !request.method().is_safe() || !request.body().is_end_stream() {
            return None;
        }
        let mut copy = Request::new(Outgoing::empty());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        Some(Box::new(copy))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn request(host: &str) -> Unsent {
        let mut request = Request::new(Outgoing::empty());
        *request.uri_mut() = Uri::from_static("/metrics?a=b");
        request.headers_mut().insert(HOST, HeaderValue::from_str(host).unwrap());
        Unsent::new(request)
    }

    #[test]
    fn what_was_not_sent_over_http2_can_be_sent_over_http1() {
        let mut unsent = request("upstream:8080");
        unsent.for_http2(Scheme::HTTPS).unwrap();
        let inner = unsent.0.as_ref().unwrap();
        assert_eq!(inner.uri(), "https://upstream:8080/metrics?a=b");
        assert_eq!((inner.version(), inner.headers().len()), (Version::HTTP_2, 0));
        unsent.for_http1();
        let inner = unsent.0.as_ref().unwrap();
        assert_eq!(inner.uri(), "/metrics?a=b");
        assert_eq!(inner.version(), Version::HTTP_11);
        assert_eq!(inner.headers()[HOST], "upstream:8080");
    }

    #[test]
    fn a_host_that_is_none_is_sent_nowhere() {
        let mut unsent = request("a b");
        assert!(matches!(unsent.for_http2(Scheme::HTTP), Err(UpstreamError::Target)));
        assert!(!unsent.is_there());
    }

    #[test]
    fn only_what_changes_nothing_is_copied() {
        assert!(request("a").spare().is_some());
        let mut post = request("a");
        *post.0.as_mut().unwrap().method_mut() = Method::POST;
        assert!(post.spare().is_none());
        assert!(Unsent(None).spare().is_none());
    }
}
