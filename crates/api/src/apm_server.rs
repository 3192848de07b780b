//! The kind ApmServer.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Application, AssociationState, Condition, ElasticsearchSelector, Health, HttpConfig, Kind,
    ObjectSelector, Resources, SecretSource,
};

/// An APM Server.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apm.k8s.elastic.co",
    version = "v1",
    kind = "ApmServer",
    plural = "apmservers",
    shortname = "apm",
    category = "elastic",
    namespaced,
    status = "ApmServerStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ApmServerSpec {
    /// The version of the stack.
    pub version: String,
    /// The whole image reference, instead of the one that the version gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many replicas; none if absent.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub count: i32,
    /// What `apm-server.yml` gets besides the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub config: Option<Map<String, Value>>,
    /// How clients reach it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub http: HttpConfig,
    /// The Elasticsearch that it writes to.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub elasticsearch_ref: ElasticsearchSelector,
    /// The Kibana that it takes agents' configuration from.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub kibana_ref: ObjectSelector,
    /// The user's part of the pods; it wins over the operator's.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub pod_template: PodTemplateSpec,
    /// How many revisions the Deployment remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Entries of the keystore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_settings: Option<Vec<SecretSource>>,
    /// Whose rights decide on references to other applications. It isn't the pods' account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// A shorthand for the main container's resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

impl Application for ApmServer {
    const KIND: Kind = Kind::ApmServer;
    fn http(&self) -> &HttpConfig {
        &self.spec.http
    }
    fn version(&self) -> &str {
        &self.spec.version
    }
}

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApmServerStatus {
    /// For the scale subresource: the pods' labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// For the scale subresource: how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
    /// How many are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_nodes: Option<i32>,
    /// The lowest version of any pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Green or red.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The Service that agents use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The Secret with the agents' token.
    #[serde(default, rename = "secretTokenSecret", skip_serializing_if = "Option::is_none")]
    pub secret_token_secret: Option<String>,
    /// Where the reference to Elasticsearch stands.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub elasticsearch_association_status: Option<AssociationState>,
    /// Where the reference to Kibana stands.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub kibana_association_status: Option<AssociationState>,
    /// What is wrong; nothing is said where nothing is.
    #[serde(default, deserialize_with = "crate::lenient::each_known", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that all this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
