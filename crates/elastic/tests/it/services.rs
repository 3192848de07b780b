//! Services, as clients and meshes see them.

use k8s_openapi::api::core::v1::Service;
use parapet_elastic::services::{apm_server, elasticsearch, elasticsearch_fixed, kibana};
use parapet_elastic::{IpFamily, Settings};
use serde_json::{Value, json};

use crate::given;

fn named(services: Vec<Service>, name: &str) -> Value {
    let found = services.into_iter().find(|service| service.metadata.name.as_deref() == Some(name));
    serde_json::to_value(found.unwrap_or_else(|| panic!("no {name}"))).unwrap()
}

fn of(change: impl FnOnce(&mut Value), name: &str) -> Value {
    named(elasticsearch(&given::elasticsearch(change), &Settings::default()), name)
}

#[test]
fn each_has_its_ports_and_selects_its_pods() {
    let cluster = json!({ "common.k8s.elastic.co/type": "elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name": "x" });
    let port =
        |name: &str, port: i32| json!({ "name": name, "port": port, "protocol": "TCP", "targetPort": port });
    assert_eq!(
        of(|_| {}, "x-es-http")["spec"],
        json!({ "ports": [port("https", 9200)], "selector": cluster })
    );
    assert_eq!(
        of(|_| {}, "x-es-internal-http")["spec"],
        json!({ "type": "ClusterIP", "ports": [port("https", 9200)], "selector": cluster })
    );
    assert_eq!(
        of(|_| {}, "x-es-transport")["spec"],
        json!({ "type": "ClusterIP", "clusterIP": "None", "publishNotReadyAddresses": true,
            "ports": [port("tls-transport", 9300)], "selector": cluster })
    );
    let mut set = cluster;
    set["elasticsearch.k8s.elastic.co/statefulset-name"] = json!("x-es-default");
    let headless = of(|_| {}, "x-es-default");
    assert_eq!(
        headless["spec"],
        json!({ "type": "ClusterIP", "clusterIP": "None", "publishNotReadyAddresses": true,
            "ports": [port("https", 9200)], "selector": set })
    );
    set["eck.k8s.elastic.co/watched"] = json!("true");
    assert_eq!(headless["metadata"]["labels"], set);
    let owner = &headless["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"], &owner["controller"]),
        (&json!("Elasticsearch"), &json!("uid-x"), &json!(true))
    );
}

#[test]
fn without_tls_no_port_says_https() {
    let services = elasticsearch(&given::elasticsearch(given::without_tls), &Settings::default());
    let names: Vec<String> = services
        .iter()
        .flat_map(|service| service.spec.as_ref().unwrap().ports.as_ref().unwrap())
        .map(|port| port.name.clone().unwrap())
        .collect();
    assert_eq!(names, ["tls-transport", "http", "http", "http"]);
    let kibana = kibana(&given::kibana(given::without_tls), &Settings::default());
    assert_eq!(kibana.spec.unwrap().ports.unwrap()[0].name.as_deref(), Some("http"));
}

#[test]
fn the_remote_cluster_server_has_its_own_and_a_port_on_each_group() {
    let on = |es: &mut Value| es["spec"]["remoteClusterServer"] = json!({ "enabled": true });
    let remote = of(on, "x-es-remote-cluster");
    assert_eq!(remote["spec"]["ports"][0]["name"], "rcs");
    assert_eq!(remote["spec"]["clusterIP"], "None");
    assert_eq!(of(on, "x-es-default")["spec"]["ports"][1]["port"], 9443);
    assert_eq!(elasticsearch_fixed(&given::elasticsearch(|_| {}), &Settings::default()).len(), 3);
}

#[test]
fn the_users_service_wins() {
    let service = of(
        |es| {
            es["spec"]["http"] = json!({ "service": {
                "metadata": { "labels": { "team": "a", "common.k8s.elastic.co/type": "mine" }, "annotations": { "b": "c" } },
                "spec": { "type": "LoadBalancer", "ports": [{ "name": "https", "port": 443, "targetPort": 9200 }] },
            } });
            es["spec"]["transport"] = json!({ "service": { "spec": { "type": "NodePort" } } });
        },
        "x-es-http",
    );
    assert_eq!(service["spec"]["type"], "LoadBalancer");
    assert_eq!(service["spec"]["ports"], json!([{ "name": "https", "port": 443, "targetPort": 9200 }]));
    assert_eq!(service["spec"]["selector"]["elasticsearch.k8s.elastic.co/cluster-name"], "x");
    assert_eq!(service["metadata"]["labels"]["team"], "a");
    assert_eq!(service["metadata"]["labels"]["common.k8s.elastic.co/type"], "mine");
    assert_eq!(service["metadata"]["annotations"], json!({ "b": "c" }));
    let transport = of(
        |es| es["spec"]["transport"] = json!({ "service": { "spec": { "type": "NodePort" } } }),
        "x-es-transport",
    );
    assert_eq!(transport["spec"]["type"], "NodePort");
    assert_eq!(transport["spec"].get("clusterIP"), None);
}

#[test]
fn families_of_addresses_only_if_told() {
    let settings = Settings { ip_family: Some(IpFamily::V6), ..Settings::default() };
    let service = apm_server(&given::apm_server(|_| {}), &settings);
    assert_eq!(service.metadata.name.as_deref(), Some("a-apm-http"));
    assert_eq!(service.spec.unwrap().ip_families.unwrap(), ["IPv6"]);
    assert_eq!(kibana(&given::kibana(|_| {}), &Settings::default()).spec.unwrap().ip_families, None);
}
