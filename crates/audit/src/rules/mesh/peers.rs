//! Who speaks mTLS with whom: PeerAuthentication, DestinationRule, and the operator's place.

use parapet_manifest::{Document, Node};
use serde_json::json;

use crate::finding::Findings;
use crate::least::identity;
use crate::rules::elasticsearch::{elastic, http_port, needs_api_keys};
use crate::world::{Role, Workload, World, selector_matches};

/// Where mesh-wide objects live unless a mesh is told otherwise.
const ROOT_NAMESPACE: &str = "istio-system";

/// Whether the pods carry the mesh's proxy.
pub(super) fn is_injected(world: &World<'_>, workload: &Workload<'_>) -> bool {
    let own = workload
        .labels
        .get("sidecar.istio.io/inject")
        .map(String::as_str)
        .or_else(|| workload.annotation("sidecar.istio.io/inject"));
    match own {
        Some("true") => true,
        Some("false") => false,
        _ => is_meshed(world, workload.namespace),
    }
}

fn is_meshed(world: &World<'_>, namespace: &str) -> bool {
    let labels = world.namespace_labels(namespace);
    labels.get("istio-injection") == Some(&"enabled") || labels.contains_key("istio.io/rev")
}

/// The mode of mutual TLS for a port: the port's, the workload's, the namespace's, the mesh's, or PERMISSIVE.
pub(super) fn mode<'w>(world: &'w World<'w>, workload: &Workload<'_>, port: u16) -> &'w str {
    let text = |document: &'w Document, pointer: &str| {
        document.at(pointer).and_then(Node::as_str).filter(|mode| *mode != "UNSET")
    };
    let all = || world.kind("PeerAuthentication");
    let own = all().filter(|document| world.namespace(document) == workload.namespace).filter(|document| {
        document.at("/spec/selector").is_some_and(|selector| {
            selector_matches(selector, |key| workload.labels.get(key).map(String::as_str))
        })
    });
    let own: Vec<&Document> = own.collect();
    let by_port = own.iter().find_map(|document| text(document, &format!("/spec/portLevelMtls/{port}/mode")));
    let by_workload = own.iter().find_map(|document| text(document, "/spec/mtls/mode"));
    let wide = |namespace: &str| {
        all()
            .filter(|document| {
                world.namespace(document) == namespace && document.at("/spec/selector").is_none()
            })
            .find_map(|document| text(document, "/spec/mtls/mode"))
    };
    by_port
        .or(by_workload)
        .or_else(|| wide(workload.namespace))
        .or_else(|| wide(ROOT_NAMESPACE))
        .unwrap_or("PERMISSIVE")
}

/// Whether strict mTLS guards a port.
pub(in crate::rules) fn is_strict(world: &World<'_>, workload: &Workload<'_>, port: u16) -> bool {
    let excluded = workload
        .annotation("traffic.sidecar.istio.io/excludeInboundPorts")
        .is_some_and(|ports| ports.split(',').any(|excluded| excluded.trim() == port.to_string()));
    is_injected(world, workload) && !excluded && mode(world, workload, port) == "STRICT"
}

pub(super) fn strict_with_tls<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in elastic(world) {
        let disabled =
            workload.document.at("/spec/http/tls/selfSignedCertificate/disabled").and_then(Node::as_bool);
        let port = http_port(workload);
        if disabled != Some(true) && is_strict(world, workload, port) {
            let at = "/spec/http/tls/selfSignedCertificate/disabled";
            let draft = found.add(
                workload.document,
                at,
                format!("strict mTLS on {port}, and {} still serves TLS of its own", workload.document.kind),
            );
            // Of what needs TLS of Elasticsearch's own OBS-MESH-02 tells.
            if needs_api_keys(world, workload).is_none() {
                draft.set(at, json!(true));
            }
        }
    }
}

pub(super) fn keys_under_strict<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in elastic(world).filter(|workload| &*workload.document.kind == "Elasticsearch") {
        if !is_strict(world, workload, 9200) {
            continue;
        }
        if let Some((settings, setting)) = needs_api_keys(world, workload) {
            found
                .add_at(
                    settings.document,
                    setting.pointer.clone(),
                    setting.span,
                    format!(
                        "{} needs API keys, and Elasticsearch's HTTP port is under strict mTLS",
                        setting.key
                    ),
                )
                .related(workload.document, "/metadata/name", "the Elasticsearch")
                .maybe_new_object_after(workload.document, plain_too(world, workload).as_ref());
        }
    }
}

/// Plain text on the HTTP port beside mTLS, where no policy speaks of the workload yet.
fn plain_too(world: &World<'_>, workload: &Workload<'_>) -> Option<serde_json::Value> {
    let is_said = world.kind("PeerAuthentication").any(|document| {
        document.at("/spec/selector").is_some_and(|selector| {
            selector_matches(selector, |key| workload.labels.get(key).map(String::as_str))
        })
    });
    (!is_said).then(|| {
        json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": format!("{}-http", workload.name), "namespace": workload.namespace},
            "spec": {
                "selector": {"matchLabels": identity(workload)},
                "mtls": {"mode": "STRICT"},
                "portLevelMtls": {"9200": {"mode": "PERMISSIVE"}},
            },
        })
    })
}

pub(super) fn operator_outside<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let Some(strict) = elastic(world).find(|workload| is_strict(world, workload, http_port(workload))) else {
        return;
    };
    for operator in world.of(&[Role::Operator]).filter(|operator| !is_injected(world, operator)) {
        let place = world.namespace_object(operator.namespace).unwrap_or(operator.document);
        let draft = found.add(
            place,
            "/metadata/name",
            format!(
                "{operator} is outside of the mesh and can't connect to {strict}, which is under strict mTLS"
            ),
        );
        if &*place.kind == "Namespace" {
            draft.set("/metadata/labels/istio-injection", json!("enabled"));
        }
    }
}

pub(super) fn operator_without_proxy<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for pod in world.kind("Pod").filter(|pod| pod.at("/status/phase").is_some()) {
        let containers = pod.at("/spec/containers").map_or(&[] as &[Node], Node::items);
        let named = |field: &str, text: &str| {
            containers.iter().any(|container| {
                container.get(field).and_then(Node::as_str).is_some_and(|value| value.contains(text))
            })
        };
        let inits = pod.at("/spec/initContainers").map_or(&[] as &[Node], Node::items);
        let native =
            inits.iter().any(|container| container.get("name").and_then(Node::as_str) == Some("istio-proxy"));
        if named("image", "eck-operator")
            && !named("name", "istio-proxy")
            && !native
            && is_meshed(world, world.namespace(pod))
        {
            found.add(
                pod,
                "/metadata/name",
                "the namespace is injected, this pod has no istio-proxy: it is older than the label",
            );
        }
    }
}

/// `<name>-es-http.<namespace>` of a rule's host.
fn elastic_host(host: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = host.split('.');
    let name = parts.next()?.strip_suffix("-es-http")?;
    Some((name, parts.next()))
}

/// The host of an Elasticsearch's HTTP Service.
fn host_of<'w>(world: &World<'w>, cluster: &'w Document) -> String {
    format!("{}-es-http.{}.svc.cluster.local", cluster.name, world.namespace(cluster))
}

pub(super) fn destination_host<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let clusters: Vec<&Document> = world.kind("Elasticsearch").collect();
    for rule in world.kind("DestinationRule") {
        let Some(host) = rule.at("/spec/host").and_then(Node::as_str) else { continue };
        let Some((name, namespace)) = elastic_host(host) else { continue };
        let namespace = namespace.unwrap_or(world.namespace(rule));
        let exists =
            clusters.iter().any(|cluster| &*cluster.name == name && world.namespace(cluster) == namespace);
        if !clusters.is_empty() && !exists {
            let draft = found.add(
                rule,
                "/spec/host",
                format!("there is no Elasticsearch {namespace}/{name}: the rule has no effect"),
            );
            if let [cluster] = clusters.as_slice() {
                draft.becomes(json!(host_of(world, cluster)));
            }
        }
    }
    let auto_off = world.kind("ConfigMap").filter(|map| &*map.name == "istio").any(|map| {
        map.at("/data/mesh").and_then(Node::as_str).is_some_and(|mesh| mesh.contains("enableAutoMtls: false"))
    });
    for cluster in clusters.iter().filter(|_| auto_off) {
        let covered = world.kind("DestinationRule").any(|rule| {
            let host = rule.at("/spec/host").and_then(Node::as_str).and_then(elastic_host);
            host.is_some_and(|(name, _)| name == &*cluster.name)
                && rule.at("/spec/trafficPolicy/tls/mode").and_then(Node::as_str) == Some("ISTIO_MUTUAL")
        });
        if !covered {
            found
                .add(cluster, "/metadata/name", "automatic mTLS is off and no DestinationRule says ISTIO_MUTUAL for it: the operator gets 503")
                .new_object(&json!({
                    "apiVersion": "networking.istio.io/v1",
                    "kind": "DestinationRule",
                    "metadata": {"name": format!("{}-es-http", cluster.name), "namespace": world.namespace(cluster)},
                    "spec": {
                        "host": host_of(world, cluster),
                        "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
                    },
                }));
        }
    }
}

pub(super) fn client_mode<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for rule in world.kind("DestinationRule") {
        let mode = rule.at("/spec/trafficPolicy/tls/mode").and_then(Node::as_str);
        let Some(mode) = mode.filter(|mode| matches!(*mode, "DISABLE" | "SIMPLE")) else { continue };
        let Some(host) = rule.at("/spec/host").and_then(Node::as_str) else { continue };
        let (service, namespace) =
            host.split_once('.').map_or((host, None), |(name, rest)| (name, rest.split('.').next()));
        let namespace = namespace.unwrap_or(world.namespace(rule));
        let by_service = world
            .find("Service", namespace, service)
            .map(|service| world.backends(service))
            .unwrap_or_default();
        let by_name = elastic(world).filter(|workload| {
            let suffix = match &*workload.document.kind {
                "Elasticsearch" => "es",
                "Kibana" => "kb",
                _ => "apm",
            };
            workload.namespace == namespace && service == format!("{}-{suffix}-http", workload.document.name)
        });
        let strict = by_service
            .into_iter()
            .chain(by_name)
            .find(|workload| is_strict(world, workload, http_port(workload)));
        if let Some(workload) = strict {
            found
                .add(
                    rule,
                    "/spec/trafficPolicy/tls/mode",
                    format!("clients use {mode} towards {workload}, which takes only mTLS"),
                )
                .becomes(json!("ISTIO_MUTUAL"));
        }
    }
}

/// What says today what an old policy of authentication said, where that was about whole namespaces or the mesh.
fn successor(document: &Document) -> Option<serde_json::Value> {
    if document.at("/spec/targets").is_some() || document.at("/spec/origins").is_some() {
        return None;
    }
    let [peer] = document.at("/spec/peers").map(Node::items)? else { return None };
    let mode = match peer.at("/mtls/mode").and_then(Node::as_str) {
        Some("PERMISSIVE") => "PERMISSIVE",
        None | Some("STRICT") if peer.get("mtls").is_some() => "STRICT",
        _ => return None,
    };
    let namespace =
        document.namespace.as_deref().or((&*document.kind == "MeshPolicy").then_some(ROOT_NAMESPACE))?;
    Some(json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": &*document.name, "namespace": namespace},
        "spec": {"mtls": {"mode": mode}},
    }))
}

pub(super) fn old_kinds<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for document in world.documents {
        match (document.group(), &*document.kind) {
            ("authentication.istio.io", kind @ ("MeshPolicy" | "Policy")) => {
                let draft = found.add(document, "/kind", format!("{kind} has had no effect since Istio 1.6"));
                if let Some(policy) = successor(document) {
                    draft.new_object(&policy).delete();
                }
            }
            ("networking.istio.io", _) if document.api_version.ends_with("v1alpha3") => {
                found
                    .add(
                        document,
                        "/apiVersion",
                        "networking.istio.io/v1alpha3 is the old version of this API",
                    )
                    .becomes(json!("networking.istio.io/v1"));
            }
            _ => {}
        }
    }
}
