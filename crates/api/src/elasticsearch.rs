//! The kind Elasticsearch.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Application, AssociationState, Condition, Health, HttpConfig, InProgress, Kind, LocalSelector,
    Monitoring, Phase, Resources, SecretRef, SecretSource, ServiceTemplate, SubjectAlternativeName,
    TemplateMeta,
};

/// An Elasticsearch cluster.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "elasticsearch.k8s.elastic.co",
    version = "v1",
    kind = "Elasticsearch",
    plural = "elasticsearches",
    shortname = "es",
    category = "elastic",
    namespaced,
    status = "ElasticsearchStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ElasticsearchSpec {
    /// The version of the stack; it decides the image and what is supported.
    pub version: String,
    /// The whole image reference, instead of the one that the version gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How clients reach it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub http: HttpConfig,
    /// How its nodes reach each other.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub transport: TransportConfig,
    /// The server that other clusters connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_cluster_server: Option<RemoteClusterServer>,
    /// Groups of nodes that are alike.
    #[schemars(length(min = 1))]
    pub node_sets: Vec<NodeSet>,
    /// How many nodes may be missing or too many while something changes.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub update_strategy: UpdateStrategy,
    /// Absent: one is made. Empty: none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<PodDisruptionBudgetTemplate>,
    /// Users and roles from files.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub auth: Auth,
    /// Entries of the keystore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_settings: Option<Vec<SecretSource>>,
    /// Whose rights decide on references to other applications. It isn't the pods' account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Clusters that this one may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_clusters: Option<Vec<RemoteCluster>>,
    /// What becomes of the volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_claim_delete_policy: Option<VolumeClaimDeletePolicy>,
    /// Where its own metrics and logs go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// How many revisions the StatefulSets remember.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
}

impl Application for Elasticsearch {
    const KIND: Kind = Kind::Elasticsearch;
    fn http(&self) -> &HttpConfig {
        &self.spec.http
    }
    fn version(&self) -> &str {
        &self.spec.version
    }
}

/// `spec.transport`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransportConfig {
    /// The Service of the transport port; without a cluster address if no type is given.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub service: ServiceTemplate,
    /// Certificates of the transport port.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub tls: TransportTls,
}

/// `spec.transport.tls`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransportTls {
    /// The end of the name that each node's certificate carries; `node.<name>.<namespace>.es.local` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_name_suffix: Option<String>,
    /// Names and addresses for every node's certificate.
    #[serde(
        default,
        rename = "subjectAltNames",
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub subject_alternative_names: Vec<SubjectAlternativeName>,
    /// One's own authority: `ca.crt` and `ca.key`, or `tls.crt` and `tls.key`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub certificate: SecretRef,
    /// A ConfigMap with more authorities to trust, under `ca.crt`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub certificate_authorities: TrustedAuthorities,
    /// Whether the operator makes certificates at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_signed_certificates: Option<SelfSignedTransportCertificates>,
}

/// `spec.transport.tls.certificateAuthorities`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedAuthorities {
    /// The ConfigMap's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_name: Option<String>,
}

/// `spec.transport.tls.selfSignedCertificates`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SelfSignedTransportCertificates {
    /// The user mounts certificates by the pod template.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub disabled: bool,
}

/// `spec.remoteClusterServer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RemoteClusterServer {
    /// Whether port 9443 is served.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub enabled: bool,
    /// Its Service.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub service: ServiceTemplate,
}

/// A group of nodes that are alike: one StatefulSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSet {
    /// Part of the StatefulSet's name.
    #[schemars(length(max = 23), regex(pattern = r"[a-zA-Z0-9-]+"))]
    pub name: String,
    /// What `elasticsearch.yml` gets besides the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub config: Option<Map<String, Value>>,
    /// How many nodes.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub count: i32,
    /// The user's part of the pods; it wins over the operator's.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub pod_template: PodTemplateSpec,
    /// The volumes; one claim named `elasticsearch-data` if absent.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::claims")]
    pub volume_claim_templates: Vec<PersistentVolumeClaim>,
    /// A shorthand for the main container's resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Spread over zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_awareness: Option<ZoneAwareness>,
}

/// `spec.nodeSets[].zoneAwareness`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAwareness {
    /// The label that names the zone; `topology.kubernetes.io/zone` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology_key: Option<String>,
    /// Only these zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-kubernetes-list-type" = "set"))]
    pub zones: Option<Vec<String>>,
}

/// `spec.updateStrategy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStrategy {
    /// How many nodes more or less there may be.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub change_budget: ChangeBudget,
}

/// `spec.updateStrategy.changeBudget`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeBudget {
    /// How many may be missing; 1 if absent, any number if negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<i32>,
    /// How many may be too many; any number if absent or negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<i32>,
}

/// `spec.podDisruptionBudget`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PodDisruptionBudgetTemplate {
    /// Labels and annotations.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub metadata: TemplateMeta,
    /// As in a policy/v1 PodDisruptionBudget.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    #[schemars(schema_with = "crate::schema::of_kubernetes::<PodDisruptionBudgetSpec>")]
    pub spec: PodDisruptionBudgetSpec,
}

/// `spec.auth`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Secrets with `roles.yml`.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<SecretName>,
    /// Secrets with `users` and `users_roles`, or with `username`, `password` and `roles`.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub file_realm: Vec<SecretName>,
    /// No user `elastic`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub disable_elastic_user: bool,
}

/// A Secret of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// One of `spec.remoteClusters`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteCluster {
    /// The alias.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The cluster, if it is managed here.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub elasticsearch_ref: LocalSelector,
    /// Access by an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<RemoteClusterApiKey>,
}

/// `spec.remoteClusters[].apiKey`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RemoteClusterApiKey {
    /// What the key allows, as Elasticsearch's API takes it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub access: Map<String, Value>,
}

/// `spec.volumeClaimDeletePolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VolumeClaimDeletePolicy {
    /// Volumes of removed nodes go, those of the cluster outlive it.
    DeleteOnScaledownOnly,
    /// Volumes go with their nodes, and all with the cluster.
    #[default]
    DeleteOnScaledownAndClusterDeletion,
}

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticsearchStatus {
    /// How many pods are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_nodes: Option<i32>,
    /// The lowest version of any node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// As the cluster says.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Where the reconciliation stands.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// By reference.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub monitoring_association_status: Option<BTreeMap<String, AssociationState>>,
    /// What it waits for.
    #[serde(default, deserialize_with = "crate::lenient::each_known", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What is under way.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub in_progress_operations: Option<InProgress>,
    /// The generation that all this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
