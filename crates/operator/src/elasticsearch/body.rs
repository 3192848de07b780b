//! What is sent and received, and what of it must not be seen.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

/// A password. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The most that an answer about the cluster may have, in bytes: its nodes, settings or records.
pub(super) const ANSWER_BYTES: usize = 4 << 20;
/// The most that a list of shards may have, in bytes. A row has some 90: that is 700 000 copies, more than any cluster can
/// have (a thousand per node is Elasticsearch's own bound).
pub(super) const SHARDS_BYTES: usize = 64 << 20;

/// Why a body was not read.
pub(super) enum BodyError {
    /// It has more than it may.
    TooLong,
    /// The connection broke.
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// The whole body, if it has no more than `most` bytes.
pub(super) async fn collect(body: Incoming, most: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLong),
        Err(error) => Err(BodyError::Broken(error)),
    }
}
