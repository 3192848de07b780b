//! Flows of well-known components, by the labels that their operators and charts give them.

use std::collections::BTreeMap;

use crate::error::PolicyError;
use crate::flows::{Flow, FlowPort, Party, PodsOf, PresetUse};

/// All presets, and what each is.
pub const NAMES: [(&str, &str); 10] = [
    ("elasticsearch", "a cluster's own transport; its operator as a client"),
    ("kibana", "Kibana to its Elasticsearch, its operator, and users from outside"),
    ("apm-server", "APM Server to its Elasticsearch, from every workload of the users' namespace"),
    ("elastic-operator", "the operator to the API server, and the API server to its webhook"),
    ("logstash", "Beats to Logstash, Logstash to Elasticsearch"),
    ("collector", "OTLP from every workload of the users' namespace to the collector"),
    ("metrics", "Prometheus to the ports of secured metrics"),
    (
        "operational-insights",
        "Filebeat, Logstash, API Builder, memcached, Elasticsearch, Kibana, gateway managers",
    ),
    ("istio", "sidecars to istiod, the API server to its webhooks"),
    ("parapet", "agents to the server, users to the console"),
];

/// Elasticsearch's ports for clients and between its nodes.
const ES_HTTP: u16 = 9200;
const ES_TRANSPORT: u16 = 9300;
const KIBANA: u16 = 5601;
const APM: u16 = 8200;
const BEATS: u16 = 5044;
const OTLP: [u16; 2] = [4317, 4318];
/// The label of the kind of application that the Elastic operator sets.
const TYPE: &str = "common.k8s.elastic.co/type";
const APP: &str = "app.kubernetes.io/name";
/// Where the Elastic operator's manifests put it.
const OPERATOR_NAMESPACE: &str = "elastic-system";

/// The flows of a preset.
pub fn flows(preset: &PresetUse) -> Result<Vec<Flow>, PolicyError> {
    let PresetUse { name, namespace, cluster, users } = preset;
    let here = |labels: &[(&str, &str)]| pods(namespace, labels);
    let named = |kind: &str, key: &str| {
        let mut labels = vec![(TYPE, kind)];
        labels.extend(cluster.as_deref().map(|cluster| (key, cluster)));
        pods(namespace, &labels)
    };
    let users = users.as_deref().unwrap_or(namespace);
    let elasticsearch = || named("elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name");
    let kibana = || named("kibana", "kibana.k8s.elastic.co/name");
    let apm = || named("apm-server", "apm.k8s.elastic.co/name");
    let operator = || pods(OPERATOR_NAMESPACE, &[("control-plane", "elastic-operator")]);
    let flow = |from: Party, to: Party, ports: &[u16], reason: &str| Flow {
        from,
        to,
        ports: ports.iter().map(|port| FlowPort::Number(*port)).collect(),
        reason: reason.to_owned(),
        pipeline: Some(name.clone()),
    };
    let app = |name: &str| here(&[(APP, name)]);
    let flows = match name.as_str() {
        "elasticsearch" => vec![
            flow(elasticsearch(), elasticsearch(), &[ES_TRANSPORT], "its nodes among themselves"),
            flow(operator(), elasticsearch(), &[ES_HTTP], "the operator asks for health and sets it up"),
        ],
        "kibana" => vec![
            flow(kibana(), elasticsearch(), &[ES_HTTP], "Kibana reads and keeps its objects"),
            flow(Party::World, kibana(), &[KIBANA], "users open Kibana"),
        ],
        "apm-server" => vec![
            flow(apm(), elasticsearch(), &[ES_HTTP], "APM Server writes events"),
            flow(pods(users, &[]), apm(), &[APM], "applications send events"),
        ],
        "elastic-operator" => {
            let mut flows =
                vec![flow(operator(), Party::ApiServer, &[], "the operator watches and writes objects")];
            flows.push(flow(Party::ApiServer, operator(), &[9443], "the API server asks the webhook"));
            flows
        }
        "logstash" => vec![
            flow(app("filebeat"), app("logstash"), &[BEATS], "Beats send events"),
            flow(app("logstash"), elasticsearch(), &[ES_HTTP], "Logstash writes events"),
        ],
        "collector" => vec![flow(
            pods(users, &[]),
            app("opentelemetry-collector"),
            &OTLP,
            "applications send logs, metrics and traces",
        )],
        "metrics" => vec![flow(
            pods(users, &[(APP, "prometheus")]),
            here(&[]),
            &[8080, 8443],
            "Prometheus reads secured metrics",
        )],
        "operational-insights" => vec![
            flow(app("filebeat"), app("logstash"), &[BEATS], "gateway logs"),
            flow(app("logstash"), app("apibuilder"), &[8443], "details of APIs and applications"),
            flow(app("logstash"), app("memcached"), &[11211], "cached details"),
            flow(app("logstash"), app("elasticsearch"), &[ES_HTTP], "writes events"),
            flow(app("apibuilder"), app("elasticsearch"), &[ES_HTTP], "reads events, keeps templates"),
            flow(app("apibuilder"), app("anm"), &[8090], "asks the Admin Node Manager"),
            flow(app("apibuilder"), app("apimanager"), &[8075], "asks the API Manager"),
            flow(app("anm"), app("apibuilder"), &[8443], "traffic for the gateway's own pages"),
            flow(app("kibana"), app("elasticsearch"), &[ES_HTTP], "reads events"),
            flow(Party::World, app("kibana"), &[KIBANA], "users open Kibana"),
            flow(app("elasticsearch"), app("elasticsearch"), &[ES_TRANSPORT], "its nodes among themselves"),
        ],
        "istio" => vec![
            flow(
                pods(users, &[]),
                here(&[("app", "istiod")]),
                &[15012],
                "sidecars fetch configuration and certificates",
            ),
            flow(Party::ApiServer, here(&[("app", "istiod")]), &[15017], "the API server asks the webhooks"),
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
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Party::Pods(PodsOf { namespace: namespace.to_owned(), labels })
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
