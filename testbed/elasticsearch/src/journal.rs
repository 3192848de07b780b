//! What was called.

use std::time::Instant;

/// One request and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it came.
    pub at: Instant,
    /// `GET`, …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What stands behind `?`, or nothing.
    pub query: String,
    /// Who called; `None` if nobody said, or with a password that is wrong.
    pub user: Option<String>,
    /// What was sent.
    pub body: String,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
    /// Whether it is a call that Elasticsearch has, but this one doesn't know, or one that nobody has.
    pub refused: bool,
}
