//! What a node of Elasticsearch does: as `node.roles` names it, and as the labels of its pod say it.

use std::collections::{BTreeMap, BTreeSet};

use crate::StackVersion;

/// What the labels of pods begin with that say a role; the role's name follows.
const LABEL: &str = "elasticsearch.k8s.elastic.co/node-";

/// A role that a node can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May be elected.
    Master,
    /// Holds data of any tier.
    Data,
    /// Runs ingest pipelines.
    Ingest,
    /// Runs machine learning.
    Ml,
    /// Runs transforms.
    Transform,
    /// Asks other clusters.
    RemoteClusterClient,
    /// Votes, and is never elected.
    VotingOnly,
    /// Holds what isn't a time series.
    DataContent,
    /// Holds the newest time series.
    DataHot,
    /// Holds those that are seldom written.
    DataWarm,
    /// Holds those that are seldom read.
    DataCold,
    /// Holds parts of those that lie in a repository.
    DataFrozen,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Master,
        Self::Data,
        Self::Ingest,
        Self::Ml,
        Self::Transform,
        Self::RemoteClusterClient,
        Self::VotingOnly,
        Self::DataContent,
        Self::DataHot,
        Self::DataWarm,
        Self::DataCold,
        Self::DataFrozen,
    ];

    /// As in `node.roles`, and at the end of the label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Data => "data",
            Self::Ingest => "ingest",
            Self::Ml => "ml",
            Self::Transform => "transform",
            Self::RemoteClusterClient => "remote_cluster_client",
            Self::VotingOnly => "voting_only",
            Self::DataContent => "data_content",
            Self::DataHot => "data_hot",
            Self::DataWarm => "data_warm",
            Self::DataCold => "data_cold",
            Self::DataFrozen => "data_frozen",
        }
    }

    /// The label of pods that says `true` if they have it, else `false`.
    pub fn label(self) -> String {
        format!("{LABEL}{}", self.name())
    }

    /// Whether a node with it holds shards.
    pub fn holds_data(self) -> bool {
        match self {
            Self::Data
            | Self::DataContent
            | Self::DataHot
            | Self::DataWarm
            | Self::DataCold
            | Self::DataFrozen => true,
            Self::Master
            | Self::Ingest
            | Self::Ml
            | Self::Transform
            | Self::RemoteClusterClient
            | Self::VotingOnly => false,
        }
    }

    /// Whether nodes of `version` can have it. Pods of older ones have no label for it.
    pub fn exists_in(self, version: &StackVersion) -> bool {
        let (major, minor, patch) = self.since();
        version.at_least(major, minor, patch)
    }

    /// The version that it came with, as Elasticsearch's release notes have it.
    fn since(self) -> (u64, u64, u64) {
        match self {
            Self::Master | Self::Data | Self::Ingest | Self::Ml => (0, 0, 0),
            Self::VotingOnly => (7, 3, 0),
            Self::Transform | Self::RemoteClusterClient => (7, 7, 0),
            Self::DataContent | Self::DataHot | Self::DataWarm | Self::DataCold => (7, 10, 0),
            Self::DataFrozen => (7, 12, 0),
        }
    }
}

/// The roles of a node, or of the nodes of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// What a node has of which nothing is said: all but voting only.
    pub fn all_of(version: &StackVersion) -> Self {
        Role::ALL.into_iter().filter(|role| *role != Role::VotingOnly && role.exists_in(version)).collect()
    }

    /// Those of these names; names that are none are left out.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let role = |name: &str| Role::ALL.into_iter().find(|role| role.name() == name.trim());
        names.into_iter().filter_map(role).collect()
    }

    /// Those whose labels say `true`.
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Self {
        let says = |role: &Role| labels.get(&role.label()).is_some_and(|value| value == "true");
        Role::ALL.into_iter().filter(says).collect()
    }

    /// The pods' labels, complete with those that say `false`: a mesh routes by them.
    pub fn labels(&self, version: &StackVersion) -> BTreeMap<String, String> {
        let there = Role::ALL.into_iter().filter(|role| role.exists_in(version));
        there.map(|role| (role.label(), self.has(role).to_string())).collect()
    }

    /// Whether it is among them.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether a node with them counts in elections: also one that only votes does.
    pub fn is_master_eligible(&self) -> bool {
        self.has(Role::Master)
    }

    /// Whether a node with them holds shards.
    pub fn holds_data(&self) -> bool {
        self.iter().any(Role::holds_data)
    }

    /// One more.
    pub fn add(&mut self, role: Role) {
        self.0.insert(role);
    }

    /// One less.
    pub fn remove(&mut self, role: Role) {
        self.0.remove(&role);
    }

    /// Each once, in the order of [`Role::ALL`].
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

    fn version(text: &str) -> StackVersion {
        text.parse().unwrap()
    }

    #[test]
    fn labels_say_the_roles() {
        let labels = [("master", "true"), ("data", "false"), ("data_hot", "true"), ("ml", "yes")]
            .map(|(role, value)| (format!("elasticsearch.k8s.elastic.co/node-{role}"), value.to_owned()));
        let roles = Roles::of_labels(&labels.into_iter().collect());
        assert_eq!(roles, Roles::named(["master", "data_hot"]));
        assert!(roles.is_master_eligible() && roles.holds_data());
    }

    #[test]
    fn labels_are_read_as_they_are_written() {
        let all: Roles = Role::ALL.into_iter().collect();
        for roles in [Roles::default(), Roles::named(["ingest", "voting_only"]), all] {
            assert_eq!(Roles::of_labels(&roles.labels(&version("8.15.3"))), roles);
        }
    }

    #[test]
    fn a_version_has_the_roles_that_came_before_it() {
        let count = |text: &str| Roles::default().labels(&version(text)).len();
        assert_eq!(["7.2.0", "7.3.0", "7.7.0", "7.10.0", "7.12.0"].map(count), [4, 5, 7, 11, 12]);
        assert_eq!(Roles::all_of(&version("7.3.0")), Roles::named(["master", "data", "ingest", "ml"]));
    }

    #[test]
    fn names_are_found_with_blanks_around_them_and_others_are_left_out() {
        assert_eq!(Roles::named([" master", "unheard_of", ""]), [Role::Master].into_iter().collect());
        assert!(!Roles::named(["ml"]).holds_data());
    }
}
