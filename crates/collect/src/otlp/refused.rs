//! Why a request was refused as a whole, and how each protocol says so.

use std::time::Duration;

use ::http::StatusCode;
use parapet_signal::DeliveryError;
use tonic::Code;

use super::Denied;

/// Nothing of the request was kept.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not let in.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The content type is none of OTLP's.
    #[error("content type must be {expected}")]
    ContentType {
        /// What it must be.
        expected: &'static str,
    },
    /// The content encoding is not supported.
    #[error("content encoding must be gzip, zstd or identity")]
    ContentEncoding,
    /// Larger than allowed as sent.
    #[error("the body has more than {limit} bytes")]
    BodyTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// Larger than allowed once decompressed; decompression stopped there.
    #[error("the decompressed body has more than {limit} bytes")]
    DecompressedTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// Would take more memory than allowed once decoded.
    #[error("the request would take more than {limit} bytes decoded")]
    DecodedTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The compressed data is damaged or truncated.
    #[error("the body cannot be decompressed: {0}")]
    Compression(String),
    /// No valid message of this signal.
    #[error("the body cannot be decoded: {0}")]
    Malformed(String),
    /// The connection ended before the body did.
    #[error("the body ended early")]
    Interrupted,
    /// The body took too long to arrive.
    #[error("the body took more than {} s to arrive", limit.as_secs_f32())]
    Slow {
        /// Time allowed.
        limit: Duration,
    },
    /// `parapet-source` or `parapet-position` without the other, or not a number.
    #[error(
        "parapet-source must be up to 16 hex digits and parapet-position a decimal number, both or neither"
    )]
    SourceHeaders,
    /// This receiver has too many requests, or bytes of them, under way.
    #[error("too many {what} under way; try again in {} s", RETRY_SOON.as_secs())]
    InFlight {
        /// `requests` or `bytes`.
        what: &'static str,
    },
    /// The sink did not take it.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// Decoding ended without a result.
    #[error("decoding was interrupted")]
    Aborted,
}

/// What is under way here is done within a few group commits; a second is OTLP's customary first back-off.
const RETRY_SOON: Duration = Duration::from_secs(1);

impl Refused {
    /// The value of the `reason` label in metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Denied(denied) => denied.reason(),
            Self::ContentType { .. } => "content_type",
            Self::ContentEncoding => "content_encoding",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::DecompressedTooLarge { .. } => "decompressed_too_large",
            Self::DecodedTooLarge { .. } => "decoded_too_large",
            Self::Compression(_) => "compression",
            Self::Malformed(_) => "malformed",
            Self::Interrupted => "interrupted",
            Self::Slow { .. } => "slow",
            Self::SourceHeaders => "source_headers",
            Self::InFlight { .. } => "in_flight",
            Self::Delivery(error) => error.reason(),
            Self::Aborted => "aborted",
        }
    }

    /// When the same request may be sent again; `None` if that cannot help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InFlight { .. } | Self::Aborted => Some(RETRY_SOON),
            Self::Delivery(error) => Some(error.retry_after()),
            Self::Denied(_)
            | Self::ContentType { .. }
            | Self::ContentEncoding
            | Self::BodyTooLarge { .. }
            | Self::DecompressedTooLarge { .. }
            | Self::DecodedTooLarge { .. }
            | Self::Compression(_)
            | Self::Malformed(_)
            | Self::Interrupted
            | Self::Slow { .. }
            | Self::SourceHeaders => None,
        }
    }

    pub(super) fn http_status(&self) -> StatusCode {
        match self {
            Self::Denied(Denied::Missing | Denied::Invalid) => StatusCode::UNAUTHORIZED,
            Self::Denied(Denied::Forbidden) => StatusCode::FORBIDDEN,
            Self::ContentType { .. } | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } | Self::DecompressedTooLarge { .. } | Self::DecodedTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Compression(_) | Self::Malformed(_) | Self::Interrupted | Self::SourceHeaders => {
                StatusCode::BAD_REQUEST
            }
            Self::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::InFlight { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Delivery(_) | Self::Aborted => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn code(&self) -> Code {
        match self {
            Self::Denied(Denied::Missing | Denied::Invalid) => Code::Unauthenticated,
            Self::Denied(Denied::Forbidden) => Code::PermissionDenied,
            Self::ContentType { .. } | Self::ContentEncoding => Code::Unimplemented,
            Self::BodyTooLarge { .. } | Self::DecompressedTooLarge { .. } | Self::DecodedTooLarge { .. } => {
                Code::ResourceExhausted
            }
            Self::Compression(_) | Self::Malformed(_) | Self::Interrupted | Self::SourceHeaders => {
                Code::InvalidArgument
            }
            Self::Slow { .. } => Code::DeadlineExceeded,
            Self::InFlight { .. } | Self::Delivery(_) | Self::Aborted => Code::Unavailable,
        }
    }
}
