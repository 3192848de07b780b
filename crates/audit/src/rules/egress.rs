//! Where the collection pipeline may send: OBS-EG-01 to 10.

mod blocked;
mod narrow;

use std::net::{IpAddr, Ipv4Addr};

use parapet_manifest::Node;
use serde_json::{Value, json};

use super::repair::add;
use crate::finding::Findings;
use crate::least;
use crate::reach::{End, Protocol};
use crate::rule::Needs::{Manifests, Reach};
use crate::rule::Severity::{High, Info, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Direction, Policy, PolicyRule, Role, Workload, World};
use blocked::{exporter_blocked, no_allocator, targets_closed};
use narrow::{restrict_outwards, to_its_gateway, what_is_used};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Egress, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-EG-01",
        High,
        Manifests,
        "A pipeline component may send anywhere",
        "An empty egress rule lets everything out that passes through the pipeline: logs, tokens in them, traces of users.",
        "Limit it to the backend, the API server and DNS.",
        anywhere,
    ),
    rule(
        "OBS-EG-02",
        Medium,
        Manifests,
        "A port is open to the whole world",
        "A rule with ports and without peers means every pod and every address on the Internet.",
        "Add `to`.",
        port_to_anybody,
    ),
    rule(
        "OBS-EG-03",
        Medium,
        Reach,
        "A log agent reaches more than its gateway",
        "It runs on every node, often as root. It needs the gateway and DNS; whatever else it reaches, a break-in reaches from every node.",
        "Allow only the gateway.",
        agent_reaches_more,
    ),
    rule(
        "OBS-EG-04",
        Medium,
        Reach,
        "Metadata can't be looked up",
        "Enrichment asks the API server, which is an address, not a pod: no selector matches it.",
        "Allow its addresses on 443 and 6443 by ipBlock.",
        no_api_server,
    ),
    rule(
        "OBS-EG-05",
        High,
        Reach,
        "The cloud's metadata service is reachable",
        "It hands the node's credentials to whoever asks from a pod.",
        "Except 169.254.169.254/32.",
        cloud_metadata,
    ),
    rule(
        "OBS-EG-06",
        Medium,
        Reach,
        "The metrics collector can't reach its targets",
        "Monitors name ports that its policy doesn't open; those targets are down.",
        "Derive the ports from the monitors.",
        targets_closed,
    ),
    rule(
        "OBS-EG-07",
        High,
        Reach,
        "The collector can't reach its target allocator",
        "It gets no scrape jobs and collects nothing, without an error of its own.",
        "Allow it on both sides.",
        no_allocator,
    ),
    rule(
        "OBS-EG-08",
        High,
        Reach,
        "An exporter's endpoint is blocked",
        "The data is collected, queued, and dropped when the queue is full.",
        "Allow the endpoint.",
        exporter_blocked,
    ),
    rule(
        "OBS-EG-09",
        Medium,
        Reach,
        "More than the backend's port is open to the outside",
        "The backend takes 443; other ports are other services, and tunnels.",
        "Restrict the ports.",
        other_ports,
    ),
    rule(
        "OBS-EG-10",
        Info,
        Manifests,
        "Leftovers of a pipeline that is switched off",
        "Policies for pods that don't exist admit whoever gets their labels.",
        "Delete them.",
        leftovers,
    ),
];

fn each_egress<'w>(world: &'w World<'w>) -> impl Iterator<Item = (&'w Policy<'w>, PolicyRule<'w>)> {
    world
        .policies
        .iter()
        .filter(|policy| policy.egress)
        .flat_map(|policy| policy.rules(Direction::Egress).into_iter().map(move |rule| (policy, rule)))
}

fn anywhere<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_egress(world) {
        if !(rule.is_for_anybody() && rule.ports().is_empty()) {
            continue;
        }
        let workloads: Vec<String> =
            policy.selects.iter().map(|number| world.workloads[*number].to_string()).collect();
        let who = if workloads.is_empty() {
            format!("what {} selects", policy.document.name)
        } else {
            workloads.join(", ")
        };
        let draft = found.add(
            policy.document,
            rule.pointer.clone(),
            format!("{who} may send to every pod and every address"),
        );
        let mut rules = what_is_used(world, policy).into_iter();
        if let Some(first) = rules.next() {
            draft.becomes(first);
            rules.for_each(|rule| {
                draft.push("/spec/egress", rule);
            });
        }
    }
}

fn port_to_anybody<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_egress(world) {
        let ports: Vec<String> = rule
            .ports()
            .iter()
            .filter_map(|(_, port)| Some(port.get("port")?.to_json().to_string()))
            .collect();
        let only_dns = !ports.is_empty() && ports.iter().all(|port| port == "53");
        if rule.is_for_anybody() && !rule.ports().is_empty() && !only_dns {
            let draft = found.add(
                policy.document,
                rule.pointer.clone(),
                format!("port {} is open to every pod and every address", ports.join(", ")),
            );
            let mut to: Vec<Value> = Vec::new();
            for workload in &world.workloads {
                let listens = workload.ports().iter().any(|own| rule.covers(own.protocol, own.number));
                to.extend(
                    listens
                        .then(|| least::peer(workload, policy.namespace))
                        .flatten()
                        .filter(|one| !to.contains(one)),
                );
            }
            if !to.is_empty() {
                draft.set(format!("{}/to", rule.pointer), Value::Array(to));
            }
        }
    }
}

fn isolated<'w>(world: &'w World<'w>, roles: &'w [Role]) -> impl Iterator<Item = &'w Workload<'w>> {
    world.of(roles).filter(|workload| world.isolating(workload, Direction::Egress).next().is_some())
}

fn agent_reaches_more<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for agent in isolated(world, &[Role::CollectorAgent, Role::Filebeat]) {
        let mut more: Vec<String> = world
            .workloads
            .iter()
            .filter(|to| to.number != agent.number)
            .filter(|to| {
                !to.role.is_some_and(|role| {
                    role.is_collector() || matches!(role, Role::Logstash | Role::Elasticsearch)
                })
            })
            .filter_map(|to| {
                let port = to.ports().into_iter().find(|port| {
                    world.allows(
                        End::Workload(agent.number),
                        End::Workload(to.number),
                        port.protocol,
                        port.number,
                    )
                })?;
                Some(format!("{to}:{}", port.number))
            })
            .collect();
        if world.allows(End::Workload(agent.number), End::Outside, Protocol::Tcp, 443) {
            more.push("any address outside of the cluster".to_owned());
        }
        let policy = world.isolating(agent, Direction::Egress).next();
        if let Some(policy) = policy.filter(|_| !more.is_empty()) {
            let draft = found
                .add(policy.document, "/spec/egress", format!("{agent} reaches {}", more.join(", ")))
                .evidence(more);
            if let Some(rules) = to_its_gateway(world, agent) {
                draft.set("/spec/egress", rules);
            }
        }
    }
}

fn uses_kubernetes(world: &World<'_>, workload: &Workload<'_>) -> bool {
    world.collectors.iter().any(|collector| {
        collector.workloads.contains(&workload.number)
            && collector
                .root
                .get("processors")
                .map_or(&[] as &[_], Node::entries)
                .iter()
                .any(|entry| entry.key.name.starts_with("k8sattributes"))
    })
}

fn no_api_server<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in isolated(world, &[Role::Metadata, Role::CollectorGateway, Role::CollectorAgent]) {
        if !(workload.has_role(Role::Metadata) || uses_kubernetes(world, workload)) {
            continue;
        }
        let reached = |end| {
            [443, 6443]
                .iter()
                .any(|port| world.allows(End::Workload(workload.number), end, Protocol::Tcp, *port))
        };
        let known: Vec<End> = world.options.api_server.iter().map(|address| End::Address(*address)).collect();
        let fine = if known.is_empty() { reached(End::Somewhere) } else { known.into_iter().all(reached) };
        if let Some(policy) = world.isolating(workload, Direction::Egress).next().filter(|_| !fine) {
            let draft = found.add(
                policy.document,
                "/spec/egress",
                format!("{workload} can't reach the API server: metadata is missing"),
            );
            if !world.options.api_server.is_empty() {
                add(world, draft, workload, Direction::Egress, least::api_server(world), "api-server");
            }
        }
    }
}

/// The address that clouds serve an instance's metadata and credentials on.
const METADATA_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// Annotations and identities that a cloud's role comes with.
const CLOUD_ROLES: &[&str] =
    &["iam.amazonaws.com/role", "eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account"];

fn cloud_metadata<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    // Of what is on its host's network no policy decides: that is OBS-HOST-04's.
    for workload in world.obs().filter(|workload| !workload.flag("hostNetwork")) {
        let needed = CLOUD_ROLES.iter().any(|name| workload.annotation(name).is_some());
        if needed
            || !world.allows(
                End::Workload(workload.number),
                End::Address(METADATA_SERVICE),
                Protocol::Tcp,
                80,
            )
        {
            continue;
        }
        // Without any egress policy this is one of many consequences, which OBS-NP-02 names.
        let Some(policy) = world.isolating(workload, Direction::Egress).next() else { continue };
        let block =
            policy.rules(Direction::Egress).iter().flat_map(PolicyRule::peers).find_map(|(pointer, peer)| {
                let network: ipnet::IpNet = peer.at("/ipBlock/cidr")?.as_str()?.parse().ok()?;
                network.contains(&METADATA_SERVICE).then_some(pointer)
            });
        let message = format!("{workload} reaches the cloud's metadata service at {METADATA_SERVICE}");
        match block {
            Some(pointer) => {
                found
                    .add(policy.document, format!("{pointer}/ipBlock/cidr"), message)
                    .push(format!("{pointer}/ipBlock/except"), json!("169.254.169.254/32"));
            }
            None => {
                found.add(policy.document, "/spec/egress", message);
            }
        }
    }
}

/// Ports outside that are probed besides 443: what tunnels and other services use.
const OTHERS: &[u16] = &[22, 80, 1080, 3128, 8080, 8443];

fn other_ports<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in isolated(world, &[Role::Metadata, Role::CollectorGateway]) {
        let open: Vec<u16> = OTHERS
            .iter()
            .copied()
            .filter(|port| world.allows(End::Workload(workload.number), End::Outside, Protocol::Tcp, *port))
            .collect();
        let declared = |port: u16| {
            world.collectors.iter().any(|collector| {
                collector.workloads.contains(&workload.number)
                    && collector.exporters.iter().any(|exporter| exporter.port == port)
            })
        };
        let more: Vec<String> =
            open.into_iter().filter(|port| !declared(*port)).map(|port| port.to_string()).collect();
        if let Some(policy) = world.isolating(workload, Direction::Egress).next().filter(|_| !more.is_empty())
        {
            let draft = found.add(
                policy.document,
                "/spec/egress",
                format!("{workload} reaches the outside on {} as well as on 443", more.join(", ")),
            );
            let wanted = |port: i64| port == 443 || u16::try_from(port).is_ok_and(declared);
            for rule in policy.rules(Direction::Egress) {
                restrict_outwards(draft, &rule, wanted);
            }
        }
    }
}

fn leftovers<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for pipeline in ["logs", "metrics", "traces"] {
        let of = |text: &str| {
            text.split(['-', '.', '/']).any(|part| part == pipeline || part == format!("otel{pipeline}"))
        };
        let has_pods = world
            .workloads
            .iter()
            .any(|workload| of(&workload.name) || workload.labels.values().any(|value| of(value)));
        let others = world.workloads.iter().any(|workload| workload.role.is_some_and(Role::is_collector));
        if has_pods || !others {
            continue;
        }
        for policy in
            world.policies.iter().filter(|policy| policy.selects.is_empty() && of(&policy.document.name))
        {
            // Without it whoever gets these labels is isolated no more: that is for people to decide.
            found.add(
                policy.document,
                "/metadata/name",
                format!("there are no {pipeline} pods: this policy is left over"),
            );
        }
    }
}
