//! From objects to the model: defaults, what is refused, and where the problem is.

use parapet_reach::model::{Operator, Peer, PolicyPort};
use parapet_reach::{Cluster, DecodeOptions, Line, Listing, Options, Protocol, Severity, View};
use serde_json::{Value, json};

fn decode(objects: impl IntoIterator<Item = Value>) -> (Cluster, Vec<(String, String, Severity)>) {
    let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
    (cluster, problems.into_iter().map(|problem| (problem.path, problem.message, problem.severity)).collect())
}

fn policy(spec: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
           "metadata": {"name": "p", "namespace": "x"}, "spec": spec})
}

/// The only policy of a spec that has nothing wrong.
fn fine(spec: Value) -> parapet_reach::model::NetworkPolicy {
    let (cluster, problems) = decode([policy(spec)]);
    assert_eq!(problems, []);
    cluster.network_policies.into_iter().next().unwrap()
}

/// Checks that the problem stands at `path` and says `words`, and that it makes the analysis incomplete.
fn refused(spec: Value, path: &str, words: &str) {
    let (cluster, problems) = decode([policy(spec.clone())]);
    let found = problems
        .iter()
        .any(|(at, message, severity)| at == path && message.contains(words) && *severity == Severity::Error);
    assert!(found, "{spec}\nwanted {words:?} at {path}, got {problems:#?}");
    assert!(cluster.incomplete);
}

#[test]
fn policy_types_are_defaulted_from_the_rules() {
    for (spec, ingress, egress) in [
        (json!({}), true, false),
        (json!({"egress": []}), true, false),
        (json!({"egress": [{}]}), true, true),
        (json!({"policyTypes": [], "egress": [{}]}), true, true),
        (json!({"policyTypes": ["Egress"]}), false, true),
        (json!({"policyTypes": ["Egress"], "egress": null}), false, true),
        (json!({"policyTypes": ["Ingress", "Ingress"]}), true, false),
        (json!({"policyTypes": ["Ingress"], "egress": [{}]}), true, false),
    ] {
        let policy = fine(spec.clone());
        assert_eq!((policy.isolates_ingress, policy.isolates_egress), (ingress, egress), "{spec}");
    }
}

#[test]
fn null_missing_and_empty_lists_are_the_same() {
    for nothing in [json!(null), json!([])] {
        let policy =
            fine(json!({"policyTypes": ["Ingress"], "ingress": [{"from": nothing, "ports": nothing}]}));
        assert_eq!(policy.ingress[0].peers, None);
        assert_eq!(policy.ingress[0].ports, None);
        assert!(fine(json!({"ingress": nothing})).ingress.is_empty());
    }
}

#[test]
fn null_and_empty_selectors_differ() {
    let peers = |peer: Value| fine(json!({"ingress": [{"from": [peer]}]})).ingress[0].peers.clone().unwrap();
    let Peer::Pods { namespaces, pods } = &peers(json!({"podSelector": {}, "namespaceSelector": null}))[0]
    else {
        panic!("pods were meant");
    };
    assert!(namespaces.is_none() && pods.is_everything());
    let Peer::Pods { namespaces, .. } = &peers(json!({"namespaceSelector": {}}))[0] else {
        panic!("pods were meant");
    };
    assert!(namespaces.as_ref().unwrap().is_everything());
}

#[test]
fn ports_are_defaulted_and_read() {
    let ports = |ports: Value| fine(json!({"ingress": [{"ports": ports}]})).ingress[0].ports.clone().unwrap();
    assert_eq!(ports(json!([{}])), [PolicyPort::all_of(Protocol::Tcp)]);
    assert_eq!(ports(json!([{"protocol": "SCTP"}])), [PolicyPort::all_of(Protocol::Sctp)]);
    assert_eq!(
        ports(json!([{"port": 80, "endPort": 90, "protocol": "UDP"}])),
        [PolicyPort::Range { protocol: Protocol::Udp, first: 80, last: 90 }]
    );
    assert_eq!(
        ports(json!([{"port": "http"}])),
        [PolicyPort::Named { protocol: Some(Protocol::Tcp), name: "http".to_owned() }]
    );
}

#[test]
fn what_the_api_server_refuses_is_refused_where_it_stands() {
    let rule = |rule: Value| json!({"ingress": [rule]});
    let peer = |peer: Value| json!({"ingress": [{"from": [peer]}]});
    let port = |port: Value| json!({"ingress": [{"ports": [port]}]});
    let block = |cidr: &str, except: Value| json!({"ingress": [{"from": [{"ipBlock": {"cidr": cidr, "except": except}}]}]});
    let expression = |expression: Value| json!({"podSelector": {"matchExpressions": [expression]}});
    for (spec, path, words) in [
        (json!({"policyTypes": ["ingress"]}), "/spec/policyTypes/0", "unknown policy type"),
        (
            json!({"policyTypes": ["Ingress", "Egress", "Ingress"]}),
            "/spec/policyTypes",
            "two policyTypes at most",
        ),
        (json!({"podselector": {}}), "/spec/podselector", "did you mean \"podSelector\""),
        (json!({"ingress": [null]}), "/spec/ingress/0", "allows everything"),
        (rule(json!({"to": []})), "/spec/ingress/0/to", "unknown field"),
        (peer(json!({})), "/spec/ingress/0/from/0", "doesn't mean everybody"),
        (
            peer(json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}})),
            "/spec/ingress/0/from/0",
            "can't stand beside",
        ),
        (block("10.0.0.0", json!([])), "/spec/ingress/0/from/0/ipBlock/cidr", "no prefix length"),
        (
            block("010.0.0.0/8", json!([])),
            "/spec/ingress/0/from/0/ipBlock/cidr",
            "read as decimal it is 10.0.0.0/8",
        ),
        (
            block("10.0.0.0/8", json!(["11.0.0.0/9"])),
            "/spec/ingress/0/from/0/ipBlock/except/0",
            "strictly inside",
        ),
        (
            block("10.0.0.0/8", json!(["10.0.0.0/8"])),
            "/spec/ingress/0/from/0/ipBlock/except/0",
            "strictly inside",
        ),
        (
            block("10.0.0.0/8", json!(["fd00::/64"])),
            "/spec/ingress/0/from/0/ipBlock/except/0",
            "different IP versions",
        ),
        (port(json!({"port": 0})), "/spec/ingress/0/ports/0/port", "no port"),
        (port(json!({"port": 65536})), "/spec/ingress/0/ports/0/port", "no port"),
        (port(json!({"port": "80"})), "/spec/ingress/0/ports/0/port", "leave out the quotes"),
        (port(json!({"port": "a--b"})), "/spec/ingress/0/ports/0/port", "can't be a port's name"),
        (port(json!({"port": 80, "endPort": 79})), "/spec/ingress/0/ports/0/endPort", "below port 80"),
        (port(json!({"port": "http", "endPort": 79})), "/spec/ingress/0/ports/0/endPort", "not by name"),
        (port(json!({"endPort": 79})), "/spec/ingress/0/ports/0/endPort", "needs port"),
        (port(json!({"protocol": "tcp", "port": 80})), "/spec/ingress/0/ports/0/protocol", "in capitals"),
        (
            expression(json!({"key": "a", "operator": "Is", "values": ["b"]})),
            "/spec/podSelector/matchExpressions/0/operator",
            "unknown operator",
        ),
        (
            expression(json!({"key": "a", "operator": "In"})),
            "/spec/podSelector/matchExpressions/0/values",
            "at least one value",
        ),
        (
            expression(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
            "/spec/podSelector/matchExpressions/0/values",
            "takes no values",
        ),
        (
            json!({"podSelector": {"matchLabels": {"app": "-sumologic-otelcol-logs"}}}),
            "/spec/podSelector/matchLabels/app",
            "can't be a label's value",
        ),
        (
            json!({"podSelector": {"matchLabels": {"on": true}}}),
            "/spec/podSelector/matchLabels/on",
            "put it in quotes",
        ),
        (
            json!({"podSelector": {"matchLabels": {"a/b/c": "d"}}}),
            "/spec/podSelector/matchLabels/a~1b~1c",
            "can't be a label's key",
        ),
    ] {
        refused(spec, path, words);
    }
}

#[test]
fn an_element_that_is_refused_opens_nothing() {
    let (cluster, _) = decode([policy(json!({"ingress": [{"from": [{}]}, {"ports": [{"port": 0}]}]}))]);
    let policy = &cluster.network_policies[0];
    assert!(policy.isolates_ingress);
    assert_eq!(policy.ingress[0].peers, Some(Vec::new()));
    assert_eq!(policy.ingress[1].ports, Some(Vec::new()));
}

#[test]
fn a_name_that_is_no_text_is_told_from_none() {
    let pod = |metadata: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}});
    for (metadata, words) in [
        (json!({"name": false}), "put it in quotes: \"false\""),
        (json!({"name": ""}), "the object has no name"),
        (json!({}), "the object has no name"),
    ] {
        let (cluster, problems) = decode([pod(metadata.clone())]);
        assert!(cluster.pods.is_empty() && cluster.incomplete);
        assert!(problems.len() == 1 && problems[0].1.contains(words), "{metadata}: {problems:?}");
    }
}

#[test]
fn host_bits_are_masked_with_a_warning() {
    let (cluster, problems) =
        decode([policy(json!({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.5/8"}}]}]}))]);
    assert_eq!(problems[0].2, Severity::Warning);
    assert!(!cluster.incomplete);
    let peers = cluster.network_policies[0].ingress[0].peers.as_ref().unwrap();
    assert!(matches!(&peers[0], Peer::Block(block) if block.cidr.to_string() == "10.0.0.0/8"));
}

#[test]
fn a_second_object_of_one_name_is_an_error_unless_the_last_wins() {
    let second = policy(json!({"policyTypes": ["Egress"]}));
    let both = [policy(json!({})), second];
    let (cluster, problems) = decode(both.clone());
    assert!(cluster.network_policies[0].isolates_ingress && cluster.incomplete);
    assert!(problems[0].1.contains("a second NetworkPolicy"));
    let options = DecodeOptions { last_wins: true, ..DecodeOptions::default() };
    let (cluster, _) = Cluster::from_objects(both, &options);
    assert_eq!(cluster.network_policies.len(), 1);
    assert!(cluster.network_policies[0].isolates_egress);
}

#[test]
fn lists_are_expanded_and_places_stay() {
    let broken = policy(json!({"ingress": [{"ports": [{"port": 0}]}]}));
    let (cluster, problems) =
        decode([json!({"apiVersion": "v1", "kind": "List", "items": [broken]}), json!(null)]);
    assert_eq!(cluster.network_policies.len(), 1);
    assert_eq!(problems[0].0, "/items/0/spec/ingress/0/ports/0/port");
    let typed = json!({"apiVersion": "v1", "kind": "PodList", "items": [
        {"metadata": {"name": "a", "labels": {"app": "a"}}, "spec": {"containers": []}}
    ]});
    assert_eq!(decode([typed]).0.pods.len(), 1);
}

#[test]
fn objects_of_old_groups_have_no_effect_and_say_so() {
    let old = json!({"apiVersion": "extensions/v1beta1", "kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {}});
    let (cluster, problems) = decode([old]);
    assert!(cluster.network_policies.is_empty() && problems[0].1.contains("gone since Kubernetes 1.16"));
    let mesh = json!({"apiVersion": "authentication.istio.io/v1alpha1", "kind": "MeshPolicy", "metadata": {"name": "p"}});
    assert!(decode([mesh]).1[0].1.contains("gone since Istio 1.6"));
}

#[test]
fn workloads_become_the_pods_that_selectors_see() {
    let template = json!({"metadata": {"labels": {"app": "db"}}, "spec": {
        "containers": [{"name": "c", "ports": [{"containerPort": 5432, "name": "pg"}]}],
        "initContainers": [
            {"name": "once", "ports": [{"containerPort": 1, "name": "never"}]},
            {"name": "stays", "restartPolicy": "Always", "ports": [{"containerPort": 15020, "name": "proxy"}]},
        ],
    }});
    let workload = |kind: &str, group: &str, spec: Value| json!({"apiVersion": group, "kind": kind, "metadata": {"name": kind.to_lowercase(), "labels": {"not": "seen"}}, "spec": spec});
    let (cluster, _) = decode([
        workload("StatefulSet", "apps/v1", json!({"replicas": 2, "template": template})),
        workload("Deployment", "apps/v1", json!({"replicas": 0, "template": template})),
        workload("CronJob", "batch/v1", json!({"jobTemplate": {"spec": {"template": template}}})),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "done"}, "status": {"phase": "Succeeded"}}),
    ]);
    let names: Vec<&str> = cluster.pods.iter().map(|pod| &*pod.name).collect();
    assert_eq!(names, ["cronjob", "deployment", "statefulset-0", "statefulset-1"]);
    let ordinal = &cluster.pods[3];
    assert_eq!(ordinal.labels.get("apps.kubernetes.io/pod-index"), Some("1"));
    assert_eq!(ordinal.labels.get("not"), None);
    assert_eq!(ordinal.ports.iter().map(|port| port.port).collect::<Vec<_>>(), [5432, 15020]);
    assert_eq!(cluster.pods[1].replicas, 1);
    let exists = parapet_reach::model::Selector::new([parapet_reach::model::Requirement {
        key: "pod-template-hash".to_owned(),
        operator: Operator::Exists,
    }]);
    assert!(cluster.pods[1].matches(&exists) && !ordinal.matches(&exists));
}

#[test]
fn namespaces_carry_their_name_whatever_they_say() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "x", "labels": {"kubernetes.io/metadata.name": "y"}}});
    let (cluster, problems) = decode([namespace, policy(json!({}))]);
    assert_eq!(cluster.namespace("x").unwrap().labels.get("kubernetes.io/metadata.name"), Some("x"));
    assert_eq!(problems[0].0, "/metadata/labels/kubernetes.io~1metadata.name");
}

#[test]
fn administrators_policies_are_read_in_both_versions() {
    let anp = json!({"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy",
        "metadata": {"name": "a"}, "spec": {"priority": 5, "subject": {"namespaces": {}},
        "ingress": [{"action": "Deny", "from": [{"pods": {"namespaceSelector": {}, "podSelector": {}}}],
                     "ports": [{"portRange": {"protocol": "TCP", "start": 1, "end": 9}}, {"namedPort": "http"}]}]}});
    let cnp = json!({"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "c"}, "spec": {"tier": "Baseline", "priority": 5, "subject": {"namespaces": {}},
        "egress": [{"action": "Accept", "to": [{"networks": ["10.0.0.0/8"]}], "protocols": [{"tcp": {"destinationPort": {"number": 443}}}]},
                   {"action": "Pass", "to": [{"moons": {}}]}]}});
    let (cluster, problems) = decode([anp, cnp]);
    assert_eq!(cluster.admin_policies[0].ingress[0].ports.as_ref().unwrap().len(), 2);
    let baseline = &cluster.admin_policies[1];
    assert_eq!(baseline.egress[0].ports, Some(vec![PolicyPort::one(Protocol::Tcp, 443)]));
    // A peer that nobody knows lets nothing past.
    assert_eq!(baseline.egress[1].action, parapet_reach::model::Action::Deny);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].0, "/spec/egress/1/to/0");
}

#[test]
fn the_order_of_objects_never_shows() {
    let objects = [
        policy(json!({"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}]}]})),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "x", "labels": {"app": "a"}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b", "namespace": "y", "labels": {"app": "b"}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "x"}, "spec": {"selector": {"app": "a"}}}),
    ];
    let forward = decode(objects.clone()).0;
    let backward = decode(objects.into_iter().rev()).0;
    assert_eq!(forward, backward);
}

/// Elasticsearch, Kibana and a Prometheus with its rule, as people write them.
fn operated(more: &[Value]) -> Vec<String> {
    let objects = [
        json!({"apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
            "metadata": {"name": "logs", "namespace": "obs"},
            "spec": {"version": "9.1.0", "nodeSets": [{"name": "default", "count": 3,
                "podTemplate": {"metadata": {"labels": {"team": "a"}}, "spec": {"serviceAccountName": "es"}}}]}}),
        json!({"apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana",
            "metadata": {"name": "ui", "namespace": "obs"}, "spec": {"count": 2}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "es", "namespace": "obs"},
            "spec": {"podSelector": {"matchLabels": {"elasticsearch.k8s.elastic.co/cluster-name": "logs"}},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"kibana.k8s.elastic.co/name": "ui"}}}],
                    "ports": [{"port": "https"}]}]}}),
    ];
    let (cluster, problems) =
        Cluster::from_objects(objects.into_iter().chain(more.iter().cloned()), &DecodeOptions::default());
    assert_eq!(problems, []);
    let view = View { external: false, ..View::default() };
    let Listing { lines, peers, .. } = Listing::of(&cluster, &Options::default(), &view);
    let name = |peer: usize| &peers[peer].name;
    let text = |line: &Line| format!("{} => {} : {}", name(line.source), name(line.destination), line.ports);
    lines.iter().map(text).collect()
}

#[test]
fn operators_kinds_are_the_workloads_that_they_become() {
    let expected = [
        "obs/logs-es-default[StatefulSet] => obs/ui-kb[Deployment] : All Connections",
        "obs/ui-kb[Deployment] => obs/logs-es-default[StatefulSet] : TCP 9200",
        "obs/ui-kb[Deployment] => obs/ui-kb[Deployment] : All Connections",
    ];
    assert_eq!(operated(&[]), expected);
    // A live cluster shows what the operator made; nothing is there twice.
    let made = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ui-kb", "namespace": "obs"},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"kibana.k8s.elastic.co/name": "ui"}},
            "spec": {"containers": []}}}});
    assert_eq!(operated(&[made]), expected);
}
