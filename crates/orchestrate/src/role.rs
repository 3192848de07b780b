//! What a node does, as its pod's labels say.

use std::collections::{BTreeMap, BTreeSet};

/// A role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May be elected.
    Master,
    /// Votes, but isn't elected.
    VotingOnly,
    /// Holds data of any tier.
    Data,
    /// Holds what isn't a time series.
    DataContent,
    /// Holds the newest.
    DataHot,
    /// Holds what is seldom written.
    DataWarm,
    /// Holds what is seldom read.
    DataCold,
    /// Holds parts of what lies in a repository.
    DataFrozen,
    /// Runs pipelines.
    Ingest,
    /// Runs machine learning.
    Ml,
    /// Runs transforms.
    Transform,
    /// Connects to other clusters.
    RemoteClusterClient,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Master,
        Self::VotingOnly,
        Self::Data,
        Self::DataContent,
        Self::DataHot,
        Self::DataWarm,
        Self::DataCold,
        Self::DataFrozen,
        Self::Ingest,
        Self::Ml,
        Self::Transform,
        Self::RemoteClusterClient,
    ];

    /// The name that Elasticsearch has for it, and the end of its label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::VotingOnly => "voting_only",
            Self::Data => "data",
            Self::DataContent => "data_content",
            Self::DataHot => "data_hot",
            Self::DataWarm => "data_warm",
            Self::DataCold => "data_cold",
            Self::DataFrozen => "data_frozen",
            Self::Ingest => "ingest",
            Self::Ml => "ml",
            Self::Transform => "transform",
            Self::RemoteClusterClient => "remote_cluster_client",
        }
    }

    /// The label of a pod that has it, with the value `true`.
    pub fn label(self) -> String {
        format!("elasticsearch.k8s.elastic.co/node-{}", self.name())
    }

    /// Whether a node with it holds shards.
    pub fn holds_data(self) -> bool {
        matches!(
            self,
            Self::Data
                | Self::DataContent
                | Self::DataHot
                | Self::DataWarm
                | Self::DataCold
                | Self::DataFrozen
        )
    }

    /// Where it stands among the tiers in a version upgrade, the first to be upgraded lowest. Elasticsearch's documentation
    /// gives the order: an index moves from hot to frozen, and never onto a node of a lower version.
    pub(crate) fn tier(self) -> Option<u8> {
        match self {
            Self::DataFrozen => Some(0),
            Self::DataCold => Some(1),
            Self::DataWarm => Some(2),
            Self::DataHot => Some(3),
            _ => None,
        }
    }
}

/// The roles of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// Those whose labels say `true`.
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Self {
        Role::ALL.into_iter().filter(|role| labels.get(&role.label()).is_some_and(|v| v == "true")).collect()
    }

    /// Whether it is among them.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether a node with them counts in elections.
    pub fn master(&self) -> bool {
        self.has(Role::Master)
    }

    /// Whether a node with them holds shards.
    pub fn holds_data(&self) -> bool {
        self.iter().any(Role::holds_data)
    }

    /// Each once, in the order of [`Role`].
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        Self(roles.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_the_roles() {
        let labels = [("master", "true"), ("data", "false"), ("data_hot", "true"), ("ml", "yes")]
            .map(|(role, value)| (format!("elasticsearch.k8s.elastic.co/node-{role}"), value.to_owned()));
        let roles = Roles::of_labels(&labels.into_iter().collect());
        assert_eq!(roles, [Role::Master, Role::DataHot].into_iter().collect());
        assert!(roles.master() && roles.holds_data());
    }
}
