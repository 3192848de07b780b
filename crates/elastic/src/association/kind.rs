//! Who refers to whom, and how everything that comes of it is called.

use std::collections::BTreeMap;

use parapet_api::{Application, Kind, ObjectSelector, annotations, labels, names};

use super::Target;
use crate::fnv::fnv32;

/// One kind of reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssociationKind {
    /// Kibana's `elasticsearchRef`.
    KibanaElasticsearch,
    /// APM Server's `elasticsearchRef`.
    ApmElasticsearch,
    /// APM Server's `kibanaRef`.
    ApmKibana,
    /// Where metrics and logs of an Elasticsearch go: its `monitoring`.
    ElasticsearchMonitoring,
    /// Where metrics and logs of a Kibana go.
    KibanaMonitoring,
}

impl AssociationKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::KibanaElasticsearch,
        Self::ApmElasticsearch,
        Self::ApmKibana,
        Self::ElasticsearchMonitoring,
        Self::KibanaMonitoring,
    ];

    /// How an application's `monitoring` refers; APM Server has none.
    pub fn monitoring(referrer: Kind) -> Option<Self> {
        match referrer {
            Kind::Elasticsearch => Some(Self::ElasticsearchMonitoring),
            Kind::Kibana => Some(Self::KibanaMonitoring),
            Kind::ApmServer => None,
        }
    }

    /// Who refers.
    pub fn referrer(self) -> Kind {
        match self {
            Self::KibanaElasticsearch | Self::KibanaMonitoring => Kind::Kibana,
            Self::ApmElasticsearch | Self::ApmKibana => Kind::ApmServer,
            Self::ElasticsearchMonitoring => Kind::Elasticsearch,
        }
    }

    /// What is referred to.
    pub fn target(self) -> Kind {
        match self {
            Self::KibanaElasticsearch
            | Self::ApmElasticsearch
            | Self::ElasticsearchMonitoring
            | Self::KibanaMonitoring => Kind::Elasticsearch,
            Self::ApmKibana => Kind::Kibana,
        }
    }

    /// Whether one application can have several of this kind, each to another target: their names tell the targets apart.
    pub fn is_many(self) -> bool {
        match self {
            Self::ElasticsearchMonitoring | Self::KibanaMonitoring => true,
            Self::KibanaElasticsearch | Self::ApmElasticsearch | Self::ApmKibana => false,
        }
    }

    /// The annotation of a referrer in the namespace `own`.
    pub fn annotation(self, selector: &ObjectSelector, own: &str) -> String {
        match self {
            Self::ElasticsearchMonitoring | Self::KibanaMonitoring => {
                format!("{}{}", annotations::MONITORING_CONF_PREFIX, selector_hash(selector, own))
            }
            Self::KibanaElasticsearch | Self::ApmElasticsearch => annotations::ELASTICSEARCH_CONF.to_owned(),
            Self::ApmKibana => annotations::KIBANA_CONF.to_owned(),
        }
    }

    /// The controller's name in events and metrics.
    pub fn controller(self) -> &'static str {
        match self {
            Self::KibanaElasticsearch => "kb-es-association-controller",
            Self::ApmElasticsearch => "apm-es-association-controller",
            Self::ApmKibana => "apm-kibana-association-controller",
            Self::ElasticsearchMonitoring => "es-monitoring-association-controller",
            Self::KibanaMonitoring => "kb-monitoring-association-controller",
        }
    }

    /// The copy of the target's authority, in the referrer's namespace.
    pub fn authority_secret(self, referrer: &str, target: &Target<'_>) -> String {
        let part = match self {
            Self::KibanaElasticsearch | Self::ApmElasticsearch => "es",
            Self::ApmKibana => "kibana",
            Self::ElasticsearchMonitoring | Self::KibanaMonitoring => "monitoring",
        };
        names::generated(self.referrer(), referrer, &[&format!("{part}{}", self.told_apart(target)), "ca"])
    }

    /// The credentials, in the referrer's namespace.
    pub fn user_secret(self, referrer: &str, target: &Target<'_>) -> String {
        format!("{referrer}{}-{}", self.told_apart(target), self.user_suffix())
    }

    /// The user, and the Secret about it in Elasticsearch's namespace.
    pub fn user_name(self, namespace: &str, referrer: &str, target: &Target<'_>) -> String {
        format!("{namespace}-{}", self.user_secret(referrer, target))
    }

    /// What tells the references of one kind apart in names.
    fn told_apart(self, target: &Target<'_>) -> String {
        if self.is_many() { format!("-{}-{}", target.namespace, target.name) } else { String::new() }
    }

    fn user_suffix(self) -> &'static str {
        match self {
            Self::KibanaElasticsearch => "kibana-user",
            Self::ApmElasticsearch => "apm-user",
            Self::ApmKibana => "apm-kb-user",
            Self::ElasticsearchMonitoring => "beat-es-mon-user",
            Self::KibanaMonitoring => "beat-kb-mon-user",
        }
    }

    /// How it is called in labels, volumes and paths.
    pub fn label(self) -> &'static str {
        match self {
            Self::ElasticsearchMonitoring => "es-monitoring",
            Self::KibanaMonitoring => "kb-monitoring",
            Self::KibanaElasticsearch | Self::ApmElasticsearch | Self::ApmKibana => {
                self.target().type_label()
            }
        }
    }

    /// The labels that say whose association an object belongs to; its leftovers are found by them.
    pub fn labels<K: Application>(self, referrer: &K) -> BTreeMap<String, String> {
        let domain = domain(self.referrer());
        BTreeMap::from([
            (format!("{domain}/name"), referrer.object_name().to_owned()),
            (format!("{domain}/namespace"), referrer.object_namespace().to_owned()),
            (format!("{domain}/type"), self.label().to_owned()),
        ])
    }

    /// The labels that say which target an object is about. Kibana's users are known by Kibana's name, although they live in
    /// its Elasticsearch.
    pub fn target_labels(self, target: &Target<'_>) -> BTreeMap<String, String> {
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

/// Before the `/` of the labels that say whose an association's objects are.
pub fn domain(referrer: Kind) -> &'static str {
    match referrer {
        Kind::Elasticsearch => "esassociation.k8s.elastic.co",
        Kind::Kibana => "kibanaassociation.k8s.elastic.co",
        Kind::ApmServer => "apmassociation.k8s.elastic.co",
    }
}

/// As the reference has it in annotations: over the selector as Go prints it, the referrer's namespace filled in.
fn selector_hash(selector: &ObjectSelector, own: &str) -> u32 {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let printed = format!(
        "(v1.ObjectSelector){{Namespace:(string){} Name:(string){} ServiceName:(string){} SecretName:(string){}}}",
        selector.namespace_or(own),
        part(&selector.name),
        part(&selector.service_name),
        part(&selector.secret_name),
    );
    fnv32([printed.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_hashed_as_in_the_reference() {
        let check = |selector: ObjectSelector, expect: &str| {
            let annotation = AssociationKind::ElasticsearchMonitoring.annotation(&selector, "namespace1");
            assert_eq!(annotation, format!("association.k8s.elastic.co/es-conf-{expect}"));
        };
        let text = |text: &str| Some(text.to_owned());
        check(ObjectSelector { name: text("elasticsearch1"), ..ObjectSelector::default() }, "2150608354");
        check(
            ObjectSelector { secret_name: text("elasticsearch1"), ..ObjectSelector::default() },
            "851285294",
        );
        let long = ObjectSelector {
            namespace: text("longnamespacelongnamespacelongnamespacelongnamespacelongnamespa"),
            name: text("elasticsearch1elasticsearch1elastics"),
            ..ObjectSelector::default()
        };
        check(long, "3419573237");
    }
}
