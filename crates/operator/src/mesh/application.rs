//! An application as a mesh sees it: pod templates in a namespace.

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Service};
use parapet_api::{Application, Kind};
use parapet_elastic::selector;

use super::{Check, Finding, Seen, Severity, Subject};

/// Whether one pod wants a proxy, whatever its namespace says.
const INJECT: &str = "sidecar.istio.io/inject";

/// One application.
pub(super) struct Seat<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) tls: bool,
    pub(super) templates: Vec<Template<'a>>,
    /// The association annotations' values.
    pub(super) references: Vec<&'a str>,
    labels: std::collections::BTreeMap<String, String>,
}

/// One pod template of an application.
pub(super) struct Template<'a> {
    /// Where it is in the resource.
    pub(super) place: String,
    /// The StatefulSet that is made of it, for Elasticsearch.
    pub(super) stateful_set: Option<String>,
    pub(super) template: &'a PodTemplateSpec,
}

/// Every application.
pub(super) fn all<'a>(seen: &Seen<'a>) -> Vec<Seat<'a>> {
    let sets = |es: &'a parapet_api::Elasticsearch| {
        let template = |set: &'a parapet_api::NodeSet| Template {
            place: format!("nodeSet {}", set.name),
            stateful_set: Some(parapet_api::names::stateful_set(es.object_name(), &set.name)),
            template: &set.pod_template,
        };
        es.spec.node_sets.iter().map(template).collect()
    };
    let single = |template| vec![Template { place: "podTemplate".to_owned(), stateful_set: None, template }];
    let mut all: Vec<Seat<'a>> = seen.elasticsearches.iter().map(|es| seat(es, sets(es))).collect();
    all.extend(seen.kibanas.iter().map(|kibana| seat(kibana, single(&kibana.spec.pod_template))));
    all.extend(seen.apm_servers.iter().map(|apm| seat(apm, single(&apm.spec.pod_template))));
    all
}

fn seat<'a, K: Application>(application: &'a K, templates: Vec<Template<'a>>) -> Seat<'a> {
    let annotations = ["association.k8s.elastic.co/es-conf", "association.k8s.elastic.co/kb-conf"];
    Seat {
        kind: K::KIND,
        name: application.object_name(),
        namespace: application.object_namespace(),
        tls: application.http().tls_enabled(),
        templates,
        references: annotations.into_iter().filter_map(|key| application.annotation(key)).collect(),
        labels: selector(application),
    }
}

impl Seat<'_> {
    /// Whether any of its pods gets a proxy.
    pub(super) fn is_injected(&self, seen: &Seen<'_>) -> bool {
        self.templates.iter().any(|template| template.is_injected(seen, self.namespace))
    }

    /// What its Services and pods are selected by.
    pub(super) fn labels(&self) -> &std::collections::BTreeMap<String, String> {
        &self.labels
    }

    pub(super) fn pods<'s>(&'s self, seen: &Seen<'s>) -> impl Iterator<Item = &'s Pod> {
        seen.pods.iter().filter(|pod| self.owns(&pod.metadata))
    }

    pub(super) fn services<'s>(&'s self, seen: &Seen<'s>) -> impl Iterator<Item = &'s Service> {
        seen.services.iter().filter(|service| self.owns(&service.metadata))
    }

    fn owns(&self, meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> bool {
        let labels = meta.labels.as_ref();
        meta.namespace.as_deref() == Some(self.namespace)
            && self.labels.iter().all(|(key, value)| labels.and_then(|all| all.get(key)) == Some(value))
    }

    pub(super) fn finding(&self, check: Check, severity: Severity, sentence: String, fix: String) -> Finding {
        let (namespace, name) = (self.namespace.to_owned(), self.name.to_owned());
        Finding {
            check,
            severity,
            subject: Subject { kind: self.kind.name(), namespace, name },
            sentence,
            fix,
        }
    }
}

impl Template<'_> {
    /// Whether its pods get a proxy: their own label or annotation decides, else their namespace.
    pub(super) fn is_injected(&self, seen: &Seen<'_>, namespace: &str) -> bool {
        let meta = self.template.metadata.as_ref();
        let label = meta.and_then(|meta| meta.labels.as_ref()).and_then(|all| all.get(INJECT));
        match label.map(String::as_str).or_else(|| self.annotation(INJECT)) {
            Some(value) => value == "true" && !seen.is_left_out(namespace),
            None => seen.asks_for_proxies(namespace),
        }
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.template.metadata.as_ref()?.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// Whether a comma list of ports has `port`, or is all of them.
pub(super) fn lists_port(list: Option<&str>, port: u16) -> bool {
    let wanted = port.to_string();
    list.is_some_and(|list| list.split(',').map(str::trim).any(|one| one == "*" || one == wanted))
}
