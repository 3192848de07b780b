//! `elasticsearch.yml`.

use parapet_api::Elasticsearch;
use parapet_elastic::config::{Yml, elasticsearch_secret};
use parapet_elastic::{IpFamily, Settings, config};
use serde_json::{Value, json};

use crate::given::{elasticsearch, secret, text, without_tls};

fn built(es: &Elasticsearch, settings: &Settings) -> Yml {
    config::elasticsearch(es, &es.spec.node_sets[0], settings).unwrap()
}

fn yml(change: impl FnOnce(&mut Value)) -> Yml {
    built(&elasticsearch(change), &Settings::default())
}

#[test]
fn plain_8_15() {
    insta::assert_snapshot!(yml(|_| {}).text(), @r###"
    cluster:
        name: x
        routing:
            allocation:
                awareness:
                    attributes: k8s_node_name
    discovery:
        seed_hosts: []
        seed_providers: file
    http:
        publish_host: ${POD_NAME}.${HEADLESS_SERVICE_NAME}.${NAMESPACE}.svc
    network:
        host: "0"
        publish_host: ${POD_IP}
    node:
        attr:
            k8s_node_name: ${NODE_NAME}
        name: ${POD_NAME}
    path:
        data: /usr/share/elasticsearch/data
        logs: /usr/share/elasticsearch/logs
    readiness:
        port: "8080"
    xpack:
        license:
            upload:
                types:
                    - trial
                    - enterprise
        security:
            authc:
                realms:
                    file:
                        file1:
                            order: -100
                    native:
                        native1:
                            order: -99
                reserved_realm:
                    enabled: "false"
            enabled: "true"
            http:
                ssl:
                    certificate: /usr/share/elasticsearch/config/http-certs/tls.crt
                    certificate_authorities: /usr/share/elasticsearch/config/http-certs/ca.crt
                    enabled: true
                    key: /usr/share/elasticsearch/config/http-certs/tls.key
            transport:
                ssl:
                    certificate: /usr/share/elasticsearch/config/transport-certs/${POD_NAME}.tls.crt
                    certificate_authorities:
                        - /usr/share/elasticsearch/config/transport-certs/ca.crt
                        - /usr/share/elasticsearch/config/transport-remote-certs/ca.crt
                    enabled: "true"
                    key: /usr/share/elasticsearch/config/transport-certs/${POD_NAME}.tls.key
                    verification_mode: certificate
    "###);
}

#[test]
fn tls_off_changes_one_line() {
    let (on, off) = (yml(|_| {}).text(), yml(without_tls).text());
    assert_eq!(on.replacen("enabled: true\n", "enabled: false\n", 1), off);
}

#[test]
fn a_certificate_of_ones_own_switches_tls_on_again() {
    let config = yml(|es| {
        without_tls(es);
        es["spec"]["http"]["tls"]["certificate"] = json!({ "secretName": "mine" });
    });
    assert_eq!(config.text_at("xpack.security.http.ssl.enabled").as_deref(), Some("true"));
}

#[test]
fn versions() {
    let has =
        |version: &str, path: &str| yml(|es| es["spec"]["version"] = json!(version)).get(path).is_some();
    assert!(!has("8.1.3", "readiness.port"));
    assert!(has("8.2.0", "readiness.port"));
    assert!(!has("7.8.0", "xpack.license.upload.types"));
    assert!(has("7.8.1", "xpack.license.upload.types"));
}

#[test]
fn zones_of_one_group_are_known_to_all() {
    let es = elasticsearch(|es| {
        es["spec"]["nodeSets"] =
            json!([{ "name": "a", "count": 1 }, { "name": "b", "count": 1, "zoneAwareness": {} }]);
    });
    let config = built(&es, &Settings::default());
    assert_eq!(config.text_at("node.attr.zone").as_deref(), Some("${ZONE}"));
    assert_eq!(
        config.text_at("cluster.routing.allocation.awareness.attributes").as_deref(),
        Some("k8s_node_name,zone")
    );
}

#[test]
fn addresses_of_the_sixth_version_are_bracketed() {
    let settings = Settings { ip_family: Some(IpFamily::V6), ..Settings::default() };
    let config = built(&elasticsearch(|_| {}), &settings);
    assert_eq!(config.text_at("network.publish_host").as_deref(), Some("[${POD_IP}]"));
}

#[test]
fn the_remote_cluster_server() {
    let config = yml(|es| es["spec"]["remoteClusterServer"] = json!({ "enabled": true }));
    for (path, expected) in [
        ("remote_cluster_server.enabled", "true"),
        ("remote_cluster.host", "0"),
        ("remote_cluster.publish_host", "${POD_NAME}.${HEADLESS_SERVICE_NAME}.${NAMESPACE}.svc"),
        (
            "xpack.security.remote_cluster_server.ssl.key",
            "/usr/share/elasticsearch/config/transport-certs/${POD_NAME}.tls.key",
        ),
    ] {
        assert_eq!(config.text_at(path).as_deref(), Some(expected), "{path}");
    }
    let authorities =
        |part: &str| config.get(&format!("xpack.security.{part}.ssl.certificate_authorities")).cloned();
    assert!(authorities("remote_cluster_server").is_some());
    assert!(authorities("remote_cluster_server") == authorities("transport"));
    assert!(yml(|_| {}).get("remote_cluster_server").is_none());
}

#[test]
fn the_users_settings_win_also_over_reserved_ones() {
    let config = yml(|es| {
        es["spec"]["nodeSets"][0]["config"] = json!({
            "cluster.name": "other",
            "xpack.security.http.ssl.certificate_authorities": ["/a"],
            "xpack.security.transport.ssl.certificate_authorities": ["/b"],
            "node.store.allow_mmap": false,
        });
    });
    assert_eq!(config.text_at("cluster.name").as_deref(), Some("other"));
    assert_eq!(config.text_at("node.store.allow_mmap").as_deref(), Some("false"));
    let text = config.text();
    assert!(
        text.contains("certificate_authorities:\n                    - /a\n"),
        "a scalar is replaced: {text}"
    );
    assert!(
        text.contains("transport-remote-certs/ca.crt\n                    - /b\n"),
        "a list grows: {text}"
    );
}

#[test]
fn initial_masters_are_no_part_of_the_hash() {
    let plain = yml(|_| {});
    let forming = plain.with_initial_masters(&["x-es-default-0".to_owned(), "x-es-default-1".to_owned()]);
    let masters =
        "    initial_master_nodes:\n        - x-es-default-0\n        - x-es-default-1\n    name: x\n";
    assert!(forming.text().contains(masters), "{}", forming.text());
    assert!(!plain.hash_input().contains("initial_master_nodes"));
}

#[test]
fn the_secret() {
    let es = elasticsearch(|_| {});
    let config = built(&es, &Settings::default());
    let made = elasticsearch_secret(&es, &es.spec.node_sets[0], &config, None);
    assert_eq!(made.metadata.name.as_deref(), Some("x-es-default-es-config"));
    let labels = made.metadata.labels.clone().unwrap();
    assert_eq!(labels["elasticsearch.k8s.elastic.co/statefulset-name"], "x-es-default");
    assert_eq!(text(&made, "elasticsearch.yml"), config.text());

    let foreign = format!("# theirs\n{}", config.text());
    let live = secret("x-es-default-es-config", [("elasticsearch.yml", &foreign)]);
    let kept = elasticsearch_secret(&es, &es.spec.node_sets[0], &config, Some(&live));
    assert_eq!(text(&kept, "elasticsearch.yml"), foreign);
}
