//! What Elasticsearch answers, as far as it is read. What is unknown is left out: other versions say more.

use std::collections::BTreeMap;

use parapet_api::{Health, StackVersion};
use parapet_orchestrate::{Node, Shard, ShardState, Shutdown, ShutdownKind, ShutdownStatus};
use serde::{Deserialize, Serialize};

/// `GET /`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Once the cluster is formed.
    pub cluster_uuid: Option<String>,
    /// What the node that answered runs.
    pub version: Option<StackVersion>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RootAnswer {
    cluster_uuid: Option<String>,
    version: VersionAnswer,
}

#[derive(Debug, Deserialize)]
struct VersionAnswer {
    number: String,
}

impl From<RootAnswer> for Root {
    fn from(answer: RootAnswer) -> Self {
        let formed = |uuid: &String| !uuid.is_empty() && uuid != "_na_";
        Self { cluster_uuid: answer.cluster_uuid.filter(formed), version: answer.version.number.parse().ok() }
    }
}

/// `GET /_cluster/health`
#[derive(Debug, Deserialize)]
pub(super) struct HealthAnswer {
    status: String,
    #[serde(default)]
    pub(super) timed_out: bool,
}

impl HealthAnswer {
    pub(super) fn health(&self) -> Health {
        match self.status.to_ascii_lowercase().as_str() {
            "green" => Health::Green,
            "yellow" => Health::Yellow,
            "red" => Health::Red,
            _ => Health::Unknown,
        }
    }
}

/// `GET /_nodes/_all/no-metrics`
#[derive(Debug, Deserialize)]
pub(super) struct NodesAnswer {
    nodes: BTreeMap<String, NodeAnswer>,
}

#[derive(Debug, Deserialize)]
struct NodeAnswer {
    name: String,
    version: String,
}

impl NodesAnswer {
    /// By name. A node whose version is none isn't one of Elasticsearch's; the answer is refused as a whole.
    pub(super) fn nodes(self) -> Result<BTreeMap<String, Node>, serde_json::Error> {
        let node = |(id, node): (String, NodeAnswer)| {
            let version = node.version.parse().map_err(<serde_json::Error as serde::de::Error>::custom)?;
            Ok((node.name, Node { id, version }))
        };
        self.nodes.into_iter().map(node).collect()
    }

    pub(super) fn names(self) -> Vec<String> {
        self.nodes.into_values().map(|node| node.name).collect()
    }
}

/// A row of `GET /_cat/shards?format=json`
#[derive(Debug, Deserialize)]
pub(super) struct ShardRow {
    index: String,
    shard: String,
    prirep: String,
    state: String,
    #[serde(default)]
    node: Option<String>,
}

impl ShardRow {
    pub(super) fn shard(self) -> Result<Shard, serde_json::Error> {
        let unknown = |what: &str| {
            <serde_json::Error as serde::de::Error>::custom(format!("unknown {what} of a shard"))
        };
        let state = match self.state.as_str() {
            "STARTED" => ShardState::Started,
            "INITIALIZING" => ShardState::Initializing,
            "RELOCATING" => ShardState::Relocating,
            "UNASSIGNED" => ShardState::Unassigned,
            _ => return Err(unknown("state")),
        };
        // A copy that moves is at `<from> -> <address> <id> <to>`.
        let (node, target) = match self.node.as_deref().map(|node| node.split_once(" -> ")) {
            Some(Some((from, to))) => {
                (Some(from.to_owned()), to.split_whitespace().last().map(str::to_owned))
            }
            Some(None) => (self.node, None),
            None => (None, None),
        };
        Ok(Shard {
            index: self.index,
            number: self.shard.parse().map_err(|_| unknown("number"))?,
            primary: self.prirep == "p",
            state,
            node,
            target,
        })
    }
}

/// `GET /_nodes/shutdown`
#[derive(Debug, Deserialize)]
pub(super) struct ShutdownsAnswer {
    #[serde(default)]
    nodes: Vec<ShutdownAnswer>,
}

#[derive(Debug, Deserialize)]
struct ShutdownAnswer {
    node_id: String,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    shard_migration: Option<MigrationAnswer>,
}

#[derive(Debug, Deserialize)]
struct MigrationAnswer {
    #[serde(default)]
    explanation: Option<String>,
}

impl ShutdownsAnswer {
    /// By node id.
    pub(super) fn shutdowns(self) -> Result<BTreeMap<String, Shutdown>, serde_json::Error> {
        self.nodes.into_iter().map(ShutdownAnswer::shutdown).collect()
    }
}

impl ShutdownAnswer {
    fn shutdown(self) -> Result<(String, Shutdown), serde_json::Error> {
        let kind = match self.kind.to_ascii_uppercase().as_str() {
            "RESTART" => ShutdownKind::Restart,
            "REMOVE" => ShutdownKind::Remove,
            _ => ShutdownKind::Other,
        };
        let status = match self.status.as_str() {
            "NOT_STARTED" => ShutdownStatus::NotStarted,
            "IN_PROGRESS" => ShutdownStatus::InProgress,
            "STALLED" => ShutdownStatus::Stalled,
            "COMPLETE" => ShutdownStatus::Complete,
            _ => return Err(serde::de::Error::custom("unknown status of a shutdown")),
        };
        let explanation = self.shard_migration.and_then(|migration| migration.explanation);
        Ok((self.node_id, Shutdown { kind, status, explanation }))
    }
}

/// `GET /_cluster/settings?flat_settings=true`
#[derive(Debug, Deserialize)]
pub(super) struct SettingsAnswer {
    #[serde(default)]
    persistent: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    transient: BTreeMap<String, serde_json::Value>,
}

impl SettingsAnswer {
    /// A setting, transient before persistent.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.transient.get(key).or_else(|| self.persistent.get(key))?.as_str()
    }
}

/// `license` of `GET /_license`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Licence {
    /// Its identity.
    #[serde(default)]
    pub uid: String,
    /// `basic`, `trial`, `platinum`, `enterprise`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `active`, `expired`.
    #[serde(default)]
    pub status: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct LicenceAnswer {
    pub(super) license: Licence,
}

/// `PUT /_license`
#[derive(Debug, Deserialize)]
pub(super) struct PutLicenceAnswer {
    pub(super) license_status: String,
}

/// How far nodes report their files of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenStores {
    /// Nodes that do.
    pub reporting: usize,
    /// Nodes that were asked and don't.
    pub silent: usize,
}

/// `GET /_security/service/elastic/kibana/credential`
#[derive(Debug, Deserialize)]
pub(super) struct ServiceCredentialsAnswer {
    nodes_credentials: NodesCredentials,
}

#[derive(Debug, Deserialize)]
struct NodesCredentials {
    #[serde(rename = "_nodes")]
    nodes: AskedNodes,
}

#[derive(Debug, Deserialize)]
struct AskedNodes {
    successful: usize,
    failed: usize,
}

impl ServiceCredentialsAnswer {
    pub(super) fn stores(&self) -> TokenStores {
        let AskedNodes { successful, failed } = self.nodes_credentials.nodes;
        TokenStores { reporting: successful, silent: failed }
    }
}
