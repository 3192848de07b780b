//! Whether anything isolates what must be isolated: OBS-NP-01 to 04, 12, 19, 20, 23, 24.

use parapet_manifest::Node;
use serde_json::{Value, json};

use crate::finding::Findings;
use crate::least;
use crate::reach::{End, Protocol};
use crate::rule::Needs::{Manifests, Option as Opt, Reach};
use crate::rule::Severity::{High, Info, Low, Medium};
use crate::rule::{Group, Rule};
use crate::world::{Direction, Role, Workload, World};

const GROUP: Group = Group::Isolation;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "OBS-NP-01",
        severity: High,
        group: GROUP,
        needs: Reach,
        title: "No policy isolates a workload's ingress",
        why: "Without a NetworkPolicy that selects a pod for ingress, every pod, node and routable address may connect to every port it listens on. A Service or an Ingress neither opens nor closes anything.",
        fix: "Add a policy that denies by default and allows the flows that the workload needs (`parapet policy generate`).",
        check: open_ingress,
    },
    Rule {
        id: "OBS-NP-02",
        severity: Medium,
        group: GROUP,
        needs: Reach,
        title: "No policy isolates a workload's egress",
        why: "Telemetry holds personal data and tokens. A pod that may connect anywhere can send it anywhere, and a broken-into pod can fetch its tools.",
        fix: "List `Egress` in policyTypes and declare the flows.",
        check: open_egress,
    },
    Rule {
        id: "OBS-NP-03",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "A namespace has no default deny",
        why: "Without a policy that selects all pods and denies both directions, each new pod starts open until somebody remembers a policy for it.",
        fix: "Add a policy with an empty podSelector, both policyTypes and no rules.",
        check: no_default_deny,
    },
    Rule {
        id: "OBS-NP-04",
        severity: High,
        group: GROUP,
        needs: Opt,
        title: "Tenants can talk to each other",
        why: "Namespaces that carry different values of the tenant label are meant to be apart; a connection between them lets one tenant read or poison another's telemetry.",
        fix: "Restrict peers by namespaceSelector on the tenant label, or add a ClusterNetworkPolicy in the Admin tier.",
        check: tenants,
    },
    Rule {
        id: "OBS-NP-12",
        severity: Low,
        group: GROUP,
        needs: Manifests,
        title: "An observability workload lives in the namespace `default`",
        why: "Policies, quotas and Pod Security levels are per namespace; in `default` they are shared with whatever lands there by mistake.",
        fix: "Give the stack a namespace of its own.",
        check: default_namespace,
    },
    Rule {
        id: "OBS-NP-19",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "A policy selects a pod on the host's network",
        why: "Most network plugins can't tell such a pod from its node: the policy has no dependable effect on it, in either direction.",
        fix: "Take the pod off the host's network, or guard the node with a host firewall or the plugin's own host policies.",
        check: host_network,
    },
    Rule {
        id: "OBS-NP-20",
        severity: Info,
        group: GROUP,
        needs: Opt,
        title: "It isn't known that the network plugin enforces policies",
        why: "NetworkPolicies are data until a plugin enforces them. Manifests don't tell which one runs; with plain flannel or kubenet every policy here is without effect.",
        fix: "Name the plugin with `--cni`, and verify it once with a probe.",
        check: plugin,
    },
    Rule {
        id: "OBS-NP-23",
        severity: Low,
        group: GROUP,
        needs: Manifests,
        title: "A text claims that ingress is closed by default",
        why: "In Kubernetes it is open until a policy selects the pod. Who believes the text adds no policy.",
        fix: "Correct the text, and add the policy.",
        check: false_claim,
    },
    Rule {
        id: "OBS-NP-24",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "An Ingress leads to a workload that no policy isolates",
        why: "Enabling an Ingress for one workload doesn't close it for others: they still connect to the pod directly, around whatever the Ingress checks.",
        fix: "Add a policy that admits only the ingress controller.",
        check: ingress_without_policy,
    },
];

/// The policy that isolates what comes into a workload and lets in only whom the input shows and `is_meant` takes; none
/// where the input shows others, where policies isolate it already (one more would let in more), and where nothing tells
/// its pods from others.
pub(super) fn closing(
    world: &World<'_>,
    workload: &Workload<'_>,
    port: (Protocol, u16),
    is_meant: impl Fn(&Workload<'_>) -> bool,
) -> Option<Value> {
    let is_isolated = world.isolating(workload, Direction::Ingress).next().is_some();
    if is_isolated || workload.labels.is_empty() || workload.flag("hostNetwork") {
        return None;
    }
    let shown = world.shown();
    let mut clients = shown.clients(workload.number).filter(|(_, ports)| ports.contains(&port));
    let only_meant = clients
        .all(|(client, _)| client == workload.number || world.workloads.get(client).is_some_and(&is_meant));
    (only_meant && !shown.is_led_to(workload.number, port)).then(|| least::ingress(world, workload))
}

/// Whether something outside of the cluster is led to the workload by a Service or a port of the node.
pub(super) fn is_exposed(world: &World<'_>, workload: &Workload<'_>) -> bool {
    let by_service = world.kind("Service").any(|service| {
        let kind = service.at("/spec/type").and_then(Node::as_str);
        matches!(kind, Some("NodePort" | "LoadBalancer"))
            && world.backends(service).iter().any(|backend| backend.number == workload.number)
    });
    let by_port = workload.containers.iter().any(|container| {
        let ports = container.node.get("ports").map_or(&[] as &[Node], Node::items);
        ports.iter().any(|port| port.get("hostPort").is_some())
    });
    by_service || by_port
}

fn open_ingress<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| !workload.flag("hostNetwork")) {
        if world.isolating(workload, Direction::Ingress).next().is_some() {
            continue;
        }
        let ports: Vec<u16> = workload.ports().iter().map(|port| port.number).collect();
        let port = ports.first().copied().unwrap_or(1);
        let sources = world.sources(workload, Protocol::Tcp, port, |_| false);
        if sources.is_empty() && world.workloads.len() > 1 {
            continue;
        }
        let open = if ports.is_empty() { String::new() } else { format!(" (it declares {ports:?})") };
        found
            .add(
                workload.document,
                "/metadata/name",
                format!("{workload} accepts connections on every port{open} from {}", sources.words()),
            )
            .reached_by(world, &sources, workload, (Protocol::Tcp, port))
            .raised_if(sources.outside && is_exposed(world, workload))
            .lowered_if(!sources.outside)
            .new_object(&least::ingress(world, workload));
    }
}

fn open_egress<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| !workload.flag("hostNetwork")) {
        let open = world.allows(End::Workload(workload.number), End::Outside, Protocol::Tcp, 443);
        if open && world.isolating(workload, Direction::Egress).next().is_none() {
            let message =
                format!("{workload} may connect to every pod and to every address outside of the cluster");
            found
                .add(workload.document, "/metadata/name", message)
                .new_object(&least::egress(world, workload));
        }
    }
}

fn no_default_deny<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for namespace in world.obs_namespaces() {
        let denies = |direction| {
            world.policies.iter().any(|policy| {
                policy.namespace == namespace
                    && policy.selects_all()
                    && policy.has(direction)
                    && policy.rules(direction).is_empty()
            })
        };
        let missing: Vec<&str> = Direction::BOTH
            .into_iter()
            .filter(|direction| !denies(*direction))
            .map(Direction::field)
            .collect();
        if missing.is_empty() {
            continue;
        }
        let first =
            world.obs().find(|workload| workload.namespace == namespace).map(|workload| workload.document);
        let Some(place) = world.namespace_object(namespace).or(first) else { continue };
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "default-deny", "namespace": namespace},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        });
        let message = format!(
            "the namespace {namespace} has no policy that denies {} by default",
            missing.join(" and ")
        );
        found.add(place, "/metadata/name", message).new_object(&policy);
    }
}

fn tenants<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let Some(label) = &world.options.tenant_label else { return };
    let tenant = |namespace: &str| world.namespace_labels(namespace).get(label.as_str()).copied();
    let mut said = Vec::new();
    for to in &world.workloads {
        let Some(owner) = tenant(to.namespace) else { continue };
        for from in &world.workloads {
            let Some(other) = tenant(from.namespace).filter(|other| *other != owner) else { continue };
            let pair = (from.namespace, to.namespace);
            if said.contains(&pair) {
                continue;
            }
            let open = to.ports().into_iter().find(|port| {
                world.allows(End::Workload(from.number), End::Workload(to.number), port.protocol, port.number)
            });
            let Some(port) = open else { continue };
            let Some(place) = world.namespace_object(to.namespace) else { continue };
            said.push(pair);
            let pointer = parapet_manifest::pointer(["metadata", "labels", label.as_str()]);
            let draft = found.add(
                place,
                pointer,
                format!(
                    "tenant {other} reaches tenant {owner}: {from} connects to {to} on port {}",
                    port.number
                ),
            );
            // Where policies let in less already, one more would let in more.
            let is_isolated =
                world.policies.iter().any(|policy| policy.namespace == to.namespace && policy.ingress);
            if !is_isolated {
                let own = json!({"namespaceSelector": {"matchLabels": {label.as_str(): owner}}});
                draft.new_object(&json!({
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": {"name": "same-tenant", "namespace": to.namespace},
                    "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [own]}]},
                }));
            }
        }
    }
}

fn default_namespace<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| workload.namespace == "default") {
        let pointer =
            if workload.document.namespace.is_some() { "/metadata/namespace" } else { "/metadata/name" };
        found.add(workload.document, pointer, format!("{workload} lives in the namespace `default`"));
    }
}

fn host_network<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in &world.policies {
        let on_host = policy
            .selects
            .iter()
            .map(|number| &world.workloads[*number])
            .find(|workload| workload.flag("hostNetwork"));
        if let Some(workload) = on_host {
            let at = workload.pointer("/spec/hostNetwork");
            let draft = found
                .add(
                    policy.document,
                    "/spec/podSelector",
                    format!(
                        "the policy has no dependable effect on {workload}, which is on the host's network"
                    ),
                )
                .related(workload.document, &at, "the pod on the host's network");
            // It tells of the host, and has to be on its network for that.
            if !workload.has_role(Role::NodeExporter) {
                draft.set_in(workload.document, at, json!(false));
            }
        }
    }
}

/// Plugins that ignore NetworkPolicies.
const WITHOUT_POLICIES: &[&str] = &["flannel", "kubenet", "host-gw", "bridge", "none"];

fn plugin<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let Some(policy) = world.policies.first() else { return };
    match world.options.cni.as_deref() {
        None => {
            found.add(
                policy.document,
                "/kind",
                "verdicts hold only if the network plugin enforces policies; it isn't known which one runs",
            );
        }
        Some(name) if WITHOUT_POLICIES.contains(&name) => {
            let message = format!("{name} enforces no NetworkPolicy: nothing here is isolated");
            found.add(policy.document, "/kind", message).severity(High);
        }
        Some(_) => {}
    }
}

const CLAIMS: &[&str] = &[
    "disabled by default",
    "closed by default",
    "denied by default",
    "blocked by default",
    "no inbound traffic is allowed",
];

fn false_claim<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for document in world.documents {
        for part in ["/data", "/metadata/annotations"] {
            for entry in document.at(part).map_or(&[] as &[_], Node::entries) {
                let text = entry.value.as_str().unwrap_or("").to_lowercase();
                let claim = CLAIMS.iter().find(|claim| text.contains(*claim));
                if let Some(claim) = claim.filter(|_| text.contains("ingress") || text.contains("inbound")) {
                    let pointer = format!("{part}/{}", parapet_manifest::escape_pointer(&entry.key.name));
                    found.add(
                        document,
                        pointer,
                        format!(
                            "the text says that incoming traffic is {claim:?}; without a policy it is open"
                        ),
                    );
                }
            }
        }
    }
}

/// The Services that an Ingress leads to, with their pointers.
pub(crate) fn ingress_backends(ingress: &parapet_manifest::Document) -> Vec<(String, &str)> {
    let mut services = Vec::new();
    if let Some(name) = ingress.at("/spec/defaultBackend/service/name").and_then(Node::as_str) {
        services.push(("/spec/defaultBackend/service/name".to_owned(), name));
    }
    for (rule, node) in ingress.at("/spec/rules").map_or(&[] as &[Node], Node::items).iter().enumerate() {
        for (path, node) in node.at("/http/paths").map_or(&[] as &[Node], Node::items).iter().enumerate() {
            if let Some(name) = node.at("/backend/service/name").and_then(Node::as_str) {
                services.push((format!("/spec/rules/{rule}/http/paths/{path}/backend/service/name"), name));
            }
        }
    }
    if let Some(name) = ingress.at("/spec/to/name").and_then(Node::as_str) {
        services.push(("/spec/to/name".to_owned(), name));
    }
    services
}

fn ingress_without_policy<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for ingress in world.kind("Ingress").chain(world.kind("Route")) {
        for (pointer, name) in ingress_backends(ingress) {
            let Some(service) = world.find("Service", world.namespace(ingress), name) else { continue };
            let open = world
                .backends(service)
                .into_iter()
                .find(|backend| world.isolating(backend, Direction::Ingress).next().is_none());
            if let Some(workload) = open {
                found
                    .add(
                        ingress,
                        pointer,
                        format!("it leads to {workload}, which everybody else reaches directly as well"),
                    )
                    .related(workload.document, "/metadata/name", "the workload that no policy isolates")
                    .new_object_after(workload.document, &least::ingress(world, workload));
            }
        }
    }
}
