//! What all kinds share: which kind it is, metadata of templates, resources.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// The kinds that are reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `elasticsearch.k8s.elastic.co`.
    Elasticsearch,
    /// `kibana.k8s.elastic.co`.
    Kibana,
    /// `apm.k8s.elastic.co`.
    ApmServer,
}

impl Kind {
    /// All of them, in the order in which they depend on each other.
    pub const ALL: [Self; 3] = [Self::Elasticsearch, Self::Kibana, Self::ApmServer];

    /// As `kind:` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elasticsearch => "Elasticsearch",
            Self::Kibana => "Kibana",
            Self::ApmServer => "ApmServer",
        }
    }

    /// The API group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch.k8s.elastic.co",
            Self::Kibana => "kibana.k8s.elastic.co",
            Self::ApmServer => "apm.k8s.elastic.co",
        }
    }

    /// The name of the resource in URLs.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearches",
            Self::Kibana => "kibanas",
            Self::ApmServer => "apmservers",
        }
    }

    /// How `kubectl get` may call it: `es`, `kb`, `apm`.
    pub fn short_name(self) -> &'static str {
        self.suffix()
    }

    /// The label that names the application which an object belongs to.
    pub fn name_label(self) -> &'static str {
        match self {
            Self::Elasticsearch => crate::labels::CLUSTER_NAME,
            Self::Kibana => crate::labels::KIBANA_NAME,
            Self::ApmServer => crate::labels::APM_NAME,
        }
    }

    /// The label on pods that says which version they run.
    pub fn version_label(self) -> &'static str {
        match self {
            Self::Elasticsearch => crate::labels::ELASTICSEARCH_VERSION,
            Self::Kibana => crate::labels::KIBANA_VERSION,
            Self::ApmServer => crate::labels::APM_VERSION,
        }
    }

    /// The name of the container that the application runs in.
    pub fn container(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::Kibana => "kibana",
            Self::ApmServer => "apm-server",
        }
    }

    /// What stands between the owner's name and the rest in generated names: `es`, `kb`, `apm`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Elasticsearch => "es",
            Self::Kibana => "kb",
            Self::ApmServer => "apm",
        }
    }

    /// The value of the label `common.k8s.elastic.co/type`.
    pub fn type_label(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::Kibana => "kibana",
            Self::ApmServer => "apm-server",
        }
    }

    /// The port of its HTTP endpoint.
    pub fn http_port(self) -> u16 {
        match self {
            Self::Elasticsearch => 9200,
            Self::Kibana => 5601,
            Self::ApmServer => 8200,
        }
    }
}

/// What is the same in all three kinds: who it is, where, and how it is reached.
pub trait Application: kube::Resource<DynamicType = ()> {
    /// Which kind.
    const KIND: Kind;
    /// How it is reached.
    fn http(&self) -> &crate::HttpConfig;
    /// The version as written; [`crate::StackVersion`] parses it.
    fn version(&self) -> &str;
    /// The name of the object; objects from an API server have one.
    fn object_name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }
    /// The namespace of the object; objects from an API server have one.
    fn object_namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }
    /// The value of an annotation.
    fn annotation(&self, key: &str) -> Option<&str> {
        self.meta().annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str)
    }
}

/// Metadata that a user gives to a generated object; other fields than these two are dropped, as the reference does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMeta {
    /// Labels, added to the operator's own; the user's win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations, added to the operator's own; the user's win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Only where an object is named by its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl JsonSchema for TemplateMeta {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TemplateMeta".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        crate::schema::metadata(generator)
    }
}

/// A shorthand for the main container's resources; it wins over the pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// What is reserved: `cpu`, `memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::cpu_and_memory")]
    pub requests: Option<BTreeMap<String, Quantity>>,
    /// What is the most: `cpu`, `memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::cpu_and_memory")]
    pub limits: Option<BTreeMap<String, Quantity>>,
}
