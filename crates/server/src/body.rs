//! Request bodies: JSON, small, prompt, and without unknown keys.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::app::Shared;
use crate::problem::{Kind, Problem};

/// The longest SQL statement that anybody types or a dashboard makes, with room; everything else is far smaller.
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// So much takes no honest client so long.
const DEADLINE: Duration = Duration::from_secs(10);

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let media_type =
            parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") || parts.headers.contains_key(CONTENT_ENCODING) {
            return Err(
                Kind::UnsupportedMediaType.because("expected application/json without content encoding")
            );
        }
        let bytes = tokio::time::timeout(DEADLINE, read(body)).await.unwrap_or_else(|_| {
            Err(Kind::BodyTimeout.because(format!("the body did not arrive within {} s", DEADLINE.as_secs())))
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Kind::InvalidBody.because(explain(&error)))
    }
}

async fn read(body: Body) -> Result<bytes::Bytes, Problem> {
    match Limited::new(body, MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Kind::BodyTooLarge.because(format!("the body may have {MAX_BYTES} bytes")))
        }
        Err(_) => Err(Kind::InvalidBody.because("the body ended early")),
    }
}

/// serde's message, which for a wrong type quotes the value: fine for people, but a password typed as a number is not to be repeated.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("invalid type: ") {
        Some(rest) => match rest.split_once(", expected ") {
            Some((_, expected)) => format!("wrong type: expected {expected}"),
            None => String::from("wrong type"),
        },
        None => text,
    }
}
