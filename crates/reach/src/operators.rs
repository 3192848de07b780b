//! The workloads that operators make of their own kinds: ECK's, the Prometheus operator's and the OpenTelemetry operator's.
//!
//! An Elasticsearch object has no pods in manifests, yet it is what people write. Names, labels and ports here are those
//! that the operators give (ECK 3, Prometheus operator 0.8x, OpenTelemetry operator 0.1xx), as far as policies may select by
//! them. Where a cluster shows the real workload of the same kind and name, that one counts.

use serde_json::Value;

/// A workload that an operator makes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// `Deployment`, `StatefulSet` or `DaemonSet`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// JSON pointer of its pods' metadata in the object; what it points to may be absent.
    pub metadata: String,
    /// JSON pointer of its pods' spec in the object; it may be absent, and hold other things.
    pub spec: String,
    /// Labels that the operator gives its pods, over those of the metadata.
    pub labels: Vec<(&'static str, String)>,
    /// TCP ports that the operator adds, by name.
    pub ports: &'static [(&'static str, u16)],
    /// Pods of it.
    pub replicas: u32,
}

/// The API groups of kinds that become workloads.
const GROUPS: [&str; 10] = [
    "elasticsearch.k8s.elastic.co",
    "kibana.k8s.elastic.co",
    "apm.k8s.elastic.co",
    "enterprisesearch.k8s.elastic.co",
    "maps.k8s.elastic.co",
    "logstash.k8s.elastic.co",
    "beat.k8s.elastic.co",
    "agent.k8s.elastic.co",
    "monitoring.coreos.com",
    "opentelemetry.io",
];

/// Whether kinds of an API group may become workloads.
pub fn is_group(group: &str) -> bool {
    GROUPS.contains(&group)
}

/// Pods on nodes: more than one, but nobody knows how many.
const ON_EACH_NODE: u32 = 2;

/// What `object` becomes; nothing for kinds that aren't an operator's.
pub fn made_of(object: &Value, default_namespace: &str) -> Vec<Made> {
    let group = object["apiVersion"].as_str().unwrap_or_default().split('/').next().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = match object["metadata"]["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() => namespace,
        _ => default_namespace,
    };
    let object =
        Object { kind: object["kind"].as_str().unwrap_or_default(), name, namespace, spec: &object["spec"] };
    match (group, object.kind) {
        ("elasticsearch.k8s.elastic.co", "Elasticsearch") => object.elasticsearch(),
        ("kibana.k8s.elastic.co", "Kibana") => {
            vec![object.elastic("kb", "kibana", "kibana.k8s.elastic.co", &[("https", 5601)])]
        }
        ("apm.k8s.elastic.co", "ApmServer") => {
            vec![object.elastic("apm-server", "apm-server", "apm.k8s.elastic.co", &[("https", 8200)])]
        }
        ("enterprisesearch.k8s.elastic.co", "EnterpriseSearch") => {
            vec![object.elastic(
                "ent",
                "enterprise-search",
                "enterprisesearch.k8s.elastic.co",
                &[("https", 3002)],
            )]
        }
        ("maps.k8s.elastic.co", "ElasticMapsServer") => {
            vec![object.elastic("ems", "maps", "maps.k8s.elastic.co", &[("https", 8080)])]
        }
        ("logstash.k8s.elastic.co", "Logstash") => {
            vec![Made {
                kind: "StatefulSet",
                ..object.elastic("ls", "logstash", "logstash.k8s.elastic.co", &[])
            }]
        }
        ("beat.k8s.elastic.co", "Beat") => {
            let suffix = match object.spec["type"].as_str() {
                Some(kind) => format!("beat-{kind}"),
                None => "beat".to_owned(),
            };
            vec![object.on_nodes_or_not(object.elastic(&suffix, "beat", "beat.k8s.elastic.co", &[]))]
        }
        ("agent.k8s.elastic.co", "Agent") => {
            vec![object.on_nodes_or_not(object.elastic("agent", "agent", "agent.k8s.elastic.co", &[]))]
        }
        ("monitoring.coreos.com", "Prometheus") => {
            vec![object.prometheus("prometheus", "prometheus", &[("web", 9090)])]
        }
        ("monitoring.coreos.com", "PrometheusAgent") => {
            vec![object.prometheus("prom-agent", "prometheus-agent", &[("web", 9090)])]
        }
        ("monitoring.coreos.com", "Alertmanager") => {
            vec![object.prometheus("alertmanager", "alertmanager", &[("web", 9093), ("mesh-tcp", 9094)])]
        }
        ("monitoring.coreos.com", "ThanosRuler") => {
            vec![object.prometheus("thanos-ruler", "thanos-ruler", &[("grpc", 10901), ("web", 10902)])]
        }
        ("opentelemetry.io", "OpenTelemetryCollector") => object.collector(),
        ("opentelemetry.io", "TargetAllocator") => vec![object.target_allocator()],
        _ => Vec::new(),
    }
}

/// The fields that count.
#[derive(Clone, Copy)]
struct Object<'a> {
    kind: &'a str,
    name: &'a str,
    namespace: &'a str,
    spec: &'a Value,
}

impl Object<'_> {
    fn elasticsearch(&self) -> Vec<Made> {
        let sets = self.spec["nodeSets"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let of_set = |(index, set): (usize, &Value)| {
            let name = format!("{}-es-{}", self.name, set["name"].as_str().unwrap_or("default"));
            let mut labels = vec![
                ("common.k8s.elastic.co/type", "elasticsearch".to_owned()),
                ("elasticsearch.k8s.elastic.co/cluster-name", self.name.to_owned()),
                ("elasticsearch.k8s.elastic.co/statefulset-name", name.clone()),
            ];
            labels.extend(node_roles(&set["config"]));
            Made {
                kind: "StatefulSet",
                metadata: format!("/spec/nodeSets/{index}/podTemplate/metadata"),
                spec: format!("/spec/nodeSets/{index}/podTemplate/spec"),
                labels,
                ports: &[("https", 9200), ("transport", 9300)],
                replicas: count(&set["count"]),
                name,
            }
        };
        sets.iter().enumerate().map(of_set).collect()
    }

    /// A Deployment of ECK with one pod template.
    fn elastic(
        &self,
        suffix: &str,
        kind: &str,
        group: &'static str,
        ports: &'static [(&'static str, u16)],
    ) -> Made {
        let name_label = match group {
            "kibana.k8s.elastic.co" => "kibana.k8s.elastic.co/name",
            "apm.k8s.elastic.co" => "apm.k8s.elastic.co/name",
            "enterprisesearch.k8s.elastic.co" => "enterprisesearch.k8s.elastic.co/name",
            "maps.k8s.elastic.co" => "maps.k8s.elastic.co/name",
            "logstash.k8s.elastic.co" => "logstash.k8s.elastic.co/name",
            "beat.k8s.elastic.co" => "beat.k8s.elastic.co/name",
            _ => "agent.k8s.elastic.co/name",
        };
        Made {
            kind: "Deployment",
            name: format!("{}-{suffix}", self.name),
            metadata: "/spec/podTemplate/metadata".to_owned(),
            spec: "/spec/podTemplate/spec".to_owned(),
            labels: vec![(name_label, self.name.to_owned()), ("common.k8s.elastic.co/type", kind.to_owned())],
            ports,
            replicas: count(&self.spec["count"]),
        }
    }

    /// Beats and agents are a DaemonSet, a Deployment or a StatefulSet, as the object says.
    fn on_nodes_or_not(&self, made: Made) -> Made {
        let [kind, field] = [("DaemonSet", "daemonSet"), ("StatefulSet", "statefulSet")]
            .into_iter()
            .find(|(_, field)| self.spec.get(field).is_some())
            .map_or(["Deployment", "deployment"], |(kind, field)| [kind, field]);
        let replicas = match kind {
            "DaemonSet" => ON_EACH_NODE,
            _ => count(&self.spec[field]["replicas"]),
        };
        Made {
            kind,
            metadata: format!("/spec/{field}/podTemplate/metadata"),
            spec: format!("/spec/{field}/podTemplate/spec"),
            replicas,
            ..made
        }
    }

    fn prometheus(&self, prefix: &str, app: &'static str, ports: &'static [(&'static str, u16)]) -> Made {
        let own = if app == "prometheus-agent" { "prometheus" } else { app };
        let shards = if own == "prometheus" { count(&self.spec["shards"]) } else { 1 };
        Made {
            kind: "StatefulSet",
            name: format!("{prefix}-{}", self.name),
            metadata: "/spec/podMetadata".to_owned(),
            spec: "/spec".to_owned(),
            labels: vec![
                ("app.kubernetes.io/name", app.to_owned()),
                (own, self.name.to_owned()),
                ("app.kubernetes.io/instance", self.name.to_owned()),
                ("app.kubernetes.io/managed-by", "prometheus-operator".to_owned()),
            ],
            ports,
            replicas: count(&self.spec["replicas"]).saturating_mul(shards),
        }
    }

    fn collector(&self) -> Vec<Made> {
        let kind = match self.spec["mode"].as_str() {
            Some("daemonset") => "DaemonSet",
            Some("statefulset") => "StatefulSet",
            _ => "Deployment",
        };
        let replicas = if kind == "DaemonSet" { ON_EACH_NODE } else { count(&self.spec["replicas"]) };
        let mut all = Vec::new();
        // A sidecar is in pods of others.
        if self.spec["mode"] != "sidecar" {
            all.push(Made {
                kind,
                replicas,
                ..self.of_collector("collector", "opentelemetry-collector", &[])
            });
        }
        if self.spec["targetAllocator"]["enabled"] == true {
            let made = self.of_collector("targetallocator", "opentelemetry-targetallocator", ALLOCATOR);
            let spec = "/spec/targetAllocator".to_owned();
            all.push(Made { spec, replicas: count(&self.spec["targetAllocator"]["replicas"]), ..made });
        }
        all
    }

    fn target_allocator(&self) -> Made {
        self.of_collector("targetallocator", "opentelemetry-targetallocator", ALLOCATOR)
    }

    fn of_collector(&self, suffix: &str, component: &str, ports: &'static [(&'static str, u16)]) -> Made {
        let name = format!("{}-{suffix}", self.name);
        Made {
            kind: "Deployment",
            metadata: "/metadata".to_owned(),
            spec: "/spec".to_owned(),
            labels: vec![
                ("app.kubernetes.io/component", component.to_owned()),
                ("app.kubernetes.io/instance", format!("{}.{}", self.namespace, self.name)),
                ("app.kubernetes.io/name", name.clone()),
                ("app.kubernetes.io/managed-by", "opentelemetry-operator".to_owned()),
                ("app.kubernetes.io/part-of", "opentelemetry".to_owned()),
            ],
            ports,
            replicas: count(&self.spec["replicas"]),
            name,
        }
    }
}

const ALLOCATOR: &[(&str, u16)] = &[("http", 8080)];

/// The labels by which ECK tells Elasticsearch's nodes apart, where the configuration says what they are.
fn node_roles(config: &Value) -> Vec<(&'static str, String)> {
    const ROLES: [(&str, &str); 12] = [
        ("master", "elasticsearch.k8s.elastic.co/node-master"),
        ("data", "elasticsearch.k8s.elastic.co/node-data"),
        ("ingest", "elasticsearch.k8s.elastic.co/node-ingest"),
        ("ml", "elasticsearch.k8s.elastic.co/node-ml"),
        ("transform", "elasticsearch.k8s.elastic.co/node-transform"),
        ("remote_cluster_client", "elasticsearch.k8s.elastic.co/node-remote_cluster_client"),
        ("voting_only", "elasticsearch.k8s.elastic.co/node-voting_only"),
        ("data_content", "elasticsearch.k8s.elastic.co/node-data_content"),
        ("data_hot", "elasticsearch.k8s.elastic.co/node-data_hot"),
        ("data_warm", "elasticsearch.k8s.elastic.co/node-data_warm"),
        ("data_cold", "elasticsearch.k8s.elastic.co/node-data_cold"),
        ("data_frozen", "elasticsearch.k8s.elastic.co/node-data_frozen"),
    ];
    // Without the key every role but voting_only; with it exactly those.
    let listed = config.get("node.roles").or_else(|| config["node"].get("roles")).and_then(Value::as_array);
    let has = |role: &str| match listed {
        Some(roles) => roles.iter().any(|one| one == role),
        None => role != "voting_only",
    };
    ROLES.iter().map(|(role, label)| (*label, has(role).to_string())).collect()
}

fn count(value: &Value) -> u32 {
    // 0 replicas may be scaled up.
    value.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(api: &str, kind: &str, spec: Value) -> Vec<String> {
        let object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x", "namespace": "n"}, "spec": spec});
        let made = made_of(&object, "default").into_iter();
        made.map(|made| format!("{}/{} {}", made.kind, made.name, made.replicas)).collect()
    }

    #[test]
    fn each_kind_becomes_what_its_operator_makes_of_it() {
        let es = json!({"nodeSets": [{"name": "hot", "count": 3}, {"name": "cold", "count": 2}]});
        assert_eq!(
            names("elasticsearch.k8s.elastic.co/v1", "Elasticsearch", es),
            ["StatefulSet/x-es-hot 3", "StatefulSet/x-es-cold 2"]
        );
        assert_eq!(names("kibana.k8s.elastic.co/v1", "Kibana", json!({"count": 2})), ["Deployment/x-kb 2"]);
        assert_eq!(names("apm.k8s.elastic.co/v1", "ApmServer", json!({})), ["Deployment/x-apm-server 1"]);
        assert_eq!(names("logstash.k8s.elastic.co/v1alpha1", "Logstash", json!({})), ["StatefulSet/x-ls 1"]);
        let beat = json!({"type": "filebeat", "daemonSet": {}});
        assert_eq!(names("beat.k8s.elastic.co/v1beta1", "Beat", beat), ["DaemonSet/x-beat-filebeat 2"]);
        let sharded = json!({"replicas": 2, "shards": 3});
        assert_eq!(names("monitoring.coreos.com/v1", "Prometheus", sharded), ["StatefulSet/prometheus-x 6"]);
        let agent = names("monitoring.coreos.com/v1alpha1", "PrometheusAgent", json!({}));
        assert_eq!(agent, ["StatefulSet/prom-agent-x 1"]);
        assert_eq!(
            names("monitoring.coreos.com/v1", "Alertmanager", json!({})),
            ["StatefulSet/alertmanager-x 1"]
        );
        let collector = json!({"mode": "statefulset", "replicas": 3, "targetAllocator": {"enabled": true}});
        assert_eq!(
            names("opentelemetry.io/v1beta1", "OpenTelemetryCollector", collector),
            ["StatefulSet/x-collector 3", "Deployment/x-targetallocator 1"]
        );
        assert_eq!(
            names("opentelemetry.io/v1beta1", "OpenTelemetryCollector", json!({"mode": "sidecar"})),
            [""; 0]
        );
        assert_eq!(names("example.org/v1", "Elasticsearch", json!({"nodeSets": [{}]})), [""; 0]);
    }

    #[test]
    fn a_nodes_roles_are_labels() {
        let label = |config: Value, role: &str| {
            let all = node_roles(&config);
            all.into_iter().find(|(key, _)| key.ends_with(&format!("/node-{role}"))).unwrap().1
        };
        assert_eq!(label(json!({}), "master"), "true");
        assert_eq!(label(json!({}), "voting_only"), "false");
        assert_eq!(label(json!({"node.roles": ["data"]}), "master"), "false");
        assert_eq!(label(json!({"node": {"roles": ["data"]}}), "data"), "true");
        assert_eq!(label(json!({"node.roles": []}), "data"), "false");
    }
}
