//! Why there is no review.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};

/// The API server didn't answer usably. Whoever gets this refuses.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not within the deadline, attempts included.
    #[error("no answer within the deadline")]
    Deadline,
    /// Not within the time of one attempt.
    #[error("no answer within the time of an attempt")]
    Attempt,
    /// It failed so often just now that it isn't asked for a moment.
    #[error("not asked: it failed repeatedly a moment ago")]
    Open {
        /// When it will be asked again.
        retry_after: Duration,
    },
    /// This process is ending.
    #[error("too many reviews in flight")]
    Busy,
    /// It wasn't reached, or the connection ended early.
    #[error("the API server was not reached")]
    Transport(#[from] Box<kube::Error>),
    /// The answer's body ended early or was too long.
    #[error("the answer could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer isn't a review. Where it stops being one is told, but not what stands there: it may be a token.
    #[error("the answer is no review from line {line}, column {column} on")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The answer is a review without a status.
    #[error("the answer has no status")]
    NoStatus,
    /// The answer says that the user is both allowed and denied.
    #[error("the answer says both allowed and denied")]
    Contradiction,
    /// The API server doesn't let this process ask.
    #[error("this process may not ask ({status}): it needs create on tokenreviews and subjectaccessreviews")]
    NotAllowed {
        /// 401 or 403.
        status: StatusCode,
    },
    /// Another status than success.
    #[error("the API server answered {status}")]
    Status {
        /// What it answered.
        status: StatusCode,
        /// Its `Retry-After`, if it sent one in seconds.
        retry_after: Option<Duration>,
    },
}

/// The longest `Retry-After` that is passed on; the API server's own are of one second.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(30);

impl ReviewError {
    pub(crate) fn refused(response: &Response<Bytes>) -> Self {
        match response.status() {
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Self::NotAllowed { status },
            status => Self::Status { status, retry_after: retry_after(response) },
        }
    }

    /// The word in metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Deadline | Self::Attempt => "timeout",
            Self::Open { .. } => "open",
            Self::Busy => "busy",
            Self::Transport(_) => "transport",
            Self::Body(_) => "body",
            Self::Json { .. } | Self::NoStatus | Self::Contradiction => "garbage",
            Self::NotAllowed { .. } => "not_allowed",
            Self::Status { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS => "throttled",
            Self::Status { .. } => "status",
        }
    }

    /// When the other side wants to be asked again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Open { retry_after } => Some(*retry_after),
            Self::Status { retry_after, .. } => *retry_after,
            Self::Deadline
            | Self::Attempt
            | Self::Busy
            | Self::Transport(_)
            | Self::Body(_)
            | Self::Json { .. }
            | Self::NoStatus
            | Self::Contradiction
            | Self::NotAllowed { .. } => None,
        }
    }

    /// Whether asking once more may help. A review changes nothing, so asking twice is harmless.
    pub(crate) fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Attempt | Self::Transport(_) | Self::Body(_) => true,
            Self::Status { status, retry_after } => {
                retry_after.is_some()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::INTERNAL_SERVER_ERROR
                            | StatusCode::BAD_GATEWAY
                            | StatusCode::SERVICE_UNAVAILABLE
                            | StatusCode::GATEWAY_TIMEOUT
                    )
            }
            Self::Deadline
            | Self::Open { .. }
            | Self::Busy
            | Self::Json { .. }
            | Self::NoStatus
            | Self::Contradiction
            | Self::NotAllowed { .. } => false,
        }
    }

    /// Whether it says something about the API server's health, rather than about our rights or this one question.
    pub(crate) fn is_outage(&self) -> bool {
        !matches!(self, Self::NotAllowed { .. } | Self::Contradiction | Self::NoStatus | Self::Json { .. })
    }
}

impl From<serde_json::Error> for ReviewError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

impl From<kube::Error> for ReviewError {
    fn from(error: kube::Error) -> Self {
        Self::Transport(Box::new(error))
    }
}

fn retry_after(response: &Response<Bytes>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_LIMIT))
}
