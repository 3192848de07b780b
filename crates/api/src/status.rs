//! What a status says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An application's health. Kibana and APM Server are green or red.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Data is missing.
    Red,
    /// Replicas are missing.
    Yellow,
    /// All is there.
    Green,
    /// Nobody could be asked.
    #[default]
    Unknown,
}

/// Where a reconciliation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing is left to do.
    Ready,
    /// Something is left to do.
    ApplyingChanges,
    /// Nodes that leave still hold data.
    MigratingData,
    /// Nodes that leave can't hand over their data.
    Stalled,
    /// The specification is refused.
    Invalid,
}

/// Where a reference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AssociationState {
    /// The target isn't there, or isn't ready for it.
    Pending,
    /// The referrer has all it needs.
    Established,
    /// It can't be, or is refused.
    Failed,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is said.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it is so.
    pub status: ConditionState,
    /// Since when, RFC 3339 in seconds; moves only if status or message do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionState {
    /// It holds.
    True,
    /// It doesn't.
    False,
    /// Nobody knows.
    Unknown,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// The last pass came to its end.
    ReconciliationComplete,
    /// All nodes run the version of the specification.
    RunningDesiredVersion,
    /// Elasticsearch answers.
    ElasticsearchIsReachable,
    /// Elasticsearch knows the resources of its nodes.
    ResourcesAwareManagement,
    /// Changes of nodes are held by the user.
    OrchestrationPaused,
    /// What the user brought is valid now: certificates and authorities (ours; the reference has none).
    CertificatesValid,
    /// The service mesh fits the specification (ours; the reference has none).
    MeshReady,
    /// Nothing of what another operator looked after is merely left as it is (ours; only there where something is).
    FullyManaged,
}

/// `status.inProgressOperations`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InProgress {
    /// Nodes that leave.
    pub downscale: Downscale,
    /// Nodes that are restarted.
    pub upgrade: Upgrade,
    /// Nodes that come.
    pub upscale: Upscale,
}

/// Nodes that leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Downscale {
    /// RFC 3339, seconds; moves only if the rest does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<String>,
    /// Whether it can't go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalled: Option<bool>,
    /// Which.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<DownscaledNode>,
}

/// A node that leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownscaledNode {
    /// The pod.
    pub name: String,
    /// As Elasticsearch says: NOT_STARTED, IN_PROGRESS, STALLED, COMPLETE.
    pub shutdown_status: String,
    /// As Elasticsearch explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// Nodes that are restarted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// RFC 3339, seconds; moves only if the rest does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<String>,
    /// Which.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<UpgradedNode>,
}

/// A node that is restarted, or should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpgradedNode {
    /// The pod.
    pub name: String,
    /// PENDING or DELETED.
    pub status: String,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The rule that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
}

/// Nodes that come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upscale {
    /// RFC 3339, seconds; moves only if the rest does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<String>,
    /// Which.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NewNode>,
}

/// A node that comes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewNode {
    /// The pod.
    pub name: String,
    /// PENDING or EXPECTED.
    pub status: String,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
