//! A mesh in which everything fits, and thirteen ways to break it: each check finds its own and nothing else.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::DynamicObject;
use parapet_api::{ApmServer, Elasticsearch, Kibana};
use serde_json::{Value, json};

use super::*;
use crate::ObjectKey;
use crate::elasticsearch::Dialling;

/// Everything that was read, as JSON that tests change.
struct World {
    elasticsearch: Value,
    kibana: Value,
    apm_server: Value,
    namespaces: Value,
    pods: Value,
    services: Value,
    peer_authentications: Value,
    destination_rules: Value,
    answers: BTreeMap<ObjectKey, Answer>,
    istio: Istio,
    dialling: Dialling,
}

fn typed<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// STRICT in `data`, TLS left to the mesh, the operator within.
fn fitting() -> World {
    let off = json!({ "tls": { "selfSignedCertificate": { "disabled": true } } });
    let application = |group: &str, kind: &str, spec: Value| {
        let mut spec = spec;
        (spec["version"], spec["http"]) = (json!("8.15.3"), off.clone());
        json!({ "apiVersion": format!("{group}.k8s.elastic.co/v1"), "kind": kind,
            "metadata": { "name": "x", "namespace": "data" }, "spec": spec })
    };
    let excluded = json!({
        "traffic.sidecar.istio.io/includeInboundPorts": "*",
        "traffic.sidecar.istio.io/excludeOutboundPorts": "9300",
        "traffic.sidecar.istio.io/excludeInboundPorts": "9300",
    });
    let labels = json!({ "common.k8s.elastic.co/type": "elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name": "x" });
    let namespace =
        |name: &str| json!({ "metadata": { "name": name, "labels": { "istio-injection": "enabled" } } });
    let proxy = json!({ "name": "istio-proxy" });
    let strict = json!({ "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": { "name": "default", "namespace": "data" }, "spec": { "mtls": { "mode": "STRICT" } } });
    World {
        elasticsearch: application(
            "elasticsearch",
            "Elasticsearch",
            json!({ "nodeSets": [{ "name": "default", "count": 3, "podTemplate": {
                "metadata": { "annotations": excluded }, "spec": { "containers": [] } } }] }),
        ),
        kibana: application("kibana", "Kibana", json!({ "count": 1 })),
        apm_server: application("apm", "ApmServer", json!({ "count": 1 })),
        namespaces: json!([namespace("data"), namespace("elastic-system")]),
        pods: json!([
            { "metadata": { "name": "x-es-default-0", "namespace": "data", "labels": labels },
              "spec": { "containers": [{ "name": "elasticsearch" }, proxy] } },
            { "metadata": { "name": "elastic-operator-0", "namespace": "elastic-system",
                "annotations": { "traffic.sidecar.istio.io/excludeInboundPorts": "9443" } },
              "spec": { "containers": [{ "name": "manager" }, proxy] } },
        ]),
        services: json!([{ "metadata": { "name": "x-es-http", "namespace": "data", "labels": labels },
            "spec": { "ports": [{ "name": "http", "port": 9200 }, { "name": "tls-transport", "port": 9300 }] } }]),
        peer_authentications: json!([strict]),
        destination_rules: json!([]),
        answers: BTreeMap::from([(ObjectKey::new("data", "x"), Answer::Elasticsearch)]),
        istio: Istio::default(),
        dialling: Dialling::Pods,
    }
}

impl World {
    fn findings(&self) -> Vec<Finding> {
        let elasticsearches: [Elasticsearch; 1] = [typed(&self.elasticsearch)];
        let kibanas: [Kibana; 1] = [typed(&self.kibana)];
        let apm_servers: [ApmServer; 1] = [typed(&self.apm_server)];
        let (namespaces, pods): (Vec<Namespace>, Vec<Pod>) = (typed(&self.namespaces), typed(&self.pods));
        let services: Vec<Service> = typed(&self.services);
        let peer_authentications: Vec<DynamicObject> = typed(&self.peer_authentications);
        let destination_rules: Vec<DynamicObject> = typed(&self.destination_rules);
        findings(&Seen {
            elasticsearches: &elasticsearches,
            kibanas: &kibanas,
            apm_servers: &apm_servers,
            namespaces: &namespaces,
            pods: &pods,
            services: &services,
            peer_authentications: &peer_authentications,
            destination_rules: &destination_rules,
            answers: &self.answers,
            istio: &self.istio,
            operator_namespace: "elastic-system",
            dialling: self.dialling,
            webhook_port: 9443,
        })
    }

    fn template(&mut self) -> &mut Value {
        &mut self.elasticsearch["spec"]["nodeSets"][0]["podTemplate"]
    }

    fn annotations(&mut self) -> &mut Value {
        &mut self.template()["metadata"]["annotations"]
    }

    fn rules(&mut self, mode: &str, hosts: &[&str]) {
        let rule = |(index, host): (usize, &&str)| {
            json!({ "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                "metadata": { "name": format!("r{index}"), "namespace": "data" },
                "spec": { "host": host, "trafficPolicy": { "tls": { "mode": mode } } } })
        };
        self.destination_rules = hosts.iter().enumerate().map(rule).collect();
    }
}

/// What is found after `change`: ids, subjects and sentences, one in a line.
fn found(change: impl FnOnce(&mut World)) -> String {
    let mut world = fitting();
    change(&mut world);
    let lines = world.findings().into_iter().map(|one| {
        assert!(!one.fix.is_empty());
        format!("{} {}: {}", one.check.id(), one.subject, one.sentence)
    });
    lines.collect::<Vec<_>>().join("\n")
}

const NONE: &str = "";

#[test]
fn nothing_is_found_where_everything_fits() {
    assert_eq!(found(|_| {}), NONE);
}

#[test]
fn nothing_is_found_without_a_mesh() {
    assert_eq!(
        found(|world| {
            world.namespaces = json!([]);
            world.annotations().take();
        }),
        NONE
    );
}

#[test]
fn c1_the_transport_port_is_excluded_both_ways() {
    let sentence = "C1 Elasticsearch data/x: nodeSet default: the mesh's proxy takes the transport port 9300, so nodes can't \
                    find each other";
    for key in ["excludeInboundPorts", "excludeOutboundPorts"] {
        let key = format!("traffic.sidecar.istio.io/{key}");
        assert_eq!(found(|world| drop(world.annotations().as_object_mut().unwrap().remove(&key))), sentence);
        assert_eq!(found(|world| world.annotations()[&key] = json!("443,93000")), sentence);
        assert_eq!(found(|world| world.annotations()[&key] = json!("443, 9300")), NONE);
        assert_eq!(found(|world| world.annotations()[&key] = json!("*")), NONE);
    }
}

#[test]
fn c2_without_tls_nothing_says_https() {
    assert_eq!(
        found(|world| world.services[0]["spec"]["ports"][0]["name"] = json!("https")),
        "C2 Service data/x-es-http: a port is named https, but nothing behind it speaks TLS"
    );
    let probe = "C2 Pod data/x-es-default-0: its probe asks by https, but the application doesn't speak TLS";
    assert_eq!(
        found(|world| {
            world.pods[0]["spec"]["containers"][0]["env"] =
                json!([{ "name": "READINESS_PROBE_PROTOCOL", "value": "https" }]);
        }),
        probe
    );
    assert_eq!(
        found(|world| {
            world.pods[0]["spec"]["containers"][0]["readinessProbe"] =
                json!({ "httpGet": { "port": 5601, "scheme": "HTTPS" } });
        }),
        probe
    );
    let reference = |url: &str| {
        let conf = json!({ "url": url }).to_string();
        found(|world| {
            world.kibana["metadata"]["annotations"] = json!({ "association.k8s.elastic.co/es-conf": conf });
        })
    };
    assert_eq!(
        reference("https://x-es-http.data.svc:9200"),
        "C2 Kibana data/x: it reaches https://x-es-http.data.svc:9200 by https, whose TLS is off"
    );
    assert_eq!(reference("http://x-es-http.data.svc:9200"), NONE);
}

#[test]
fn c3_namespaces_are_injected_and_can_be() {
    assert_eq!(
        found(|world| {
            world.namespaces[1]["metadata"]["labels"] = json!({});
            world.pods[1]["spec"]["containers"].as_array_mut().unwrap().pop();
        }),
        "C3 Namespace elastic-system: the operator's namespace isn't in the mesh although its applications are"
    );
    assert_eq!(
        found(|world| world.namespaces[1]["metadata"]["labels"]["control-plane"] = json!("elastic-operator")),
        "C3 Namespace elastic-system: the injector leaves it out because it has the label control-plane"
    );
    assert_eq!(
        found(|world| world.namespaces[1]["metadata"]["labels"] = json!({ "istio.io/rev": "stable" })),
        NONE
    );
}

#[test]
fn c4_pods_have_their_proxy() {
    let without = |world: &mut World| drop(world.pods[0]["spec"]["containers"].as_array_mut().unwrap().pop());
    assert_eq!(
        found(without),
        "C4 Pod data/x-es-default-0: it has no proxy although its namespace asks for one"
    );
    assert_eq!(
        found(|world| {
            without(world);
            world.pods[0]["spec"]["initContainers"] =
                json!([{ "name": "istio-proxy", "restartPolicy": "Always" }]);
        }),
        NONE,
        "native sidecars are init containers"
    );
    assert_eq!(
        found(|world| {
            without(world);
            world.pods[0]["metadata"]["labels"]["elasticsearch.k8s.elastic.co/statefulset-name"] =
                json!("x-es-default");
            world.template()["metadata"]["labels"] = json!({ "sidecar.istio.io/inject": "false" });
        }),
        NONE,
        "one that wants none"
    );
}

#[test]
fn c5_tls_under_strict_mutual_tls() {
    let own_tls = |world: &mut World| world.elasticsearch["spec"]["http"] = json!({});
    let sentence = "C5 Elasticsearch data/x: it speaks TLS itself where the mesh requires mutual TLS: clients without a proxy \
                    can't reach it, and those with one encrypt twice";
    assert_eq!(found(own_tls), sentence);
    let with_mode = |spec: Value, namespace: &str| {
        found(|world| {
            own_tls(world);
            let mut more = world.peer_authentications[0].clone();
            (more["metadata"], more["spec"]) = (json!({ "name": "more", "namespace": namespace }), spec);
            world.peer_authentications.as_array_mut().unwrap().push(more);
        })
    };
    let own = json!({ "matchLabels": { "elasticsearch.k8s.elastic.co/cluster-name": "x" } });
    let permissive = json!({ "mode": "PERMISSIVE" });
    assert_eq!(with_mode(json!({ "selector": own, "mtls": permissive }), "data"), NONE);
    assert_eq!(with_mode(json!({ "selector": own, "portLevelMtls": { "9200": permissive } }), "data"), NONE);
    assert_eq!(
        with_mode(json!({ "selector": own, "portLevelMtls": { "9300": permissive } }), "data"),
        sentence
    );
    assert_eq!(
        with_mode(json!({ "mtls": permissive }), "istio-system"),
        sentence,
        "the namespace's own counts more"
    );
    assert_eq!(
        with_mode(json!({ "selector": { "matchLabels": { "app": "y" } }, "mtls": permissive }), "data"),
        sentence
    );
}

#[test]
fn c6_probes_pass_strict_mutual_tls() {
    let annotate = |world: &mut World, value: &str| {
        world.apm_server["spec"]["podTemplate"] =
            json!({ "metadata": { "annotations": { "sidecar.istio.io/rewriteAppHTTPProbers": value } } });
    };
    let sentence = |subject: &str| {
        format!(
            "C6 {subject} data/x: the kubelet's probe has no certificate of the mesh, so the pod never gets ready"
        )
    };
    assert_eq!(found(|world| annotate(world, "false")), sentence("ApmServer"));
    assert_eq!(
        found(|world| {
            world.istio.rewrites_probes = false;
            annotate(world, "true");
        }),
        sentence("Kibana")
    );
    assert_eq!(
        found(|world| {
            world.peer_authentications = json!([]);
            annotate(world, "false");
        }),
        NONE,
        "clear text is accepted"
    );
}

#[test]
fn c7_every_dialled_host_has_mutual_tls() {
    let (service, set) = ("x-es-http.data.svc.cluster.local", "x-es-default.data.svc.cluster.local");
    let check = |auto: bool, mode: &str, hosts: &[&str], uncovered: &[&str]| {
        let found = found(|world| {
            world.istio.auto_mtls = auto;
            world.rules(mode, hosts);
        });
        let expected = format!(
            "C7 Elasticsearch data/x: clients are required to use mutual TLS and nothing makes them do so for {}",
            uncovered.join(", ")
        );
        assert_eq!(
            found,
            if uncovered.is_empty() { NONE.to_owned() } else { expected },
            "{auto} {mode} {hosts:?}"
        );
    };
    check(false, "ISTIO_MUTUAL", &[], &[service, set]);
    check(false, "ISTIO_MUTUAL", &[service], &[set]);
    check(false, "ISTIO_MUTUAL", &[service, set], &[]);
    check(false, "ISTIO_MUTUAL", &["x-es-http", "x-es-default"], &[]);
    check(false, "ISTIO_MUTUAL", &["*.local"], &[]);
    check(false, "ISTIO_MUTUAL", &["*.other.local"], &[service, set]);
    check(true, "DISABLE", &[], &[]);
    check(true, "DISABLE", &[set], &[set]);
    let by_service = |hosts: &[&str]| {
        found(|world| {
            world.istio.auto_mtls = false;
            world.dialling = Dialling::Service;
            world.rules("ISTIO_MUTUAL", hosts);
        })
    };
    assert_eq!(by_service(&[service]), NONE, "the rule of the documentation is enough");
    assert!(by_service(&[set]).contains(service));
    assert_eq!(
        found(|world| {
            world.istio.auto_mtls = false;
            world.peer_authentications = json!([]);
        }),
        NONE,
        "clear text is accepted"
    );
}

#[test]
fn c8_the_api_server_reaches_the_webhook() {
    assert_eq!(
        found(|world| world.pods[1]["metadata"]["annotations"] = json!({})),
        "C8 Pod elastic-system/elastic-operator-0: the API server is in no mesh, and can't reach the webhook at 9443 through \
         the proxy"
    );
}

#[test]
fn c9_init_containers_reach_the_network() {
    let install = |world: &mut World, script: &str| {
        world.istio.cni = true;
        world.template()["spec"]["initContainers"] =
            json!([{ "name": "install-plugins", "command": ["sh", "-c", script] }]);
    };
    let plugin = "bin/elasticsearch-plugin install --batch repository-gcs";
    let sentence = "C9 Elasticsearch data/x: nodeSet default: the init container install-plugins seems to download something \
                    before the proxy runs that its traffic is sent to";
    assert_eq!(found(|world| install(world, plugin)), sentence);
    assert_eq!(found(|world| install(world, "cd /tmp;curl -O https://a")), sentence);
    assert_eq!(found(|world| install(world, "chown -R 1000 /data")), NONE);
    assert_eq!(found(|world| install(world, "bin/elasticsearch-plugin install file:///p.zip")), NONE);
    assert_eq!(
        found(|world| {
            install(world, plugin);
            world.annotations()["traffic.sidecar.istio.io/excludeOutboundPorts"] = json!("9300,443");
        }),
        NONE
    );
    assert_eq!(
        found(|world| {
            install(world, plugin);
            world.istio.native_sidecars = true;
        }),
        NONE,
        "the proxy runs before"
    );
    assert_eq!(
        found(|world| {
            install(world, plugin);
            world.istio.cni = false;
        }),
        NONE,
        "traffic is redirected later"
    );
}

#[test]
fn c10_proxies_have_a_token() {
    let automount = |world: &mut World| {
        world.istio.projected_tokens = false;
        for application in [&mut world.kibana, &mut world.apm_server] {
            application["spec"]["podTemplate"] =
                json!({ "spec": { "containers": [], "automountServiceAccountToken": true } });
        }
    };
    assert_eq!(
        found(automount),
        "C10 Elasticsearch data/x: nodeSet default: this Kubernetes projects no tokens for the mesh, and the proxy has no other"
    );
    assert_eq!(
        found(|world| {
            automount(world);
            world.template()["spec"]["automountServiceAccountToken"] = json!(true);
        }),
        NONE
    );
}

#[test]
fn c11_ports_say_their_protocol() {
    let named = |name: &str| {
        let name = json!(name);
        found(|world| {
            world.services[0]["spec"]["ports"][1]["name"] = name;
        })
    };
    assert_eq!(
        named("rcs"),
        "C11 Service data/x-es-http: the name of port 9300 (\"rcs\") doesn't say its protocol, so Istio guesses it"
    );
    assert_ne!(named("tlsx"), NONE);
    assert_eq!(named("tcp"), NONE);
    assert_eq!(
        found(|world| {
            world.services[0]["spec"]["ports"][1] =
                json!({ "name": "rcs", "port": 9443, "appProtocol": "tls" });
        }),
        NONE
    );
}

#[test]
fn c12_elasticsearch_answers_the_operator() {
    let body =
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
    let answered =
        |answer: Answer| found(|world| drop(world.answers.insert(ObjectKey::new("data", "x"), answer)));
    assert_eq!(
        answered(Answer::of(503, None, Some("envoy"), body)),
        format!("C12 Elasticsearch data/x: the mesh's proxy answers 503 in place of Elasticsearch: {body}")
    );
    assert_eq!(answered(Answer::of(503, Some("Elasticsearch"), Some("envoy"), "{}")), NONE, "its own 503");
    assert_eq!(answered(Answer::of(503, None, None, "")), NONE);
    assert_eq!(answered(Answer::None), NONE, "nobody is no proxy");
    let check = |status: u16, body: &str, part: &str| {
        assert!(hint(status, body).contains(part), "{body}: {}", hint(status, body));
    };
    check(503, body, "ISTIO_MUTUAL");
    check(503, "no healthy upstream", "no ready pod");
    check(503, "reset before headers. TLS error: WRONG_VERSION_NUMBER", "disagree on TLS");
    check(503, "upstream connect error: connection timeout", "NetworkPolicies");
    check(403, "RBAC: access denied", "AuthorizationPolicy");
    check(504, "", "log");
}

#[test]
fn c13_undeclared_ports_are_proxied() {
    let old = |world: &mut World| {
        world.istio.version = (1, 9);
        let included =
            json!({ "metadata": { "annotations": { "traffic.sidecar.istio.io/includeInboundPorts": "*" } } });
        for application in [&mut world.kibana, &mut world.apm_server] {
            application["spec"]["podTemplate"] = included.clone();
        }
    };
    assert_eq!(found(old), NONE);
    assert_eq!(
        found(|world| {
            old(world);
            world
                .annotations()
                .as_object_mut()
                .unwrap()
                .remove("traffic.sidecar.istio.io/includeInboundPorts");
        }),
        "C13 Elasticsearch data/x: nodeSet default: this version of Istio proxies only ports that were declared when the pod \
         was injected"
    );
}

#[test]
fn ids_are_those_of_the_documentation() {
    let ids: Vec<&str> = Check::ALL.iter().map(|check| check.id()).collect();
    assert_eq!(ids.join(" "), (1..=13).map(|number| format!("C{number}")).collect::<Vec<_>>().join(" "));
}
