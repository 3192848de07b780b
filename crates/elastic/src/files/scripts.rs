//! Scripts that pods run: `<X>-es-scripts`, `<K>-kb-scripts`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use parapet_api::{Application as _, Elasticsearch, Kibana, Kind, StackVersion, names};

use super::config_map;
use crate::owned_meta;
use crate::services::internal_http_name;

/// On an Elasticsearch: a comma list of pods that are to wait before they start.
const SUSPEND: &str = "eck.k8s.elastic.co/suspend";
/// On an Elasticsearch: a comma list of labels of nodes that its pods want to know.
const DOWNWARD_NODE_LABELS: &str = "eck.k8s.elastic.co/downward-node-labels";
/// The label of nodes that names their zone, unless another is given.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The scripts of Elasticsearch's pods, and the list of those that are to wait.
pub fn elasticsearch_scripts(es: &Elasticsearch) -> ConfigMap {
    let name = names::generated(Kind::Elasticsearch, es.object_name(), &["scripts"]);
    let entries = [
        ("prepare-fs.sh", prepare(es)),
        ("pre-stop-hook-script.sh", pre_stop(es)),
        ("readiness-port-script.sh", include_str!("scripts/readiness-port.sh").to_owned()),
        ("readiness-probe-script.sh", include_str!("scripts/readiness-probe.sh").to_owned()),
        ("suspend.sh", include_str!("scripts/suspend.sh").to_owned()),
        ("suspended_pods.txt", suspended_pods(es).join("\n")),
    ];
    config_map(owned_meta(es, name), entries)
}

/// The script that prepares Kibana's folders.
pub fn kibana_scripts(kibana: &Kibana) -> ConfigMap {
    let name = names::generated(Kind::Kibana, kibana.object_name(), &["scripts"]);
    config_map(owned_meta(kibana, name), [("init.sh", include_str!("scripts/kibana-init.sh").to_owned())])
}

/// The pods that are to wait in their init container; a running one of them has to be deleted to get there.
pub fn suspended_pods(es: &Elasticsearch) -> Vec<String> {
    let list = es.annotation(SUSPEND).unwrap_or_default();
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The script with the annotations that it waits for: copies of the Kubernetes node's labels.
fn prepare(es: &Elasticsearch) -> String {
    let listed = es.annotation(DOWNWARD_NODE_LABELS).unwrap_or_default().split(',').map(str::trim);
    let zones = es.spec.node_sets.iter().filter_map(|set| set.zone_awareness.as_ref());
    let zones = zones.map(|zone| zone.topology_key.as_deref().filter(|key| !key.is_empty()).unwrap_or(ZONE));
    // What is no label can't be waited for, and must not get into a script.
    let is_label = |key: &&str| {
        !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'))
    };
    let all: BTreeSet<&str> = listed.chain(zones).filter(is_label).collect();
    let all: Vec<&str> = all.into_iter().collect();
    include_str!("scripts/prepare-fs.sh").replace("@ANNOTATIONS@", &all.join(" "))
}

/// The script with the address of the Service that it calls; names and namespaces have no character that a shell knows.
fn pre_stop(es: &Elasticsearch) -> String {
    let (scheme, port) = (es.spec.http.scheme(), Kind::Elasticsearch.http_port());
    let (service, namespace) = (internal_http_name(es), es.object_namespace());
    // Nodes can say that they stop since 7.15.2.
    let supported = es.spec.version.parse::<StackVersion>().is_ok_and(|version| version.at_least(7, 15, 2));
    include_str!("scripts/pre-stop.sh")
        .replace("@URL@", &format!("{scheme}://{service}.{namespace}.svc:{port}"))
        .replace("@SUPPORTED@", if supported { "yes" } else { "no" })
}
