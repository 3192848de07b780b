//! The thirteen checks as a pass has them: of what an API server says, each where it finds something and where it doesn't.

use std::sync::Mutex;
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use parapet_elastic::users::Hasher;
use prometheus_client::registry::Registry;
use serde_json::Value;

use super::*;
use crate::certificates;
use crate::cluster::{self, Cluster, Scope, WatchMetrics};
use crate::elasticsearch::{Clusters, Dialling, ElasticsearchMetrics, SystemDial};
use crate::events::{EventMetrics, Recorder};
use crate::metrics::{CertificateMetrics, Steps};
use crate::network::OperatorPods;
use crate::pass::{Memory, Options, Surroundings};
use crate::settings::NetworkPolicies;

const NAMESPACES: &str = "/api/v1/namespaces";
const OPERATOR_PODS: &str = "/api/v1/namespaces/elastic-system/pods";
const RULES: &str = "/apis/networking.istio.io/v1beta1/destinationrules";
const MTLS: &str = "/apis/security.istio.io/v1beta1/peerauthentications";
const CONFIGURATION: &str = "/api/v1/namespaces/istio-system/configmaps/istio";
const INJECTOR: &str = "/api/v1/namespaces/istio-system/configmaps/istio-sidecar-injector";
const TAGS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const CNI: [&str; 2] = [
    "/apis/apps/v1/namespaces/istio-system/daemonsets/istio-cni-node",
    "/apis/apps/v1/namespaces/kube-system/daemonsets/istio-cni-node",
];

/// What an API server has, and what a pass brings along.
struct World {
    /// By path: an object or a list; a number is a refusal.
    served: BTreeMap<String, Value>,
    elasticsearch: Value,
    kibana: Value,
    pod: Value,
    service: Value,
    mesh: String,
    mesh_namespace: &'static str,
    values: Value,
    answer: Answer,
}

/// STRICT in `data`, TLS left to the mesh, the operator within; Istio as it is installed today.
fn fitting() -> World {
    let off = json!({ "tls": { "selfSignedCertificate": { "disabled": true } } });
    let labels = json!({ "common.k8s.elastic.co/type": "elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name": "x" });
    let proxy = json!({ "name": "istio-proxy" });
    let annotations = json!({
        "traffic.sidecar.istio.io/excludeOutboundPorts": "9300",
        "traffic.sidecar.istio.io/excludeInboundPorts": "9300",
    });
    let namespace =
        |name: &str| json!({ "metadata": { "name": name, "labels": { "istio-injection": "enabled" } } });
    let operator = json!({
        "metadata": { "name": "elastic-operator-0", "namespace": "elastic-system",
            "annotations": { "traffic.sidecar.istio.io/excludeInboundPorts": "9443" } },
        "spec": { "containers": [{ "name": "manager" }, proxy] },
    });
    let strict = json!({ "kind": "PeerAuthentication", "metadata": { "name": "default", "namespace": "data" },
        "spec": { "mtls": { "mode": "STRICT" } } });
    let list = |items: Value| json!({ "metadata": {}, "items": items });
    World {
        served: BTreeMap::from([
            (NAMESPACES.to_owned(), list(json!([namespace("data"), namespace("elastic-system")]))),
            (OPERATOR_PODS.to_owned(), list(json!([operator]))),
            (RULES.to_owned(), list(json!([]))),
            (MTLS.to_owned(), list(json!([strict]))),
        ]),
        elasticsearch: json!({
            "metadata": { "name": "x", "namespace": "data", "uid": "1" },
            "spec": { "version": "8.15.3", "http": off, "nodeSets": [{ "name": "default", "count": 1,
                "podTemplate": { "metadata": { "annotations": annotations }, "spec": { "containers": [] } } }] },
        }),
        kibana: json!({
            "metadata": { "name": "k", "namespace": "data", "uid": "2" },
            "spec": { "version": "8.15.3", "count": 1, "http": off },
        }),
        pod: json!({ "metadata": { "name": "x-es-default-0", "namespace": "data", "labels": labels },
            "spec": { "containers": [{ "name": "elasticsearch" }, proxy] } }),
        service: json!({ "metadata": { "name": "x-es-http", "namespace": "data", "labels": labels },
            "spec": { "ports": [{ "name": "http", "port": 9200 }] } }),
        mesh: "enableAutoMtls: true\n".to_owned(),
        mesh_namespace: "istio-system",
        values: json!({
            "global": { "tag": "1.24.1", "jwtPolicy": "third-party-jwt" },
            "sidecarInjectorWebhook": { "rewriteAppHTTPProbe": true },
            "pilot": { "cni": { "enabled": false }, "env": {} },
        }),
        answer: Answer::Elasticsearch,
    }
}

impl World {
    fn annotations(&mut self) -> &mut Value {
        &mut self.template()["metadata"]["annotations"]
    }

    fn template(&mut self) -> &mut Value {
        &mut self.elasticsearch["spec"]["nodeSets"][0]["podTemplate"]
    }

    fn refuse(&mut self, path: &str) {
        self.served.insert(path.to_owned(), json!(403));
    }

    fn rules(&mut self, hosts: &[&str]) {
        let rule = |host: &&str| {
            json!({ "kind": "DestinationRule", "metadata": { "name": "r", "namespace": "data" },
                "spec": { "host": host, "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } } } })
        };
        self.served.get_mut(RULES).unwrap()["items"] = hosts.iter().map(rule).collect();
    }

    /// The namespace of the applications asks for this revision, or a tag.
    fn asks_for(&mut self, revision: &str) {
        let labels = &mut self.served.get_mut(NAMESPACES).unwrap()["items"][0]["metadata"]["labels"];
        *labels = json!({ "istio.io/rev": revision });
    }

    /// There is a revision `canary` without automatic mutual TLS.
    fn has_a_canary(&mut self) {
        let mesh = json!({ "metadata": {}, "data": { "mesh": "enableAutoMtls: false" } });
        self.served.insert(format!("{CONFIGURATION}-canary"), mesh);
        let values = json!({ "metadata": {}, "data": { "values": self.values.to_string() } });
        self.served.insert(format!("{INJECTOR}-canary"), values);
    }

    /// A tag stands for that revision, in a mesh that is installed there.
    fn tags(&mut self, tag: &str, namespace: &str) {
        let service = json!({ "name": "istiod-canary", "namespace": namespace });
        let webhook = json!({ "name": "rev.namespace.sidecar-injector.istio.io", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "clientConfig": { "service": service } });
        let labels = json!({ "istio.io/tag": tag, "istio.io/rev": "canary" });
        let tag = json!({ "metadata": { "name": format!("istio-revision-tag-{tag}"), "labels": labels }, "webhooks": [webhook] });
        self.served.insert(TAGS.to_owned(), json!({ "metadata": {}, "items": [tag] }));
    }

    fn installs_a_plugin(&mut self) {
        let script = "bin/elasticsearch-plugin install --batch repository-gcs";
        self.template()["spec"]["initContainers"] =
            json!([{ "name": "install-plugins", "command": ["sh", "-c", script] }]);
    }

    fn served(&self) -> BTreeMap<String, Value> {
        let mut served = self.served.clone();
        let map = |key: &str, text: String| json!({ "metadata": {}, "data": { key: text } });
        served.entry(CONFIGURATION.to_owned()).or_insert_with(|| map("mesh", self.mesh.clone()));
        served.entry(INJECTOR.to_owned()).or_insert_with(|| map("values", self.values.to_string()));
        served
    }
}

/// An API server that has these, takes what is made, and keeps the reasons of events with their notes.
fn api_server(served: BTreeMap<String, Value>, events: Arc<Mutex<Vec<String>>>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (served, events) = (served.clone(), Arc::clone(&events));
        async move {
            let (parts, body) = request.into_parts();
            let (code, answer) = match (parts.method, served.get(parts.uri.path())) {
                (Method::POST, _) => {
                    let mut made: Value = serde_json::from_slice(&body.collect().await?.to_bytes())?;
                    if parts.uri.path().ends_with("/events") {
                        let text = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
                        events.lock().unwrap().push(format!("{} {}", text("action"), text("note")));
                    }
                    made["metadata"]["uid"] = json!("3");
                    made["metadata"]["resourceVersion"] = json!("1");
                    (201, made)
                }
                (_, Some(Value::Number(code))) => (code.as_u64().unwrap(), Value::Null),
                (_, Some(found)) => (200, found.clone()),
                (_, None) => (404, Value::Null),
            };
            let answer = match answer {
                Value::Null => json!({ "kind": "Status", "status": "Failure", "code": code }),
                answer => answer,
            };
            let body = Body::from(answer.to_string().into_bytes());
            let status = u16::try_from(code).unwrap();
            Ok::<_, tower::BoxError>(Response::builder().status(status).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

fn context(client: Client, events: Recorder) -> Context {
    let options =
        cluster::Options { scope: Scope::All, deadline: Duration::from_secs(60), network_policies: false };
    let enqueue: cluster::Listener = Arc::new(|_| {});
    let counted = ElasticsearchMetrics::register(&mut Registry::default());
    Context {
        cluster: Cluster::new(client, options, WatchMetrics::default()),
        options: Options {
            objects: parapet_elastic::Settings::default(),
            certificates: certificates::Policy::default(),
            rules: parapet_api::validate::Rules::default(),
            enforce_rbac_on_refs: false,
            validate_storage_class: false,
            network_policies: NetworkPolicies::Off,
            operator: OperatorPods { namespace: "elastic-system".to_owned(), labels: BTreeMap::new() },
            webhook_port: 9443,
            dialling: Dialling::Pods,
            elasticsearch_deadline: Duration::from_secs(60),
            observation_interval: None,
        },
        clusters: Clusters::new(Arc::new(SystemDial), Arc::clone(&enqueue), counted),
        events,
        hasher: Hasher::new(1),
        keys: certificates::KeyMaker::default(),
        authority: None,
        surroundings: Surroundings::default(),
        enqueue,
        memory: Memory::default(),
        steps: Steps::default(),
        certificate_metrics: CertificateMetrics::default(),
        now: Arc::new(jiff::Timestamp::now),
    }
}

/// What a pass over the Elasticsearch and one over the Kibana find, and what they tell of.
async fn passes(world: World) -> (String, String) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let client = api_server(world.served(), Arc::clone(&told));
    let (events, writing) = Recorder::new(client.clone(), "test", EventMetrics::default());
    let writing = tokio::spawn(writing);
    let surroundings = Surroundings::with_mesh_in(world.mesh_namespace);
    let cx = Context { surroundings, ..context(client, events) };
    let service: Service = serde_json::from_value(world.service).unwrap();
    cx.cluster.create(&service).await.unwrap();
    let es: Elasticsearch = serde_json::from_value(world.elasticsearch).unwrap();
    let kibana: Kibana = serde_json::from_value(world.kibana).unwrap();
    let pods = [Arc::new(serde_json::from_value::<Pod>(world.pod).unwrap())];
    let mut fits = Vec::new();
    // The second time nothing is told again.
    for _ in 0..2 {
        let looked = Looked { elasticsearches: std::slice::from_ref(&es), ..Looked::default() };
        let of_elasticsearch = check(&cx, &es, looked, &pods, Some(world.answer.clone())).await;
        let looked = Looked { kibanas: std::slice::from_ref(&kibana), ..Looked::default() };
        fits = vec![of_elasticsearch, check(&cx, &kibana, looked, &[], None).await];
    }
    drop(cx);
    writing.await.unwrap();
    let mut all: Vec<String> = fits.iter().map(shown).collect();
    all.dedup();
    let mut told = told.lock().unwrap().clone();
    told.sort();
    (all.join(" / "), told.join("\n"))
}

/// The ids of what was found; each but the first word of what can't be seen.
fn shown(fit: &Fit) -> String {
    match fit {
        Fit::NoMesh => "no mesh".to_owned(),
        Fit::Unknown => "unknown".to_owned(),
        Fit::Unseen(why) => why.clone(),
        Fit::Found(found) if found.is_empty() => "fits".to_owned(),
        Fit::Found(found) => found.iter().map(|one| one.check.id()).collect::<Vec<_>>().join(" "),
    }
}

async fn finds(change: impl FnOnce(&mut World)) -> String {
    let mut world = fitting();
    change(&mut world);
    passes(world).await.0
}

/// A change that a check finds, and one more with which it finds nothing.
async fn check_of(id: &str, breaks: fn(&mut World), repairs: fn(&mut World)) {
    let found = finds(breaks).await;
    let of_one = found.split(" / ").filter(|one| *one != "fits").collect::<Vec<_>>();
    assert!(!of_one.is_empty() && of_one.iter().all(|one| *one == id), "{id}: {found}");
    let repaired = finds(|world| {
        breaks(world);
        repairs(world);
    });
    assert_eq!(repaired.await, "fits", "{id}");
}

#[tokio::test(start_paused = true)]
async fn each_of_the_thirteen_finds_its_own_through_a_pass() {
    assert_eq!(finds(|_| {}).await, "fits");
    check_of(
        "C1",
        |world| world.annotations()["traffic.sidecar.istio.io/excludeInboundPorts"] = json!("443"),
        |world| world.annotations()["traffic.sidecar.istio.io/excludeInboundPorts"] = json!("443,9300"),
    )
    .await;
    check_of(
        "C2",
        |world| world.service["spec"]["ports"][0]["name"] = json!("https"),
        |world| world.service["spec"]["ports"][0]["name"] = json!("http"),
    )
    .await;
    check_of(
        "C3",
        |world| {
            let own = &mut world.served.get_mut(NAMESPACES).unwrap()["items"][1]["metadata"]["labels"];
            own["control-plane"] = json!("elastic-operator");
        },
        |world| {
            let own = &mut world.served.get_mut(NAMESPACES).unwrap()["items"][1]["metadata"]["labels"];
            own.as_object_mut().unwrap().remove("control-plane");
        },
    )
    .await;
    check_of(
        "C4",
        |world| drop(world.pod["spec"]["containers"].as_array_mut().unwrap().pop()),
        |world| {
            world.pod["spec"]["initContainers"] =
                json!([{ "name": "istio-proxy", "restartPolicy": "Always" }]);
        },
    )
    .await;
    check_of(
        "C5",
        |world| world.elasticsearch["spec"]["http"] = json!({}),
        |world| world.served.get_mut(MTLS).unwrap()["items"][0]["spec"]["mtls"]["mode"] = json!("PERMISSIVE"),
    )
    .await;
    check_of(
        "C6",
        |world| world.values["sidecarInjectorWebhook"]["rewriteAppHTTPProbe"] = json!(false),
        |world| {
            world.kibana["spec"]["podTemplate"] = json!({ "metadata": {
                "annotations": { "sidecar.istio.io/rewriteAppHTTPProbers": "true" } } });
        },
    )
    .await;
    check_of(
        "C7",
        |world| {
            world.mesh = "enableAutoMtls: false\n".to_owned();
            world.rules(&["x-es-http.data.svc.cluster.local"]);
        },
        |world| world.rules(&["x-es-http", "x-es-default"]),
    )
    .await;
    check_of(
        "C8",
        |world| {
            world.served.get_mut(OPERATOR_PODS).unwrap()["items"][0]["metadata"]["annotations"] = json!({});
        },
        |world| {
            world.served.get_mut(OPERATOR_PODS).unwrap()["items"][0]["metadata"]["annotations"] =
                json!({ "traffic.sidecar.istio.io/excludeInboundPorts": "*" });
        },
    )
    .await;
    check_of(
        "C9",
        |world| {
            world.values["pilot"]["cni"]["enabled"] = json!(true);
            world.installs_a_plugin();
        },
        |world| world.annotations()["traffic.sidecar.istio.io/excludeOutboundPorts"] = json!("9300,443"),
    )
    .await;
    check_of(
        "C10",
        |world| {
            world.values["global"]["jwtPolicy"] = json!("first-party-jwt");
            world.kibana["spec"]["podTemplate"] =
                json!({ "spec": { "automountServiceAccountToken": true, "containers": [] } });
        },
        |world| world.template()["spec"]["automountServiceAccountToken"] = json!(true),
    )
    .await;
    check_of(
        "C11",
        |world| world.service["spec"]["ports"][0]["name"] = json!("rcs"),
        |world| world.service["spec"]["ports"][0]["appProtocol"] = json!("http"),
    )
    .await;
    check_of(
        "C12",
        |world| world.answer = Answer::of(503, None, Some("envoy"), "no healthy upstream"),
        |world| world.answer = Answer::of(503, Some("Elasticsearch"), Some("envoy"), "{}"),
    )
    .await;
    let included = json!({ "traffic.sidecar.istio.io/includeInboundPorts": "*" });
    let of_kibana = finds(|world| {
        world.values["global"]["tag"] = json!("1.9.2");
        world.kibana["spec"]["podTemplate"] = json!({ "metadata": { "annotations": included } });
    });
    assert_eq!(of_kibana.await, "C13 / fits");
    check_of(
        "C13",
        |world| world.values["global"]["tag"] = json!("1.9.2"),
        |world| {
            world.annotations()["traffic.sidecar.istio.io/includeInboundPorts"] = json!("*");
            world.kibana["spec"]["podTemplate"] = json!({ "metadata": {
                "annotations": { "traffic.sidecar.istio.io/includeInboundPorts": "*" } } });
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn old_installations_and_native_sidecars_are_read_from_what_they_leave() {
    let old = |world: &mut World| {
        world.values["pilot"] = Value::Null;
        world.installs_a_plugin();
    };
    assert_eq!(finds(old).await, "fits", "there is no plugin");
    for path in CNI {
        let plugin = finds(|world| {
            old(world);
            world.served.insert(path.to_owned(), json!({ "metadata": {} }));
        });
        assert_eq!(plugin.await, "C9 / fits", "{path}");
    }
    let native = finds(|world| {
        old(world);
        world.values["istio_cni"] = json!({ "enabled": true });
        world.pod["spec"] = json!({ "containers": [{ "name": "elasticsearch" }],
            "initContainers": [{ "name": "istio-proxy", "restartPolicy": "Always" }] });
    });
    assert_eq!(native.await, "fits", "the proxy runs before");
    let revision = finds(|world| {
        world.asks_for("canary");
        world.has_a_canary();
    });
    assert_eq!(revision.await, "C7 / fits", "each namespace has its revision's");
}

#[tokio::test(start_paused = true)]
async fn a_tag_stands_for_a_revision() {
    let tagged = finds(|world| {
        world.asks_for("prod");
        world.has_a_canary();
        world.tags("prod", "istio-system");
    });
    assert_eq!(tagged.await, "C7 / fits");
    let default = finds(|world| {
        world.has_a_canary();
        world.tags("default", "istio-system");
    });
    assert_eq!(default.await, "C7 / fits", "who asks for no revision gets the tag's");
    let other = finds(|world| {
        world.asks_for("prod");
        world.has_a_canary();
        world.tags("prod", "other-mesh");
    });
    let other = other.await;
    assert!(
        other.contains("ConfigMap istio-system/istio-prod: it isn't there"),
        "another mesh's tag: {other}"
    );
    let unseen = finds(|world| {
        world.asks_for("prod");
        world.refuse(TAGS);
    });
    let unseen = unseen.await;
    assert!(unseen.contains("; the mesh's tags: the operator may not read it"), "{unseen}");
    assert_eq!(finds(|world| world.refuse(TAGS)).await, "fits", "who asks for none that is there needs none");
}

#[tokio::test(start_paused = true)]
async fn a_mesh_is_read_where_it_is_said_to_be() {
    let elsewhere = |mesh: &'static str| {
        finds(move |world| {
            world.mesh_namespace = "mesh";
            let here = |path: &str| path.replace("istio-system", "mesh");
            let text = json!({ "metadata": {}, "data": { "mesh": mesh } });
            world.served.insert(here(CONFIGURATION), text);
            let values = json!({ "metadata": {}, "data": { "values": world.values.to_string() } });
            world.served.insert(here(INJECTOR), values);
            // What is mesh-wide is where the mesh is.
            let strict = &mut world.served.get_mut(MTLS).unwrap()["items"][0];
            strict["metadata"]["namespace"] = json!("mesh");
            world.elasticsearch["spec"]["http"] = json!({});
            world.service["spec"]["ports"][0]["name"] = json!("https");
        })
    };
    assert_eq!(elsewhere("enableAutoMtls: true").await, "C5 / fits");
    assert_eq!(elsewhere("rootNamespace: other").await, "fits", "the mesh's own word counts more");
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_seen_is_said_where_it_matters() {
    let unseen = finds(|world| {
        world.refuse(CONFIGURATION);
        world.refuse(INJECTOR);
        world.refuse(CNI[0]);
        world.installs_a_plugin();
    });
    let unseen = unseen.await;
    let expected = "Whether the service mesh fits can't be seen (C7, C9, C10, C13): ConfigMap istio-system/istio: the operator \
                    may not read it; ConfigMap istio-system/istio-sidecar-injector: the operator may not read it; DaemonSet \
                    istio-system/istio-cni-node: the operator may not read it";
    assert_eq!(unseen.split(" / ").next(), Some(expected));
    let answered = finds(|world| {
        world.refuse(CONFIGURATION);
        world.rules(&["x-es-http", "x-es-default"]);
    });
    assert_eq!(answered.await, "fits", "with rules nobody needs to know");
    let broken = finds(|world| world.mesh = "enableAutoMtls: perhaps".to_owned()).await;
    assert!(broken.contains("(C7): ConfigMap istio-system/istio: its key mesh can't be read"), "{broken}");
    let rules = finds(|world| world.refuse(RULES)).await;
    assert!(rules.contains("(C7): DestinationRules: the operator may not read it"), "{rules}");
    let mtls = finds(|world| {
        world.refuse(MTLS);
        world.elasticsearch["spec"]["http"] = json!({});
        world.service["spec"]["ports"][0]["name"] = json!("https");
    })
    .await;
    assert!(
        mtls.starts_with("Whether the service mesh fits can't be seen (C5): PeerAuthentications"),
        "{mtls}"
    );
    let pods = finds(|world| world.refuse(OPERATOR_PODS)).await;
    assert!(pods.contains("(C7, C8): the operator's own pods: the operator may not read it"), "{pods}");
    let namespaces = finds(|world| world.refuse(NAMESPACES)).await;
    assert!(namespaces.contains("may not list namespaces"), "{namespaces}");
    let later = finds(|world| {
        world.served.insert(INJECTOR.to_owned(), json!(500));
    });
    assert_eq!(later.await, "unknown");
    let found = finds(|world| {
        world.refuse(CONFIGURATION);
        world.annotations().take();
    })
    .await;
    assert!(found.starts_with("C1"), "what is wrong is wrong: {found}");
    assert_eq!(
        finds(|world| world.served.get_mut(NAMESPACES).unwrap()["items"] = json!([])).await,
        "no mesh"
    );
}

#[tokio::test(start_paused = true)]
async fn every_finding_is_told_once_also_several_of_one_check() {
    let mut world = fitting();
    world.elasticsearch["spec"]["nodeSets"] =
        json!([{ "name": "a", "count": 1 }, { "name": "b", "count": 1 }]);
    world.service["spec"]["ports"][0]["name"] = json!("https");
    let (fit, told) = passes(world).await;
    assert_eq!(fit, "C1 C1 C2 / fits");
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].starts_with("C1 C1: Elasticsearch data/x: nodeSet a") && told[0].contains("nodeSet b"),
        "{told:#?}"
    );
    assert!(told[1].starts_with("C2 C2: Service data/x-es-http"), "{told:#?}");
}
