//! Which roles a node's configuration gives it.

use std::collections::{BTreeMap, BTreeSet};

use parapet_api::StackVersion;

use super::{Node, Yml};

/// A role that a node can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May be elected.
    Master,
    /// Holds data of any kind.
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
    /// Holds content.
    DataContent,
    /// Holds the newest time series.
    DataHot,
    /// Holds older ones.
    DataWarm,
    /// Holds still older ones.
    DataCold,
    /// Holds those that live in a repository.
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

    /// As in `node.roles`, and at the end of the pod label's name.
    pub fn as_str(self) -> &'static str {
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

    /// The version that it came with: older pods have no label for it.
    fn since(self) -> (u64, u64, u64) {
        match self {
            Self::Master | Self::Data | Self::Ingest | Self::Ml => (0, 0, 0),
            Self::VotingOnly => (7, 3, 0),
            Self::Transform | Self::RemoteClusterClient => (7, 7, 0),
            Self::DataContent | Self::DataHot | Self::DataWarm | Self::DataCold => (7, 10, 0),
            Self::DataFrozen => (7, 12, 0),
        }
    }

    /// Whether nodes of `version` can have it.
    pub fn exists_in(self, version: &StackVersion) -> bool {
        let (major, minor, patch) = self.since();
        version.at_least(major, minor, patch)
    }
}

/// The roles of the nodes of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(BTreeSet<Role>);

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl Roles {
    /// What a node has of which nothing is said: all but voting only.
    pub fn all_of(version: &StackVersion) -> Self {
        Role::ALL.into_iter().filter(|role| *role != Role::VotingOnly && role.exists_in(version)).collect()
    }

    /// Whether it has `role`.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether it votes for a master: also nodes that only vote do.
    pub fn is_master_eligible(&self) -> bool {
        self.has(Role::Master)
    }

    /// Whether it holds data of any tier.
    pub fn has_data(&self) -> bool {
        self.0.iter().any(|role| role.as_str().starts_with("data"))
    }

    /// In the order of [`Role::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Role> {
        self.0.iter().copied()
    }

    /// The pods' labels, complete with those that say "false": a mesh routes by them.
    pub fn labels(&self, version: &StackVersion) -> BTreeMap<String, String> {
        Role::ALL
            .into_iter()
            .filter(|role| role.exists_in(version))
            .map(|role| {
                (format!("elasticsearch.k8s.elastic.co/node-{}", role.as_str()), self.has(role).to_string())
            })
            .collect()
    }
}

/// The roles that a configuration gives to nodes of `version`.
///
/// `node.roles` gives exactly those that it lists, a list or a text with commas. Without it a node has all but voting only; before
/// version 8 `node.master` and its like take single ones away, and transforms follow data if nothing is said of them.
pub fn node_roles(config: &Yml, version: &StackVersion) -> Roles {
    match config.get("node.roles") {
        None | Some(Node::Null) => {}
        Some(Node::List(items)) => {
            let names: Vec<String> = items.iter().filter_map(Node::as_text).collect();
            return named(names.iter().map(String::as_str));
        }
        Some(single) => return named(single.as_text().unwrap_or_default().split(',')),
    }
    let mut roles = Roles::all_of(version);
    if version.major() >= 8 {
        return roles;
    }
    let said = |role: Role| Some(config.text_at(&format!("node.{}", role.as_str()))? == "true");
    let data = said(Role::Data).unwrap_or(true);
    let legacy = [
        (Role::Master, true),
        (Role::Data, true),
        (Role::Ingest, true),
        (Role::Ml, true),
        (Role::Transform, data),
        (Role::RemoteClusterClient, true),
        (Role::VotingOnly, false),
    ];
    for (role, default) in legacy.into_iter().filter(|(role, _)| role.exists_in(version)) {
        if said(role).unwrap_or(default) {
            roles.0.insert(role);
        } else {
            roles.0.remove(&role);
        }
    }
    roles
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> Roles {
    names.filter_map(|name| Role::ALL.into_iter().find(|role| role.as_str() == name.trim())).collect()
}
