//! What the gate itself answers.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use crate::Refusal;

/// A refusal, with a body of the caller's kind.
pub(crate) fn refused<B>(refusal: &Refusal, body: impl FnOnce(Bytes) -> B) -> Response<B> {
    let text: Bytes =
        if refusal.body.is_empty() { Bytes::new() } else { format!("{}\n", refusal.body).into() };
    let mut response = plain(refusal.status, text, body);
    let headers = response.headers_mut();
    if let Some(after) = refusal.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Plain text that no cache keeps and no browser takes for anything else.
pub(crate) fn plain<B>(status: StatusCode, text: Bytes, body: impl FnOnce(Bytes) -> B) -> Response<B> {
    let mut response = Response::new(body(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
