//! Istio over the policies: who is told by mutual TLS, what is denied first, and what only HTTP decides.

use parapet_reach::{Cluster, DecodeOptions, Endpoint, Options, Protocol, Reachability, find_endpoints};
use serde_json::{Value, json};

/// Namespaces `in` (with proxies) and `out` (without): `in/client`, `in/server`, `out/client`.
fn world(objects: impl IntoIterator<Item = Value>) -> Cluster {
    let pod = |namespace: &str, name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
               "spec": {"serviceAccountName": name, "containers": []}, "status": {"podIP": "10.0.0.9"}})
    };
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", "namespace": "in"},
        "spec": {"selector": {"app": "server"}, "ports": [{"name": "http", "port": 80}, {"name": "tcp-es", "port": 9300}]}});
    let fixed = [
        namespace("in", json!({"istio-injection": "enabled"})),
        namespace("out", json!({})),
        pod("in", "client"),
        pod("in", "server"),
        pod("out", "client"),
        service,
    ];
    let (cluster, problems) =
        Cluster::from_objects(fixed.into_iter().chain(objects), &DecodeOptions::default());
    assert!(!cluster.incomplete, "{problems:?}");
    cluster
}

fn object(kind: &str, namespace: &str, spec: Value) -> Value {
    let group = if kind == "Sidecar" { "networking.istio.io/v1" } else { "security.istio.io/v1" };
    json!({"apiVersion": group, "kind": kind, "metadata": {"name": "it", "namespace": namespace}, "spec": spec})
}

/// Verdicts for (in/client, out/client, an address outside) → in/server at 80 (HTTP), 9300 (not HTTP), 7000 (unknown).
fn check(objects: impl IntoIterator<Item = Value>, expected: [&str; 3]) {
    let cluster = world(objects);
    let engine = Reachability::compute(&cluster, &Options::default());
    let server = find_endpoints(&cluster, "in/server")[0];
    let sources = ["in/client", "out/client", "203.0.113.7"].map(|name| find_endpoints(&cluster, name)[0]);
    let verdicts = sources.map(|source: Endpoint| {
        let verdict = |port| {
            let allowed = engine.allowed(source, server, Protocol::Tcp, port);
            let explained = engine.explain(source, server, Protocol::Tcp, port);
            assert_eq!(explained.allowed, allowed, "{explained:#?}");
            if allowed { '.' } else { 'X' }
        };
        [80, 9300, 7000].map(verdict).iter().collect::<String>()
    });
    assert_eq!(verdicts, expected);
    // Only TCP goes through proxies.
    assert!(engine.allowed(sources[1], server, Protocol::Udp, 80));
}

#[test]
fn no_object_of_the_mesh_changes_nothing() {
    check([], ["...", "...", "..."]);
}

#[test]
fn strict_asks_for_a_proxy() {
    check([object("PeerAuthentication", "in", json!({"mtls": {"mode": "STRICT"}}))], ["...", "XXX", "XXX"]);
}

#[test]
fn ports_go_before_workloads_before_namespaces_before_the_mesh() {
    let mesh = object("PeerAuthentication", "istio-system", json!({"mtls": {"mode": "STRICT"}}));
    check([mesh.clone()], ["...", "XXX", "XXX"]);
    let namespace = object("PeerAuthentication", "in", json!({"mtls": {"mode": "PERMISSIVE"}}));
    check([mesh.clone(), namespace], ["...", "...", "..."]);
    let workload = object(
        "PeerAuthentication",
        "in",
        json!({"selector": {"matchLabels": {"app": "server"}}, "portLevelMtls": {"9300": {"mode": "DISABLE"}}}),
    );
    check([mesh, workload], ["...", "X.X", "X.X"]);
}

#[test]
fn an_empty_allow_denies_everything_and_an_empty_rule_allows_it() {
    check([object("AuthorizationPolicy", "in", json!({}))], ["XXX", "XXX", "XXX"]);
    check([object("AuthorizationPolicy", "in", json!({"rules": [{}]}))], ["...", "...", "..."]);
    check([object("AuthorizationPolicy", "in", json!({"action": "DENY"}))], ["...", "...", "..."]);
    check(
        [object("AuthorizationPolicy", "in", json!({"action": "AUDIT", "rules": [{}]}))],
        ["...", "...", "..."],
    );
    check([object("AuthorizationPolicy", "out", json!({}))], ["...", "...", "..."]);
    check([object("AuthorizationPolicy", "istio-system", json!({}))], ["XXX", "XXX", "XXX"]);
}

#[test]
fn who_somebody_is_only_certificates_tell() {
    let from = |source: Value| json!({"rules": [{"from": [{"source": source}]}]});
    let allow = |source: Value| object("AuthorizationPolicy", "in", from(source));
    check([allow(json!({"principals": ["cluster.local/ns/in/sa/client"]}))], ["...", "XXX", "XXX"]);
    check([allow(json!({"principals": ["*"]}))], ["...", "XXX", "XXX"]);
    check([allow(json!({"namespaces": ["out"]}))], ["XXX", "XXX", "XXX"]);
    check([allow(json!({"notPrincipals": ["*/sa/client"]}))], ["XXX", "...", "..."]);
    check([allow(json!({"ipBlocks": ["203.0.113.0/24"]}))], ["XXX", "XXX", "..."]);
    let mut deny = from(json!({"namespaces": ["*"]}));
    deny["action"] = json!("DENY");
    check([object("AuthorizationPolicy", "in", deny)], ["XXX", "...", "..."]);
}

#[test]
fn deny_goes_before_allow() {
    let allow = object("AuthorizationPolicy", "in", json!({"rules": [{}]}));
    let mut deny = object(
        "AuthorizationPolicy",
        "in",
        json!({"action": "DENY", "rules": [{"to": [{"operation": {"ports": ["9300"]}}]}]}),
    );
    deny["metadata"]["name"] = json!("deny");
    check([allow, deny], [".X.", ".X.", ".X."]);
}

#[test]
fn fields_of_http_never_allow_other_ports_and_deny_them_wholly() {
    let to = json!([{"to": [{"operation": {"methods": ["GET"]}}]}]);
    check([object("AuthorizationPolicy", "in", json!({"rules": to}))], [".X.", ".X.", ".X."]);
    check(
        [object("AuthorizationPolicy", "in", json!({"action": "DENY", "rules": to}))],
        [".X.", ".X.", ".X."],
    );
}

#[test]
fn conditions_on_ports_and_namespaces_hold() {
    let when = json!([{"when": [{"key": "destination.port", "values": ["80"]}, {"key": "source.namespace", "values": ["in"]}]}]);
    check([object("AuthorizationPolicy", "in", json!({"rules": when}))], [".XX", "XXX", "XXX"]);
}

#[test]
fn a_confined_proxy_reaches_its_registry_alone() {
    let sidecar = |hosts: Value| {
        object(
            "Sidecar",
            "in",
            json!({"egress": [{"hosts": hosts}], "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}),
        )
    };
    check([sidecar(json!(["./*"]))], ["..X", "...", "..."]);
    check([sidecar(json!(["out/*"]))], ["XXX", "...", "..."]);
    check([sidecar(json!(["in/server.in.svc.cluster.local"]))], ["..X", "...", "..."]);
}
