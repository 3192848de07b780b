//! What a pod's proxy captures, needs and lets through.

use parapet_manifest::Node;
use serde_json::json;

use super::peers::{is_injected, is_strict};
use crate::finding::Findings;
use crate::least::dns;
use crate::reach::Protocol;
use crate::rules::elasticsearch::http_port;
use crate::rules::isolation::closing;
use crate::rules::policies::allows_dns;
use crate::rules::repair::add;
use crate::world::{ContainerKind, Direction, Role, Workload, World};

const INBOUND: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
const OUTBOUND: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";

fn excludes(workload: &Workload<'_>, annotation: &str, port: &str) -> bool {
    workload
        .annotation(annotation)
        .is_some_and(|ports| ports.split(',').any(|excluded| excluded.trim() == port))
}

fn annotation_pointer(name: &str) -> String {
    parapet_manifest::pointer(["metadata", "annotations", name])
}

fn injected<'w>(world: &'w World<'w>, role: Role) -> impl Iterator<Item = &'w Workload<'w>> {
    world.workloads.iter().filter(move |workload| workload.has_role(role) && is_injected(world, workload))
}

/// The annotation with 9300 added.
fn with_transport(workload: &Workload<'_>, annotation: &str) -> serde_json::Value {
    match workload.annotation(annotation) {
        Some(ports) if !ports.is_empty() => json!(format!("{ports},9300")),
        _ => json!("9300"),
    }
}

pub(super) fn transport_captured<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in injected(world, Role::Elasticsearch) {
        if !excludes(workload, INBOUND, "9300") && !excludes(workload, OUTBOUND, "9300") {
            let draft = found.add_pod(
                workload,
                "/metadata/annotations",
                format!("the proxy of {workload} captures 9300 in both directions"),
            );
            for annotation in [INBOUND, OUTBOUND] {
                draft.set(
                    workload.pointer(&annotation_pointer(annotation)),
                    with_transport(workload, annotation),
                );
            }
        }
    }
}

pub(super) fn asymmetric<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in injected(world, Role::Elasticsearch) {
        let (has, lacks) = match (excludes(workload, INBOUND, "9300"), excludes(workload, OUTBOUND, "9300")) {
            (true, false) => (INBOUND, OUTBOUND),
            (false, true) => (OUTBOUND, INBOUND),
            _ => continue,
        };
        found
            .add_pod(workload, annotation_pointer(has), format!("9300 is excluded here, but not in {lacks}"))
            .set(workload.pointer(&annotation_pointer(lacks)), with_transport(workload, lacks));
    }
}

pub(super) fn transport_unguarded<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::Elasticsearch]).filter(|workload| excludes(workload, INBOUND, "9300")) {
        let sources = world.sources(workload, Protocol::Tcp, 9300, |from| same_cluster(from, workload));
        if !sources.is_empty() {
            let draft = found
                .add_pod(
                    workload,
                    annotation_pointer(INBOUND),
                    format!("9300 is outside of the mesh and reached by {}", sources.words()),
                )
                .reached_by(world, &sources, workload, (Protocol::Tcp, 9300));
            let own = |from: &Workload<'_>| same_cluster(from, workload);
            if let Some(policy) = closing(world, workload, (Protocol::Tcp, 9300), own) {
                draft.new_object(&policy);
            }
        }
    }
}

/// Nodes of one Elasticsearch cluster.
pub(crate) fn same_cluster(a: &Workload<'_>, b: &Workload<'_>) -> bool {
    const CLUSTER: &str = "elasticsearch.k8s.elastic.co/cluster-name";
    a.has_role(Role::Elasticsearch)
        && b.has_role(Role::Elasticsearch)
        && a.namespace == b.namespace
        && a.labels.get(CLUSTER) == b.labels.get(CLUSTER)
}

pub(super) fn inbound_ports<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    const INCLUDE: &str = "traffic.sidecar.istio.io/includeInboundPorts";
    for workload in
        injected(world, Role::Elasticsearch).filter(|workload| workload.annotation(INCLUDE).is_none())
    {
        found
            .add_pod(
                workload,
                "/metadata",
                "includeInboundPorts isn't set: ports that aren't declared may bypass the proxy",
            )
            .set(workload.pointer(&annotation_pointer(INCLUDE)), json!("*"));
    }
}

/// Programs of init containers that need the network.
const DOWNLOADERS: &[&str] = &[
    "plugin install",
    "elasticsearch-plugin",
    "wget ",
    "curl ",
    "apt-get",
    "apk add",
    "yum ",
    "pip install",
];

/// The pointer of the first init container that downloads something.
fn downloads(workload: &Workload<'_>) -> Option<String> {
    workload
        .containers
        .iter()
        .filter(|container| container.kind == ContainerKind::Init && !container.runs())
        .find_map(|container| {
            let network = container
                .arguments()
                .iter()
                .any(|(_, text)| DOWNLOADERS.iter().any(|program| text.contains(program)));
            let as_proxy = container.security("/runAsUser").and_then(Node::as_i64) == Some(1337);
            (network && !as_proxy).then(|| container.pointer.clone())
        })
}

pub(super) fn init_blocked<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.workloads.iter().filter(|workload| is_injected(world, workload)) {
        if excludes(workload, OUTBOUND, "443") {
            continue;
        }
        if let Some(pointer) = downloads(workload) {
            let ports = match workload.annotation(OUTBOUND) {
                Some(ports) if !ports.is_empty() => format!("{ports},443"),
                _ => "443".to_owned(),
            };
            found
                .add_pod(
                    workload,
                    pointer,
                    "it needs the network before the proxy runs, and 443 isn't in excludeOutboundPorts",
                )
                .set(workload.pointer(&annotation_pointer(OUTBOUND)), json!(ports));
        }
    }
}

pub(super) fn permanent_bypass<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        if excludes(workload, OUTBOUND, "443") && downloads(workload).is_none() {
            let rest: Vec<&str> = workload
                .annotation(OUTBOUND)
                .unwrap_or("")
                .split(',')
                .map(str::trim)
                .filter(|port| *port != "443")
                .collect();
            let pointer = workload.pointer(&annotation_pointer(OUTBOUND));
            found
                .add(
                    workload.document,
                    pointer.clone(),
                    "443 bypasses the mesh and no init container needs it",
                )
                .set(pointer, json!(rest.join(",")));
        }
    }
}

pub(super) fn probes<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    const REWRITE: &str = "sidecar.istio.io/rewriteAppHTTPProbers";
    for workload in world
        .of(&[Role::Kibana, Role::Apm])
        .filter(|workload| is_strict(world, workload, http_port(workload)))
    {
        if workload.annotation(REWRITE) != Some("true") {
            found
                .add_pod(
                    workload,
                    "/metadata/annotations",
                    format!("the kubelet's probes of {workload} can't get through strict mTLS"),
                )
                .set(workload.pointer(&annotation_pointer(REWRITE)), json!("true"));
        }
    }
}

pub(super) fn token_for_nothing<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    if !world.options.third_party_tokens {
        return;
    }
    for workload in world.obs().filter(|workload| !workload.role.is_some_and(Role::calls_api)) {
        if workload.flag("automountServiceAccountToken") {
            found
                .add_pod(
                    workload,
                    "/spec/automountServiceAccountToken",
                    "the token is mounted, and nothing in the pod asks the API server",
                )
                .becomes(json!(false));
        }
    }
}

pub(super) fn token_missing<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    if world.options.third_party_tokens {
        return;
    }
    for workload in world.workloads.iter().filter(|workload| is_injected(world, workload)) {
        let mounted = workload.at("/spec/automountServiceAccountToken").and_then(Node::as_bool);
        if mounted == Some(false) {
            found
                .add_pod(
                    workload,
                    "/spec/automountServiceAccountToken",
                    "the proxy has no token to identify itself with on this cluster",
                )
                .becomes(json!(true));
        }
    }
}

/// Where sidecars fetch certificates and configuration.
const ISTIOD: u16 = 15012;

pub(super) fn no_istiod<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.workloads.iter().filter(|workload| is_injected(world, workload)) {
        let policies: Vec<_> = world.isolating(workload, Direction::Egress).collect();
        let Some(first) = policies.first() else { continue };
        let control_plane = policies.iter().any(|policy| {
            policy.rules(Direction::Egress).iter().any(|rule| {
                let peers = rule.peers();
                let outwards = peers.is_empty()
                    || peers.iter().any(|(_, peer)| {
                        peer.get("namespaceSelector").is_some() || peer.get("ipBlock").is_some()
                    });
                rule.covers(Protocol::Tcp, ISTIOD) && outwards
            })
        });
        if control_plane && policies.iter().any(|policy| allows_dns(policy)) {
            continue;
        }
        let lacking = if control_plane { "DNS" } else { "istiod on 15012" };
        let rule = json!({
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "istio-system"}}}],
            "ports": [{"protocol": "TCP", "port": ISTIOD}],
        });
        let draft = found.add(
            first.document,
            "/spec/egress",
            format!("the proxy of {workload} can't reach {lacking}: the pod doesn't start"),
        );
        if control_plane {
            add(world, draft, workload, Direction::Egress, dns(), "dns");
        } else {
            add(world, draft, workload, Direction::Egress, rule, "istiod");
        }
    }
}
