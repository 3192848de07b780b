//! The committed examples are what they say: they parse, nothing is refused, and the checks find nothing, or what a file leaves out.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::DynamicObject;
use parapet_api::{ApmServer, Elasticsearch, Kibana};
use serde_json::{Value, json};

use super::*;
use crate::elasticsearch::Dialling;

/// The documents of some files in `examples/istio`.
fn read(files: &[&str]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/istio");
    let documents = |file: &&str| {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        serde_saphyr::from_multiple::<Value>(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    files.iter().flat_map(documents).collect()
}

fn of_kind<T: serde::de::DeserializeOwned>(documents: &[Value], kind: &str) -> Vec<T> {
    let wanted = documents.iter().filter(|document| document["kind"] == kind);
    wanted.map(|document| serde_json::from_value(document.clone()).unwrap()).collect()
}

/// What is found in these files, with an operator in the mesh.
fn found(files: &[&str], istio: &Istio) -> Vec<&'static str> {
    let mut documents = read(files);
    documents.extend(read(&["operator/namespace.yaml"]));
    let patch = &read(&["operator/statefulset-patch.yaml"])[0];
    let mut operator = patch["spec"]["template"].clone();
    operator["metadata"]["name"] = json!("elastic-operator-0");
    operator["metadata"]["namespace"] = json!("elastic-system");
    operator["spec"] = json!({ "containers": [{ "name": "manager" }, { "name": "istio-proxy" }] });
    let elasticsearches: Vec<Elasticsearch> = of_kind(&documents, "Elasticsearch");
    let kibanas: Vec<Kibana> = of_kind(&documents, "Kibana");
    let apm_servers: Vec<ApmServer> = of_kind(&documents, "ApmServer");
    let namespaces: Vec<Namespace> = of_kind(&documents, "Namespace");
    let settings = parapet_elastic::Settings::default();
    let services: Vec<_> = elasticsearches
        .iter()
        .flat_map(|es| parapet_elastic::services::elasticsearch(es, &settings))
        .chain(kibanas.iter().map(|kibana| parapet_elastic::services::kibana(kibana, &settings)))
        .chain(apm_servers.iter().map(|apm| parapet_elastic::services::apm_server(apm, &settings)))
        .collect();
    let peer_authentications: Vec<DynamicObject> = of_kind(&documents, "PeerAuthentication");
    let destination_rules: Vec<DynamicObject> = of_kind(&documents, "DestinationRule");
    let all = findings(&Seen {
        elasticsearches: &elasticsearches,
        kibanas: &kibanas,
        apm_servers: &apm_servers,
        namespaces: &namespaces,
        pods: &[serde_json::from_value(operator).unwrap()],
        services: &services,
        peer_authentications: &peer_authentications,
        destination_rules: &destination_rules,
        answers: &BTreeMap::new(),
        istio,
        operator_namespace: "elastic-system",
        dialling: Dialling::Pods,
        webhook_port: 9443,
    });
    all.iter().map(|finding| finding.check.id()).collect()
}

const STRICT: [&str; 5] = [
    "strict/namespace.yaml",
    "strict/peer-authentication.yaml",
    "strict/elasticsearch.yaml",
    "strict/kibana.yaml",
    "strict/apm-server.yaml",
];

#[test]
fn strict_fits_with_automatic_mutual_tls_and_with_rules() {
    assert!(found(&STRICT, &Istio::default()).is_empty());
    // The least that a mesh can offer: an old one, without tokens, rewritten probes or automatic mutual TLS.
    let least =
        Istio { auto_mtls: false, rewrites_probes: false, projected_tokens: false, ..Istio::default() };
    assert_eq!(found(&STRICT, &least), ["C7"]);
    let with_rules: Vec<&str> = STRICT.into_iter().chain(["strict/destination-rules.yaml"]).collect();
    assert!(found(&with_rules, &least).is_empty());
}

#[test]
fn the_documented_rule_alone_leaves_the_operator_out() {
    let rules = read(&["strict/destination-rules.yaml"]);
    let hosts: Vec<&str> = rules.iter().map(|rule| rule["spec"]["host"].as_str().unwrap()).collect();
    assert_eq!(
        hosts,
        [
            "elastic-istio-es-http.search.svc.cluster.local",
            "elastic-istio-es-default.search.svc.cluster.local",
            "*.elastic-istio-es-default.search.svc.cluster.local",
            "elastic-istio-es-internal-http.search.svc.cluster.local",
        ]
    );
}

#[test]
fn permissive_fits_with_tls_of_ones_own() {
    let files = [
        "permissive/namespace.yaml",
        "permissive/peer-authentication.yaml",
        "permissive/elasticsearch.yaml",
        "permissive/kibana.yaml",
    ];
    assert!(found(&files, &Istio::default()).is_empty());
    let with_strict = [files[0], "strict/peer-authentication.yaml", files[2], files[3]];
    assert_eq!(found(&with_strict, &Istio::default()), ["C5"]);
}

#[test]
fn init_containers_fit_where_their_folder_says() {
    let namespace = "strict/namespace.yaml";
    let cni = Istio { cni: true, ..Istio::default() };
    let native = Istio { cni: true, native_sidecars: true, ..Istio::default() };
    assert!(found(&[namespace, "cni/elasticsearch.yaml"], &cni).is_empty());
    assert_eq!(found(&[namespace, "native-sidecars/elasticsearch.yaml"], &cni), ["C9"]);
    assert!(found(&[namespace, "native-sidecars/elasticsearch.yaml"], &native).is_empty());
}

#[test]
fn nothing_in_them_is_refused() {
    let files = [
        "strict/elasticsearch.yaml",
        "permissive/elasticsearch.yaml",
        "cni/elasticsearch.yaml",
        "native-sidecars/elasticsearch.yaml",
    ];
    let rules = parapet_api::validate::Rules::default();
    for es in of_kind::<Elasticsearch>(&read(&files), "Elasticsearch") {
        assert_eq!(parapet_api::validate::elasticsearch(&es, &rules), []);
    }
    for kibana in of_kind::<Kibana>(&read(&["strict/kibana.yaml", "permissive/kibana.yaml"]), "Kibana") {
        assert_eq!(parapet_api::validate::kibana(&kibana, &rules), []);
    }
    for apm in of_kind::<ApmServer>(&read(&["strict/apm-server.yaml"]), "ApmServer") {
        assert_eq!(parapet_api::validate::apm_server(&apm, &rules), []);
    }
}
