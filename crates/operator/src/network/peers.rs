//! Who is known to open connections to an application.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana, Kind, MonitoringTarget, ObjectSelector};
use parapet_elastic::selector;

use crate::ApplicationKey;

/// Every managed application, as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Applications<'a> {
    /// All Elasticsearch clusters.
    pub elasticsearches: &'a [Elasticsearch],
    /// All Kibanas.
    pub kibanas: &'a [Kibana],
    /// All APM Servers.
    pub apm_servers: &'a [ApmServer],
}

/// The operator's own pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorPods {
    /// Where they run.
    pub namespace: String,
    /// What they are labelled with: `control-plane: elastic-operator`.
    pub labels: BTreeMap<String, String>,
}

/// Pods of one application, or of the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pods {
    namespace: String,
    labels: BTreeMap<String, String>,
}

impl Pods {
    fn of<K: Application>(application: &K) -> Self {
        Self { namespace: application.object_namespace().to_owned(), labels: selector(application) }
    }

    /// As a policy in `namespace` names them.
    fn peer(self, namespace: &str) -> NetworkPolicyPeer {
        /// Kubernetes puts it on every namespace since 1.22.
        const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
        let labels = |labels| Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() });
        let is_elsewhere = self.namespace != namespace;
        NetworkPolicyPeer {
            pod_selector: labels(self.labels),
            namespace_selector: is_elsewhere
                .then(|| labels([(NAMESPACE_NAME.to_owned(), self.namespace)].into()))
                .flatten(),
            ip_block: None,
        }
    }
}

/// The known peers of an application's ports.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Peers {
    /// Of its HTTP port.
    pub(super) http: Vec<NetworkPolicyPeer>,
    /// Of Elasticsearch's transport port.
    pub(super) transport: Vec<NetworkPolicyPeer>,
    /// Of Elasticsearch's port for other clusters.
    pub(super) remote: Vec<NetworkPolicyPeer>,
}

/// Who is known to use `target`: its own pods where they talk to each other, the operator, and whoever refers to it.
pub(super) fn peers_of<K: Application>(target: &K, all: &Applications<'_>, operator: &OperatorPods) -> Peers {
    let namespace = target.object_namespace();
    let own = Pods::of(target);
    let mut http = referrers(target, all);
    if K::KIND == Kind::Elasticsearch {
        // Pods announce their end through the internal Service, which leads to any of them; the operator asks and orders.
        http.insert(own.clone());
        http.insert(Pods { namespace: operator.namespace.clone(), labels: operator.labels.clone() });
    }
    let remote = remote_clusters(target, all);
    let transport = if K::KIND == Kind::Elasticsearch {
        remote.iter().cloned().chain([own]).collect()
    } else {
        BTreeSet::new()
    };
    let peers = |pods: BTreeSet<Pods>| pods.into_iter().map(|pods| pods.peer(namespace)).collect();
    Peers { http: peers(http), transport: peers(transport), remote: peers(remote) }
}

/// The pods of every application that refers to `target`, also those whose sidecars send it metrics and logs.
fn referrers<K: Application>(target: &K, all: &Applications<'_>) -> BTreeSet<Pods> {
    let mut found = BTreeSet::new();
    for es in all.elasticsearches {
        let monitored = es.spec.monitoring.iter().flat_map(|all| [&all.metrics, &all.logs]);
        if K::KIND == Kind::Elasticsearch && monitored.into_iter().any(|sent| sends_to(sent, es, target)) {
            found.insert(Pods::of(es));
        }
    }
    for kibana in all.kibanas {
        let monitored = kibana.spec.monitoring.iter().flat_map(|all| [&all.metrics, &all.logs]);
        let is_referrer = K::KIND == Kind::Elasticsearch
            && (refers(&kibana.spec.elasticsearch_ref.target, kibana, target)
                || monitored.into_iter().any(|sent| sends_to(sent, kibana, target)));
        if is_referrer {
            found.insert(Pods::of(kibana));
        }
    }
    for apm in all.apm_servers {
        let reference = match K::KIND {
            Kind::Elasticsearch => &apm.spec.elasticsearch_ref.target,
            Kind::Kibana => &apm.spec.kibana_ref,
            Kind::ApmServer => continue,
        };
        if refers(reference, apm, target) {
            found.insert(Pods::of(apm));
        }
    }
    found
}

/// The pods of managed clusters that `target` is a remote cluster of.
fn remote_clusters<K: Application>(target: &K, all: &Applications<'_>) -> BTreeSet<Pods> {
    if K::KIND != Kind::Elasticsearch {
        return BTreeSet::new();
    }
    let asks = |es: &&Elasticsearch| {
        es.spec.remote_clusters.iter().flatten().any(|remote| {
            let to = &remote.elasticsearch_ref;
            is(to.namespace.as_deref(), to.name.as_deref(), es.object_namespace(), target)
        })
    };
    all.elasticsearches.iter().filter(asks).map(Pods::of).collect()
}

/// The clusters that a cluster names: their policies let its pods in.
pub fn targets_of_elasticsearch(es: &Elasticsearch) -> BTreeSet<ApplicationKey> {
    let own = es.object_namespace();
    let remote = es.spec.remote_clusters.iter().flatten().map(|remote| &remote.elasticsearch_ref);
    let remote =
        remote.filter_map(|to| named(Kind::Elasticsearch, to.namespace.as_deref(), to.name.as_deref(), own));
    let monitored = es.spec.monitoring.iter().flat_map(|all| [&all.metrics, &all.logs]);
    remote.chain(monitored.flat_map(|sent| sent_to(sent, own))).collect()
}

/// The clusters that a Kibana names.
pub fn targets_of_kibana(kibana: &Kibana) -> BTreeSet<ApplicationKey> {
    let own = kibana.object_namespace();
    let monitored = kibana.spec.monitoring.iter().flat_map(|all| [&all.metrics, &all.logs]);
    let target = selected(Kind::Elasticsearch, &kibana.spec.elasticsearch_ref.target, own);
    target.into_iter().chain(monitored.flat_map(|sent| sent_to(sent, own))).collect()
}

/// The applications that an APM Server names.
pub fn targets_of_apm_server(apm: &ApmServer) -> BTreeSet<ApplicationKey> {
    let own = apm.object_namespace();
    let elasticsearch = selected(Kind::Elasticsearch, &apm.spec.elasticsearch_ref.target, own);
    elasticsearch.into_iter().chain(selected(Kind::Kibana, &apm.spec.kibana_ref, own)).collect()
}

fn sent_to<'a>(sent: &'a MonitoringTarget, own: &'a str) -> impl Iterator<Item = ApplicationKey> + 'a {
    sent.elasticsearch_refs.iter().filter_map(move |to| selected(Kind::Elasticsearch, to, own))
}

fn selected(kind: Kind, to: &ObjectSelector, own: &str) -> Option<ApplicationKey> {
    named(kind, to.namespace.as_deref(), to.name.as_deref(), own)
}

fn named(kind: Kind, namespace: Option<&str>, name: Option<&str>, own: &str) -> Option<ApplicationKey> {
    let namespace = namespace.filter(|text| !text.is_empty()).unwrap_or(own);
    name.filter(|text| !text.is_empty()).map(|name| ApplicationKey::new(kind, namespace, name))
}

fn sends_to<K: Application, R: Application>(sent: &MonitoringTarget, referrer: &R, target: &K) -> bool {
    sent.elasticsearch_refs.iter().any(|reference| refers(reference, referrer, target))
}

fn refers<K: Application, R: Application>(reference: &ObjectSelector, referrer: &R, target: &K) -> bool {
    is(reference.namespace.as_deref(), reference.name.as_deref(), referrer.object_namespace(), target)
}

fn is<K: Application>(namespace: Option<&str>, name: Option<&str>, own: &str, target: &K) -> bool {
    let namespace = namespace.filter(|text| !text.is_empty()).unwrap_or(own);
    name == Some(target.object_name()) && namespace == target.object_namespace()
}
