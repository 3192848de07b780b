//! References to other applications and to Secrets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Another application of this operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalSelector {
    /// Absent: the referrer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A Service of it other than its ordinary one; it must have a port named `https` or `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
}

/// Another application, or a Secret that says where one is that nobody here manages.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectSelector {
    /// Absent: the referrer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A Service of it other than its ordinary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// A Secret with `url`, `username`, `password` and perhaps `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// An [`ObjectSelector`] for an Elasticsearch that may ask for client certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticsearchSelector {
    /// What is referred to.
    #[serde(flatten)]
    pub target: ObjectSelector,
    /// The Secret with the client's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_name: Option<String>,
}

impl ObjectSelector {
    /// Whether anything is referred to.
    pub fn is_set(&self) -> bool {
        let given = |part: &Option<String>| part.as_ref().is_some_and(|text| !text.is_empty());
        given(&self.name) || given(&self.secret_name)
    }

    /// What it is called: the object, or the Secret that describes one.
    pub fn name_or_secret(&self) -> &str {
        let given = |part: &Option<String>| part.as_ref().is_some_and(|text| !text.is_empty());
        let named = if given(&self.name) { &self.name } else { &self.secret_name };
        named.as_deref().unwrap_or_default()
    }

    /// The namespace, that of the referrer if none is named.
    pub fn namespace_or<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().filter(|name| !name.is_empty()).unwrap_or(own)
    }
}

/// Entries for the keystore.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSource {
    /// A Secret of the same namespace.
    pub secret_name: String,
    /// Which of its keys, and under which names; all if absent.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<SecretSourceEntry>,
}

/// One key of a [`SecretSource`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretSourceEntry {
    /// The key in the Secret.
    pub key: String,
    /// The name in the keystore, if another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `spec.monitoring`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Monitoring {
    /// Where metrics go.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub metrics: MonitoringTarget,
    /// Where logs go.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub logs: MonitoringTarget,
}

/// Where one kind of monitoring data goes; at most one cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringTarget {
    /// The clusters; more than one is refused.
    #[serde(default, deserialize_with = "crate::lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub elasticsearch_refs: Vec<ObjectSelector>,
}

impl MonitoringTarget {
    /// The cluster that is sent to, if there is one.
    pub fn cluster(&self) -> Option<&ObjectSelector> {
        self.elasticsearch_refs.first().filter(|first| first.is_set())
    }
}
