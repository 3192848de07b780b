//! What policies let through, as `reach` computes it from pods, namespaces and the policies themselves.

use std::collections::BTreeMap;

use parapet_api::{ApmServer, Elasticsearch, Kibana};
use parapet_reach::model::Cluster;
use parapet_reach::{Options, PodId, Protocol, Reachability};
use serde_json::{Value, json};

use super::*;

/// Everything that is applied, as the user wrote it.
struct Given {
    elasticsearches: Vec<Elasticsearch>,
    kibanas: Vec<Kibana>,
    apm_servers: Vec<ApmServer>,
    is_ambient: bool,
    has_proxies: bool,
}

fn object<T: serde::de::DeserializeOwned>(kind: &str, name: &str, namespace: &str, spec: Value) -> T {
    let group = match kind {
        "ApmServer" => "apm".to_owned(),
        kind => kind.to_lowercase(),
    };
    let mut spec = spec;
    spec["version"] = json!("8.15.3");
    serde_json::from_value(json!({ "apiVersion": format!("{group}.k8s.elastic.co/v1"), "kind": kind,
        "metadata": { "name": name, "namespace": namespace }, "spec": spec }))
    .unwrap()
}

/// An Elasticsearch `x` in `data`, a Kibana in `web` and an APM Server beside it that refer to each other, and a cluster `other`.
fn given() -> Given {
    let sets = json!([{ "name": "default", "count": 3 }]);
    let reference = json!({ "name": "x", "namespace": "data" });
    Given {
        elasticsearches: vec![
            object("Elasticsearch", "x", "data", json!({ "nodeSets": sets })),
            object("Elasticsearch", "other", "data", json!({ "nodeSets": sets })),
        ],
        kibanas: vec![object("Kibana", "k", "web", json!({ "elasticsearchRef": reference }))],
        apm_servers: vec![object(
            "ApmServer",
            "a",
            "web",
            json!({ "elasticsearchRef": reference, "kibanaRef": { "name": "k" } }),
        )],
        is_ambient: false,
        has_proxies: false,
    }
}

impl Given {
    fn policies(&self) -> Result<Vec<Value>, ClientsError> {
        let labels = [("control-plane".to_owned(), "elastic-operator".to_owned())].into();
        let operator = OperatorPods { namespace: "elastic-system".to_owned(), labels };
        let mut referrers: Vec<Referrer> =
            self.elasticsearches.iter().filter_map(Referrer::elasticsearch).collect();
        referrers.extend(self.kibanas.iter().filter_map(Referrer::kibana));
        referrers.extend(self.apm_servers.iter().filter_map(Referrer::apm_server));
        let world = World {
            referrers: &referrers,
            operator: &operator,
            is_ambient: self.is_ambient,
            has_proxies: self.has_proxies,
            live: None,
        };
        let mut policies = Vec::new();
        for es in &self.elasticsearches {
            policies.push(elasticsearch(es, &world)?);
        }
        for one in &self.kibanas {
            policies.push(kibana(one, &world)?);
        }
        for apm in &self.apm_servers {
            policies.push(apm_server(apm, &world)?);
        }
        Ok(policies.iter().map(|policy| serde_json::to_value(policy).unwrap()).collect())
    }

    /// Who of everybody may open connections to the port of `target`, in alphabetical order.
    fn who(&self, target: &str, port: u16) -> String {
        let typed =
            |kind: &str, key: &str, name: &str| json!({ "common.k8s.elastic.co/type": kind, key: name });
        let cluster = "elasticsearch.k8s.elastic.co/cluster-name";
        let pods = BTreeMap::from([
            ("x-0", ("data", typed("elasticsearch", cluster, "x"))),
            ("x-1", ("data", typed("elasticsearch", cluster, "x"))),
            ("other-0", ("data", typed("elasticsearch", cluster, "other"))),
            ("kibana", ("web", typed("kibana", "kibana.k8s.elastic.co/name", "k"))),
            ("apm", ("web", typed("apm-server", "apm.k8s.elastic.co/name", "a"))),
            ("operator", ("elastic-system", json!({ "control-plane": "elastic-operator" }))),
            ("neighbour", ("data", json!({ "app": "neighbour" }))),
            ("shop", ("web", json!({ "app": "shop" }))),
            ("stranger", ("far", json!({ "app": "stranger" }))),
        ]);
        let mut objects = self.policies().unwrap();
        for namespace in ["data", "web", "elastic-system", "far"] {
            objects.push(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace,
                "labels": { "kubernetes.io/metadata.name": namespace } } }));
        }
        for (name, (namespace, labels)) in &pods {
            objects.push(
                json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace,
                "labels": labels }, "spec": { "containers": [{ "name": "c" }] } }),
            );
        }
        let (cluster, problems) = Cluster::from_objects(objects, &Default::default());
        assert!(problems.is_empty(), "{problems:?}");
        let reach = Reachability::compute(&cluster, &Options::default());
        let id = |name: &str| PodId(cluster.pods.iter().position(|pod| &*pod.workload.name == name).unwrap());
        let may = |name: &&str| *name != target && reach.allowed(id(name), id(target), Protocol::Tcp, port);
        pods.keys().copied().filter(may).collect::<Vec<_>>().join(" ")
    }
}

fn annotated<K: kube::Resource>(mut object: K, clients: &str) -> K {
    object.meta_mut().annotations = Some([(CLIENTS.to_owned(), clients.to_owned())].into());
    object
}

#[test]
fn known_peers_get_in_and_nobody_else() {
    let mut given = given();
    given.elasticsearches[0] = annotated(given.elasticsearches[0].clone(), "[]");
    assert_eq!(given.who("x-0", 9200), "apm kibana operator x-1");
    assert_eq!(given.who("x-0", 9300), "x-1", "the transport port is for the nodes of one cluster");
    assert_eq!(given.who("x-0", 8080), "", "the readiness port is the pod's own");
    assert_eq!(given.who("x-0", 9443), "");
}

#[test]
fn undeclared_clients_are_those_of_the_namespace() {
    let given = given();
    assert_eq!(given.who("x-0", 9200), "apm kibana neighbour operator other-0 x-1");
    assert_eq!(given.who("other-0", 9200), "neighbour operator x-0 x-1", "nobody refers to it");
    assert_eq!(given.who("kibana", 5601), "apm shop");
    assert_eq!(given.who("apm", 8200), "kibana shop");
    assert_eq!(given.who("kibana", 22), "");
}

#[test]
fn declared_clients_take_their_place() {
    let mut given = given();
    let from = "- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: far}}\n  podSelector: {matchLabels: {app: stranger}}\n";
    given.kibanas[0] = annotated(given.kibanas[0].clone(), from);
    given.apm_servers[0] = annotated(given.apm_servers[0].clone(), "[]");
    assert_eq!(given.who("kibana", 5601), "apm stranger");
    assert_eq!(given.who("apm", 8200), "");
}

#[test]
fn a_public_service_is_open_to_all() {
    let mut given = given();
    given.kibanas[0].spec.http.service.spec.type_ = Some("LoadBalancer".to_owned());
    assert_eq!(given.who("kibana", 5601), "apm neighbour operator other-0 shop stranger x-0 x-1");
    given.kibanas[0] = annotated(given.kibanas[0].clone(), "[]");
    assert_eq!(given.who("kibana", 5601), "apm", "what is declared counts more");
}

#[test]
fn a_transport_service_for_others_is_open_to_all() {
    const ALL: &str = "apm kibana neighbour operator other-0 shop stranger x-1";
    for transport in [
        json!({ "service": { "spec": { "type": "LoadBalancer" } } }),
        json!({ "service": { "spec": { "type": "NodePort" } } }),
        json!({ "service": { "spec": { "externalIPs": ["192.0.2.1"] } } }),
        json!({ "tls": { "certificateAuthorities": { "configMapName": "others" } } }),
    ] {
        let mut given = given();
        given.elasticsearches[0].spec.transport = serde_json::from_value(transport.clone()).unwrap();
        assert_eq!(given.who("x-0", 9300), ALL, "{transport}");
        assert_eq!(given.who("other-0", 9300), "", "another cluster's is its own");
    }
}

#[test]
fn what_the_users_own_containers_declare_is_open_to_all() {
    const ALL: &str = "apm kibana neighbour operator other-0 shop stranger x-1";
    let container = json!([
        { "name": "elasticsearch", "ports": [{ "containerPort": 9200 }, { "containerPort": 9300 }] },
        { "name": "exporter", "ports": [{ "containerPort": 9114 }, { "containerPort": 9115, "protocol": "UDP" }] },
    ]);
    let sidecar = json!([
        { "name": "proxy", "restartPolicy": "Always", "ports": [{ "containerPort": 9400 }] },
        { "name": "gone", "ports": [{ "containerPort": 9500 }] },
    ]);
    let mut given = given();
    given.elasticsearches[0].spec.node_sets[0].pod_template =
        serde_json::from_value(json!({ "spec": { "containers": container, "initContainers": sidecar } }))
            .unwrap();
    given.elasticsearches[0].spec.http.service.spec.ports = Some(
        serde_json::from_value(json!([
            { "name": "https", "port": 443, "targetPort": 9200 }, { "name": "extra", "port": 9600 },
            { "name": "named", "port": 9700, "targetPort": "exporter" },
        ]))
        .unwrap(),
    );
    for open in [9114, 9400, 9600] {
        assert_eq!(given.who("x-0", open), ALL, "{open}");
    }
    for closed in [9115, 9500, 443, 9700, 22] {
        assert_eq!(given.who("x-0", closed), "", "{closed}");
    }
    assert_eq!(
        given.who("x-0", 9200),
        "apm kibana neighbour operator other-0 x-1",
        "that it is declared says nothing"
    );
    assert_eq!(given.who("x-0", 9300), "x-1");
    given.has_proxies = true;
    assert_eq!(given.who("kibana", 15020), "apm neighbour operator other-0 shop stranger x-0 x-1");
    assert_eq!(given.who("kibana", 15021), "");
}

#[test]
fn monitoring_and_remote_clusters_are_peers() {
    let mut given = given();
    for es in &mut given.elasticsearches {
        *es = annotated(es.clone(), "[]");
    }
    given.elasticsearches[0].spec.monitoring = Some(
        serde_json::from_value(json!({ "metrics": { "elasticsearchRefs": [{ "name": "other" }] } })).unwrap(),
    );
    assert_eq!(given.who("other-0", 9200), "operator x-0 x-1");
    assert_eq!(given.who("other-0", 9300), "");
    given.elasticsearches[0].spec.remote_clusters = Some(
        serde_json::from_value(json!([{ "name": "r", "elasticsearchRef": { "name": "other" } }])).unwrap(),
    );
    assert_eq!(given.who("other-0", 9300), "x-0 x-1");
    assert_eq!(given.who("other-0", 9443), "", "there is no such server");
    given.elasticsearches[1].spec.remote_cluster_server =
        Some(serde_json::from_value(json!({ "enabled": true })).unwrap());
    assert_eq!(given.who("other-0", 9443), "x-0 x-1");
}

#[test]
fn whoever_was_given_the_url_is_a_peer_until_it_is_given_another() {
    let mut given = given();
    given.elasticsearches[1] = annotated(given.elasticsearches[1].clone(), "[]");
    given.kibanas[0].spec.elasticsearch_ref.target =
        serde_json::from_value(json!({ "secretName": "described" })).unwrap();
    assert_eq!(given.who("other-0", 9200), "operator");
    let conf = json!({ "url": "https://other-es-http.data.svc:9200" }).to_string();
    given.kibanas[0].metadata.annotations =
        Some([("association.k8s.elastic.co/es-conf".to_owned(), conf)].into());
    assert_eq!(given.who("other-0", 9200), "kibana operator");
    let targets = targets_of_kibana(&given.kibanas[0]);
    assert_eq!(
        targets,
        [crate::ApplicationKey::new(parapet_api::Kind::Elasticsearch, "data", "other")].into()
    );
}

#[test]
fn in_an_ambient_mesh_connections_arrive_on_its_port() {
    let mut given = given();
    given.elasticsearches[0] = annotated(given.elasticsearches[0].clone(), "[]");
    assert_eq!(given.who("x-0", 15008), "");
    given.is_ambient = true;
    assert_eq!(given.who("x-0", 15008), "apm kibana operator x-1");
}

#[test]
fn what_can_not_be_read_makes_no_policy() {
    let refused = |clients: &str| {
        let mut given = given();
        given.kibanas[0] = annotated(given.kibanas[0].clone(), clients);
        given.policies().unwrap_err().to_string()
    };
    assert_eq!(
        refused("anybody"),
        "the annotation network.parapet.dev/clients is not a list of peers as in a NetworkPolicy"
    );
    assert_eq!(
        refused("[{}]"),
        "peer 1 in the annotation network.parapet.dev/clients has neither podSelector, namespaceSelector nor ipBlock"
    );
}

#[test]
fn outgoing_connections_are_never_cut() {
    for policy in given().policies().unwrap() {
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));
        assert_eq!(policy["spec"].get("egress"), None);
    }
}

#[test]
fn taken_over_applications_get_one_only_if_asked_for() {
    use NetworkPolicies::{All, New, Off};
    assert!(is_wanted(New, true, false));
    assert!(is_wanted(New, false, true), "one that it has is kept up to date");
    assert!(!is_wanted(New, false, false));
    assert!(is_wanted(All, false, false));
    assert!(!is_wanted(Off, true, true));
}
