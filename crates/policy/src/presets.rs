//! Flows of well-known components, by the labels that their operators and charts give them.

mod collection;
mod operational_insights;

use std::collections::BTreeMap;

use crate::error::PolicyError;
use crate::flows::{Flow, FlowPort, Party, PodsOf, PresetUse};

/// All presets, and what each is.
pub const NAMES: [(&str, &str); 22] = [
    ("elasticsearch", "a cluster's own transport; its operator as a client"),
    ("elasticsearch-exporter", "Prometheus' exporter to Elasticsearch, Prometheus to it"),
    ("kibana", "Kibana to its Elasticsearch, its operator, and users from outside"),
    ("apm-server", "APM Server to its Elasticsearch, from every workload of the users' namespace"),
    ("elastic-operator", "the operator to the API server, and the API server to its webhook"),
    ("elastic-operator-metrics", "Prometheus of the users' namespace to the operator's secured metrics"),
    ("logstash", "Beats to Logstash, Logstash to Elasticsearch"),
    ("collector", "OTLP from every workload of the users' namespace to the collector"),
    ("metrics", "Prometheus to the ports of secured metrics"),
    (
        "operational-insights",
        "Filebeat, Logstash, API Builder, memcached, Elasticsearch, Kibana, gateway managers, monitoring",
    ),
    ("istio", "sidecars to istiod, the API server to its webhooks"),
    ("sumologic-logs", "agents on nodes to metadata enrichment, that to the API server and the backend"),
    ("sumologic-metrics", "collector, target allocator, enrichment, remote write; exporters and kubelets"),
    ("sumologic-traces", "applications to the receiver, gateway, sampler, and on to the backend"),
    ("sumologic-events", "Kubernetes' events to the backend"),
    ("sumologic-setup", "the job that prepares the backend at installation"),
    ("opentelemetry-operator", "the operator to the API server, and the API server to its webhook"),
    ("prometheus", "Prometheus to the API server, nodes and Alertmanager; Alertmanager's own mesh"),
    ("kube-state-metrics", "to the API server, and Prometheus to it"),
    ("node-exporter", "Prometheus to the exporters on the nodes"),
    ("metrics-server", "to the kubelets, and the API server to it"),
    ("parapet", "agents to the server, users to the console"),
];

/// Elasticsearch's ports for clients and between its nodes.
const ES_HTTP: u16 = 9200;
const ES_TRANSPORT: u16 = 9300;
const KIBANA: u16 = 5601;
const APM: u16 = 8200;
const BEATS: u16 = 5044;
const HTTPS: u16 = 443;
/// gRPC, and HTTP.
const OTLP: [u16; 2] = [4317, OTLP_HTTP];
const OTLP_HTTP: u16 = 4318;
const KUBELET: u16 = 10250;
const NODE_EXPORTER: u16 = 9100;
/// Where operators built with controller-runtime answer admission reviews.
const WEBHOOK: u16 = 9443;
/// The label of the kind of application that the Elastic operator sets.
const TYPE: &str = "common.k8s.elastic.co/type";
const APP: &str = "app.kubernetes.io/name";
/// The same, before Kubernetes recommended labels.
const OLD_APP: &str = "app";
/// Where the Elastic operator's manifests put it.
const OPERATOR_NAMESPACE: &str = "elastic-system";

/// A preset's parameters, and what its flows are made with.
struct Kit<'a> {
    name: &'a str,
    namespace: &'a str,
    cluster: Option<&'a str>,
    users: &'a str,
}

impl Kit<'_> {
    fn flow(&self, from: Party, to: Party, ports: &[u16], reason: &str) -> Flow {
        Flow {
            from,
            to,
            ports: ports.iter().map(|port| FlowPort::Number(*port)).collect(),
            reason: reason.to_owned(),
            pipeline: Some(self.name.to_owned()),
        }
    }

    /// Pods of the preset's namespace.
    fn here(&self, labels: &[(&str, &str)]) -> Party {
        pods(self.namespace, labels)
    }

    /// Pods of the users' namespace.
    fn users(&self, labels: &[(&str, &str)]) -> Party {
        pods(self.users, labels)
    }

    /// An application of the preset's namespace, by the label that charts of today give it, or the one of older ones.
    fn app(&self, name: &str) -> Party {
        app(self.namespace, name)
    }

    /// The same in the users' namespace.
    fn users_app(&self, name: &str) -> Party {
        app(self.users, name)
    }

    /// What the Elastic operator made of an object of `kind`; `key` is the label with the object's name.
    fn elastic(&self, kind: &str, key: &str) -> Party {
        let mut labels = vec![(TYPE, kind)];
        labels.extend(self.cluster.map(|cluster| (key, cluster)));
        self.here(&labels)
    }

    fn elasticsearch(&self) -> Party {
        self.elastic("elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name")
    }
}

/// The flows of a preset. Those to or from a component that isn't there are left out by [`crate::Needs::resolve`], which
/// says so; a preset of which nothing is there is an error.
pub fn flows(preset: &PresetUse) -> Result<Vec<Flow>, PolicyError> {
    let PresetUse { name, namespace, cluster, users } = preset;
    let kit =
        Kit { name, namespace, cluster: cluster.as_deref(), users: users.as_deref().unwrap_or(namespace) };
    let flow = |from: Party, to: Party, ports: &[u16], reason: &str| kit.flow(from, to, ports, reason);
    let app = |name: &str| kit.app(name);
    // Of Elastic's operator, or of a chart.
    let operated = |name: &str, kind: &str| any_of(app(name), kit.here(&[(TYPE, kind)]));
    let elasticsearch = || kit.elasticsearch();
    let kibana = || kit.elastic("kibana", "kibana.k8s.elastic.co/name");
    let apm = || kit.elastic("apm-server", "apm.k8s.elastic.co/name");
    let operator = || pods(OPERATOR_NAMESPACE, &[("control-plane", "elastic-operator")]);
    let prometheus = || kit.users_app("prometheus");
    let flows = match name.as_str() {
        "elasticsearch" => vec![
            flow(elasticsearch(), elasticsearch(), &[ES_TRANSPORT], "its nodes among themselves"),
            flow(operator(), elasticsearch(), &[ES_HTTP], "the operator asks for health and sets it up"),
        ],
        "elasticsearch-exporter" => vec![
            flow(
                app("prometheus-elasticsearch-exporter"),
                elasticsearch(),
                &[ES_HTTP],
                "asks for statistics",
            ),
            flow(prometheus(), app("prometheus-elasticsearch-exporter"), &[9108], "Prometheus reads them"),
        ],
        "kibana" => vec![
            flow(kibana(), elasticsearch(), &[ES_HTTP], "Kibana reads and keeps its objects"),
            flow(Party::World, kibana(), &[KIBANA], "users open Kibana"),
        ],
        "apm-server" => vec![
            flow(apm(), elasticsearch(), &[ES_HTTP], "APM Server writes events"),
            flow(kit.users(&[]), apm(), &[APM], "applications send events"),
        ],
        "elastic-operator" => vec![
            flow(operator(), Party::ApiServer, &[], "the operator watches and writes objects"),
            flow(Party::ApiServer, operator(), &[WEBHOOK], "the API server asks the webhook"),
        ],
        "elastic-operator-metrics" => vec![
            flow(prometheus(), operator(), &[8080], "Prometheus reads the operator's metrics"),
            flow(operator(), Party::ApiServer, &[], "the metrics' reader is asked after"),
        ],
        "logstash" => vec![
            flow(
                operated("filebeat", "beat"),
                operated("logstash", "logstash"),
                &[BEATS],
                "Beats send events",
            ),
            flow(operated("logstash", "logstash"), elasticsearch(), &[ES_HTTP], "Logstash writes events"),
        ],
        "collector" => vec![flow(
            kit.users(&[]),
            app("opentelemetry-collector"),
            &OTLP,
            "applications send logs, metrics and traces",
        )],
        "metrics" => {
            vec![flow(prometheus(), kit.here(&[]), &[8080, 8443], "Prometheus reads secured metrics")]
        }
        "operational-insights" => operational_insights::flows(&kit),
        "istio" => vec![
            flow(
                kit.users(&[]),
                kit.here(&[("app", "istiod")]),
                &[15012],
                "sidecars fetch configuration and certificates",
            ),
            flow(
                Party::ApiServer,
                kit.here(&[("app", "istiod")]),
                &[15017],
                "the API server asks the webhooks",
            ),
        ],
        "sumologic-logs" => collection::logs(&kit),
        "sumologic-metrics" => collection::metrics(&kit),
        "sumologic-traces" => collection::traces(&kit),
        "sumologic-events" => collection::events(&kit),
        "sumologic-setup" => collection::setup(&kit),
        "opentelemetry-operator" => vec![
            flow(app("opentelemetry-operator"), Party::ApiServer, &[], "watches and writes objects"),
            flow(
                Party::ApiServer,
                app("opentelemetry-operator"),
                &[WEBHOOK],
                "the API server asks the webhook",
            ),
        ],
        "prometheus" => vec![
            flow(
                app("prometheus"),
                Party::ApiServer,
                &[],
                "finds what to read, and reads the API server's metrics",
            ),
            flow(
                app("prometheus"),
                Party::Nodes,
                &[NODE_EXPORTER, KUBELET],
                "the nodes' exporters and kubelets",
            ),
            flow(app("prometheus"), app("alertmanager"), &[9093], "alerts"),
            flow(app("alertmanager"), app("alertmanager"), &[9094], "its replicas among themselves"),
        ],
        "kube-state-metrics" => vec![
            flow(app("kube-state-metrics"), Party::ApiServer, &[], "watches objects"),
            flow(prometheus(), app("kube-state-metrics"), &[8080], "Prometheus reads the state"),
        ],
        "node-exporter" => {
            vec![flow(
                prometheus(),
                Party::Nodes,
                &[NODE_EXPORTER],
                "the exporters are in their nodes' network",
            )]
        }
        "metrics-server" => vec![
            flow(app("metrics-server"), Party::Nodes, &[KUBELET], "asks the kubelets"),
            flow(app("metrics-server"), Party::ApiServer, &[], "watches nodes and pods"),
            flow(
                Party::ApiServer,
                app("metrics-server"),
                &[KUBELET],
                "the API server asks on behalf of others",
            ),
        ],
        "parapet" => vec![
            flow(app("parapet-agent"), app("parapet-server"), &OTLP, "agents hand over what they collected"),
            flow(Party::World, app("parapet-server"), &[8443], "users open the console"),
        ],
        unknown => {
            let known: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            return Err(PolicyError::NoSuchPreset { name: unknown.to_owned(), known: known.join(", ") });
        }
    };
    Ok(flows)
}

fn pods(namespace: &str, labels: &[(&str, &str)]) -> Party {
    Party::Pods(pods_of(namespace, labels))
}

fn pods_of(namespace: &str, labels: &[(&str, &str)]) -> PodsOf {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    PodsOf { namespace: namespace.to_owned(), labels }
}

fn app(namespace: &str, name: &str) -> Party {
    Party::AnyOf(vec![pods_of(namespace, &[(APP, name)]), pods_of(namespace, &[(OLD_APP, name)])])
}

/// Those of `one` and of `other`, both by labels.
fn any_of(one: Party, other: Party) -> Party {
    let sets = |party| match party {
        Party::Pods(pods) => vec![pods],
        Party::AnyOf(any) => any,
        _ => Vec::new(),
    };
    Party::AnyOf(sets(one).into_iter().chain(sets(other)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_has_flows_with_a_reason_and_unknown_ones_are_named() {
        for (name, _) in NAMES {
            let preset = PresetUse { name: name.into(), namespace: "logging".into(), ..PresetUse::default() };
            let flows = flows(&preset).unwrap();
            assert!(!flows.is_empty() && flows.iter().all(|flow| !flow.reason.is_empty()), "{name}");
        }
        let preset = PresetUse { name: "nope".into(), ..PresetUse::default() };
        assert!(flows(&preset).unwrap_err().to_string().contains("operational-insights"));
    }
}
