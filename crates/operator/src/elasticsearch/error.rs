//! What can go wrong with a call.

use std::time::Duration;

use hyper::StatusCode;

/// A call that didn't bring what was asked for. It never holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What is to be trusted isn't a list of PEM certificates.
    #[error("the trusted certificates of Elasticsearch can't be used: {0}")]
    Trust(String),
    /// What Elasticsearch calls something would change the path of the call.
    #[error("{0:?} is not an identifier that can be sent")]
    Identifier(String),
    /// The call can't be sent.
    #[error("{call} can't be sent")]
    Request {
        /// Method and path.
        call: String,
        /// Why.
        source: http::Error,
    },
    /// Nobody answered, or the connection broke, or its certificate isn't trusted.
    #[error("{call}: {endpoint} can't be reached: {reason}")]
    Unreachable {
        /// Method and path.
        call: String,
        /// Where.
        endpoint: String,
        /// All causes, the last one last.
        reason: String,
    },
    /// Nobody answered in time.
    #[error("{call}: {endpoint} didn't answer within {after:?}")]
    Deadline {
        /// Method and path.
        call: String,
        /// Where.
        endpoint: String,
        /// The deadline.
        after: Duration,
    },
    /// Other calls took all the time that the pass had.
    #[error("{call} wasn't sent: the calls before it took all the time of the pass")]
    Spent {
        /// Method and path.
        call: String,
    },
    /// It, or something between, answered with another status than success.
    #[error("{call}: {status}{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Status {
        /// Method and path.
        call: String,
        /// Shown with its text, `503 Service Unavailable`.
        status: StatusCode,
        /// As the body says, shortened.
        reason: String,
    },
    /// A proxy of the mesh answered in its place.
    #[error("{call}: a proxy of the mesh answered {status}{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Proxy {
        /// Method and path.
        call: String,
        /// The proxy's.
        status: StatusCode,
        /// As the body says, shortened.
        reason: String,
    },
    /// The answer has more than it may.
    #[error("{call}: the answer has more than {most} bytes")]
    TooLong {
        /// Method and path.
        call: String,
        /// The bound.
        most: usize,
    },
    /// The answer isn't what it should be.
    #[error("{call}: the answer can't be read")]
    Malformed {
        /// Method and path.
        call: String,
        /// What of it.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// The status, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } | Self::Proxy { status, .. } => Some(*status),
            Self::Trust(_)
            | Self::Identifier(_)
            | Self::Request { .. }
            | Self::Unreachable { .. }
            | Self::Deadline { .. }
            | Self::Spent { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. } => None,
        }
    }

    /// Whether the change that was asked for was certainly not made.
    pub fn certainly_not_applied(&self) -> bool {
        match self {
            Self::Trust(_) | Self::Identifier(_) | Self::Request { .. } | Self::Spent { .. } => true,
            Self::Status { status, .. } => status.is_client_error(),
            Self::Unreachable { .. }
            | Self::Deadline { .. }
            | Self::Proxy { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. } => false,
        }
    }

    /// The label `outcome` of the metrics.
    pub(super) fn outcome(&self) -> super::metrics::CallOutcome {
        use super::metrics::CallOutcome;
        match self {
            Self::Trust(_) | Self::Identifier(_) | Self::Request { .. } | Self::Spent { .. } => {
                CallOutcome::Unsendable
            }
            Self::Unreachable { .. } | Self::Proxy { .. } => CallOutcome::Unreachable,
            Self::Deadline { .. } => CallOutcome::Deadline,
            Self::Status { .. } => CallOutcome::Refused,
            Self::TooLong { .. } => CallOutcome::TooLong,
            Self::Malformed { .. } => CallOutcome::Malformed,
        }
    }
}
