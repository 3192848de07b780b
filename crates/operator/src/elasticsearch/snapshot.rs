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

    /// Whether anybody has looked at all.
    pub fn is_look(&self) -> bool {
        self.reachable() || self.failure.is_some()
    }

    /// Whether the cluster answered.
    pub fn reachable(&self) -> bool {
        self.health != Health::Unknown
    }

    /// Whether somebody who acts on it would act otherwise on the other. That less was looked at is no difference, or looking
    /// closely and no longer doing so would follow each other for ever.
    pub(super) fn differs(&self, other: &Self) -> bool {
        self.health != other.health
            || self.cluster_uuid != other.cluster_uuid
            || self.version != other.version
            || self.details.as_deref().is_some_and(|details| other.details.as_deref() != Some(details))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_goes_less_deep_differs_in_nothing() {
        let close = Snapshot { details: Some(Arc::default()), ..Snapshot::nothing(Instant::now()) };
        let brief = Snapshot { details: None, ..close.clone() };
        assert!(!brief.differs(&close));
        assert!(close.differs(&brief), "whoever waits for it is told");
        let other = Observed { health: Health::Green, ..Observed::default() };
        assert!(Snapshot { details: Some(Arc::new(other)), ..close.clone() }.differs(&close));
    }
}
