//! Nodes that are to be shut down.

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was done yet.
    NotStarted,
    /// Copies of shards move away.
    InProgress,
    /// Copies can't move away.
    Stalled,
    /// The node can go.
    Complete,
}

impl Progress {
    /// As Elasticsearch writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Stalled => "STALLED",
            Self::Complete => "COMPLETE",
        }
    }
}

/// What is to become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownKind {
    /// It comes back.
    Restart,
    /// It doesn't.
    Remove,
}

impl ShutdownKind {
    /// As Elasticsearch writes it, in requests; answers have it in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Remove => "remove",
        }
    }
}

/// How shutdowns go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Script {
    /// As the shards allow.
    #[default]
    Natural,
    /// All stay at one state, with an explanation.
    Always(Progress, String),
}

/// A request to shut a node down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// The node's id.
    pub node: String,
    /// What is to become of it.
    pub kind: ShutdownKind,
    /// As the caller said.
    pub reason: String,
    /// How long copies wait for a node that restarts.
    pub allocation_delay: Option<String>,
    /// In order of requests, from 1.
    pub requested: u64,
}
