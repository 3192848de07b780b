//! A page of rows, newest first.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows newest first, and how to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows, newest first; rows of one instant in descending order of `seq`.
    pub rows: Vec<T>,
    /// Opaque; passed back, it continues after the last row. Null when there is nothing older in the range.
    pub next_cursor: Option<String>,
    /// RFC 3339. When the scan budget ended before the page was full: everything at or after this instant has been looked at.
    pub scanned_until: Option<String>,
    /// Whether the page is full or the range exhausted; false when the scan budget ended first.
    pub complete: bool,
}
