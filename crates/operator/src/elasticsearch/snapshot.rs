//! What was last seen of a cluster.

use std::sync::Arc;

use parapet_api::{Health, StackVersion};
use parapet_orchestrate::Observed;
use tokio::time::Instant;

use crate::mesh::Answer;

/// What was last seen of a cluster.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the calls began: what is older than a change says nothing about it.
    pub begun: Instant,
    /// As the cluster says; unknown if it doesn't answer.
    pub health: Health,
    /// Once the cluster is formed. It stays when the cluster doesn't answer any more.
    pub cluster_uuid: Option<String>,
    /// What the node that answered runs.
    pub version: Option<StackVersion>,
    /// Nodes, shards and records, if somebody asked for them.
    pub details: Option<Arc<Observed>>,
    /// Why nobody answered, or not to all; with the status, `503 Service Unavailable`.
    pub failure: Option<String>,
    /// Who answered.
    pub answer: Answer,
}

impl Snapshot {
    /// Nothing was seen yet.
    pub(super) fn nothing(now: Instant) -> Self {
        Self {
            begun: now,
            health: Health::Unknown,
            cluster_uuid: None,
            version: None,
            details: None,
            failure: None,
            answer: Answer::None,
        }
    }

    /// Whether the cluster answered.
    pub fn reachable(&self) -> bool {
        self.health != Health::Unknown
    }

    /// Whether somebody who acts on it would act otherwise on the other.
    pub(super) fn differs(&self, other: &Self) -> bool {
        self.health != other.health
            || self.cluster_uuid != other.cluster_uuid
            || self.version != other.version
            || self.details.as_deref() != other.details.as_deref()
    }
}
