//! Refusals and failures as problem documents (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use parapet_access::{AccessError, Denied, Fault, LoginError};
use parapet_query::{Blame, QueryError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::causes::Causes;

/// The kinds of refusal and failure, each with a status and a stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    MalformedRequest,
    InvalidParameter,
    InvalidBody,
    InvalidQuery,
    Unauthenticated,
    WrongCredentials,
    Forbidden,
    ForgedRequest,
    QueryNotAllowed,
    NotFound,
    MethodNotAllowed,
    BodyTimeout,
    Conflict,
    BodyTooLarge,
    UnsupportedMediaType,
    QueryTooExpensive,
    TooManyRequests,
    Internal,
    Unavailable,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (StatusCode::BAD_REQUEST, "malformed-request", "Malformed request"),
            Self::InvalidParameter => (StatusCode::BAD_REQUEST, "invalid-parameter", "Invalid parameter"),
            Self::InvalidBody => (StatusCode::BAD_REQUEST, "invalid-body", "Invalid request body"),
            Self::InvalidQuery => (StatusCode::BAD_REQUEST, "invalid-query", "Invalid query"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Authentication required"),
            Self::WrongCredentials => (StatusCode::UNAUTHORIZED, "wrong-credentials", "Login refused"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::ForgedRequest => {
                (StatusCode::FORBIDDEN, "forged-request", "Not from the console's own pages")
            }
            Self::QueryNotAllowed => (StatusCode::FORBIDDEN, "query-not-allowed", "Query not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body-timeout", "Request body too slow"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Request body too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported content type")
            }
            Self::QueryTooExpensive => {
                (StatusCode::UNPROCESSABLE_ENTITY, "query-too-expensive", "Query exceeds its limits")
            }
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now"),
        }
    }

    /// The problem of this kind that `detail` explains.
    pub(crate) fn because(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem { kind: self, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }
}

/// A refusal or failure on its way to the caller.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A failure that is ours: logged with its causes, told without them.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Causes(error), "request failed");
        Kind::Internal.because("the server failed; its log says why")
    }
}

/// A problem document, `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, title = "Problem")]
pub(crate) struct Document {
    /// Names the kind of problem, for programs.
    #[schema(example = "urn:parapet:problem:invalid-parameter")]
    r#type: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: Cow<'static, str>,
    /// The parameters or fields that are wrong, if it is about such.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

/// A parameter or field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Its name.
    pub(crate) name: String,
    /// What was expected.
    pub(crate) detail: String,
}

/// What a gate before the router answers to whom it refuses: a problem document like the router's own.
pub fn refusal(status: StatusCode, detail: String, retry_after: Option<Duration>) -> http::Response<Bytes> {
    let kind = match status {
        StatusCode::UNAUTHORIZED => Kind::Unauthenticated,
        StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::TOO_MANY_REQUESTS => Kind::TooManyRequests,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
        _ => Kind::MalformedRequest,
    };
    let problem = Problem { retry_after, ..kind.because(detail) };
    let mut response = problem.into_parts();
    crate::router::secure(response.headers_mut());
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into_parts().map(Body::from)
    }
}

impl Problem {
    fn into_parts(self) -> http::Response<Bytes> {
        let (status, name, title) = self.kind.parts();
        let document = Document {
            r#type: format!("urn:parapet:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            errors: self.errors,
        };
        let body = serde_json::to_vec(&document).expect("texts and numbers always serialize");
        let mut response = http::Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self.kind == Kind::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"parapet\""));
        }
        response
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let kind = match error.blame() {
            Blame::Malformed => Kind::InvalidQuery,
            Blame::NotAllowed => Kind::QueryNotAllowed,
            Blame::TooLarge => Kind::QueryTooExpensive,
            Blame::Server => return Self::internal(&error),
        };
        kind.because(error.to_string())
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let kind = if denied.is_known_caller() { Kind::Forbidden } else { Kind::Unauthenticated };
        kind.because(denied.to_string())
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Kind::WrongCredentials.because("wrong user name or password"),
            LoginError::Throttled { retry_after } => {
                Kind::TooManyRequests.because(error.to_string()).retry_after(retry_after)
            }
            LoginError::Busy { retry_after } => {
                Kind::Unavailable.because(error.to_string()).retry_after(retry_after)
            }
            LoginError::Failed(error) => error.into(),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match (error.fault(), &error) {
            (Fault::Host, _) => Self::internal(&error),
            (Fault::Caller, AccessError::NoSuchToken | AccessError::NoSuchUser) => {
                Kind::NotFound.because(error.to_string())
            }
            (Fault::Caller, AccessError::Full { .. } | AccessError::UserExists) => {
                Kind::Conflict.because(error.to_string())
            }
            (Fault::Caller, _) => Kind::InvalidBody.because(error.to_string()),
        }
    }
}
