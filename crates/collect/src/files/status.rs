//! What the status page says of a file.

use serde::Serialize;

/// One file that is followed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceStatus {
    /// The input's kind: `container`, `file`, `open_traffic`.
    pub kind: &'static str,
    /// The file's name when it was last found.
    pub path: String,
    /// Bytes not yet acknowledged.
    pub lag_bytes: u64,
    /// Since when the oldest of them waits; `None` if there are none.
    pub oldest_unread_age_seconds: Option<f64>,
    /// What is being done.
    pub state: SourceState,
}

/// What is being done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Everything is read and acknowledged.
    Idle,
    /// Being read.
    Reading,
    /// The sink is busy; nothing is read.
    Waiting,
    /// It has left its name and is read to its end.
    Draining,
    /// The last attempt to read it failed.
    Failing,
}
