//! Who refers to whom, and how everything that comes of it is called.

use std::collections::BTreeMap;

use parapet_api::{Application, Kind, labels, names};

/// One kind of reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssociationKind {
    /// Kibana's `elasticsearchRef`.
    KibanaElasticsearch,
    /// APM Server's `elasticsearchRef`.
    ApmElasticsearch,
    /// APM Server's `kibanaRef`.
    ApmKibana,
}

impl AssociationKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::KibanaElasticsearch, Self::ApmElasticsearch, Self::ApmKibana];

    /// Who refers.
    pub fn referrer(self) -> Kind {
        match self {
            Self::KibanaElasticsearch => Kind::Kibana,
            Self::ApmElasticsearch | Self::ApmKibana => Kind::ApmServer,
        }
    }

    /// What is referred to.
    pub fn target(self) -> Kind {
        match self {
            Self::KibanaElasticsearch | Self::ApmElasticsearch => Kind::Elasticsearch,
            Self::ApmKibana => Kind::Kibana,
        }
    }

    /// The referrer's annotation.
    pub fn annotation(self) -> &'static str {
        match self.target() {
            Kind::Elasticsearch | Kind::ApmServer => "association.k8s.elastic.co/es-conf",
            Kind::Kibana => "association.k8s.elastic.co/kb-conf",
        }
    }

    /// The controller's name in events and metrics.
    pub fn controller(self) -> &'static str {
        match self {
            Self::KibanaElasticsearch => "kb-es-association-controller",
            Self::ApmElasticsearch => "apm-es-association-controller",
            Self::ApmKibana => "apm-kibana-association-controller",
        }
    }

    /// The copy of the target's authority, in the referrer's namespace.
    pub fn authority_secret(self, referrer: &str) -> String {
        match self {
            Self::KibanaElasticsearch => names::generated(Kind::Kibana, referrer, &["es-ca"]),
            Self::ApmElasticsearch => names::generated(Kind::ApmServer, referrer, &["es-ca"]),
            Self::ApmKibana => names::generated(Kind::ApmServer, referrer, &["kibana-ca"]),
        }
    }

    /// The credentials, in the referrer's namespace.
    pub fn user_secret(self, referrer: &str) -> String {
        format!("{referrer}-{}", self.user_suffix())
    }

    /// The user, and the Secret about it in Elasticsearch's namespace.
    pub fn user_name(self, namespace: &str, referrer: &str) -> String {
        format!("{namespace}-{referrer}-{}", self.user_suffix())
    }

    fn user_suffix(self) -> &'static str {
        match self {
            Self::KibanaElasticsearch => "kibana-user",
            Self::ApmElasticsearch => "apm-user",
            Self::ApmKibana => "apm-kb-user",
        }
    }

    /// The labels that say whose association an object belongs to; its leftovers are found by them.
    pub fn labels<K: Application>(self, referrer: &K) -> BTreeMap<String, String> {
        let domain = match self.referrer() {
            Kind::Kibana => "kibanaassociation.k8s.elastic.co",
            Kind::ApmServer | Kind::Elasticsearch => "apmassociation.k8s.elastic.co",
        };
        BTreeMap::from([
            (format!("{domain}/name"), referrer.object_name().to_owned()),
            (format!("{domain}/namespace"), referrer.object_namespace().to_owned()),
            (format!("{domain}/type"), self.target().type_label().to_owned()),
        ])
    }

    /// The labels that say which target an object is about. Kibana's users are known by Kibana's name, although they live in
    /// its Elasticsearch.
    pub(super) fn target_labels(self, target: &super::Target<'_>) -> BTreeMap<String, String> {
        let (name, namespace) = match self.target() {
            Kind::Kibana => (labels::KIBANA_NAME, "kibana.k8s.elastic.co/namespace"),
            Kind::Elasticsearch | Kind::ApmServer => (labels::CLUSTER_NAME, labels::CLUSTER_NAMESPACE),
        };
        BTreeMap::from([
            (name.to_owned(), target.name.to_owned()),
            (namespace.to_owned(), target.namespace.to_owned()),
        ])
    }
}
