//! The kind Kibana.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Application, AssociationState, Condition, ElasticsearchSelector, Health, HttpConfig, Kind, Monitoring,
    ObjectSelector, Resources, SecretSource,
};

/// A Kibana.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kibana.k8s.elastic.co",
    version = "v1",
    kind = "Kibana",
    plural = "kibanas",
    shortname = "kb",
    category = "elastic",
    namespaced,
    status = "KibanaStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct KibanaSpec {
    /// The version of the stack.
    pub version: String,
    /// The whole image reference, instead of the one that the version gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many replicas; none if absent.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub count: i32,
    /// The Elasticsearch that it shows.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub elasticsearch_ref: ElasticsearchSelector,
    /// A package registry.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub package_registry_ref: ObjectSelector,
    /// An Enterprise Search.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub enterprise_search_ref: ObjectSelector,
    /// What `kibana.yml` gets besides the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub config: Option<Map<String, Value>>,
    /// How clients reach it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub http: HttpConfig,
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
    /// Where its own metrics and logs go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// A shorthand for the main container's resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

impl Application for Kibana {
    const KIND: Kind = Kind::Kibana;
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
pub struct KibanaStatus {
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
    /// The same as `elasticsearchAssociationStatus`, under its older name.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub association_status: Option<AssociationState>,
    /// Where the reference to Elasticsearch stands.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub elasticsearch_association_status: Option<AssociationState>,
    /// Where the reference to Enterprise Search stands.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub enterprise_search_association_status: Option<AssociationState>,
    /// Where the reference to a package registry stands.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub package_registry_association_status: Option<AssociationState>,
    /// By reference.
    #[serde(default, deserialize_with = "crate::lenient::if_known", skip_serializing_if = "Option::is_none")]
    pub monitoring_association_status: Option<BTreeMap<String, AssociationState>>,
    /// What is wrong; nothing is said where nothing is.
    #[serde(default, deserialize_with = "crate::lenient::each_known", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that all this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
