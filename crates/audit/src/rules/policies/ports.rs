//! Ports that rules open and pods don't listen on, or that one side opens and the other doesn't: OBS-NP-13 to 15.

use parapet_manifest::Node;
use serde_json::json;

use super::{Matches, each_rule, peers};
use crate::finding::Findings;
use crate::reach::{End, Protocol};
use crate::rules::repair::{connect, is_cut};
use crate::world::{Direction, Policy, PolicyRule, Workload, World};

/// The workloads whose ports a rule is about: the selected ones for ingress, the peers for egress.
pub(super) fn targets<'w>(
    world: &'w World<'w>,
    policy: &Policy<'_>,
    rule: &PolicyRule<'_>,
) -> Vec<&'w Workload<'w>> {
    match rule.direction {
        Direction::Ingress => policy.selects.iter().map(|number| &world.workloads[*number]).collect(),
        Direction::Egress => rule
            .peers()
            .iter()
            .flat_map(|(_, peer)| match peers(world, policy.namespace, peer) {
                Matches::Workloads(workloads) => workloads,
                Matches::Unknown => Vec::new(),
            })
            .collect(),
    }
}

/// The number that a Service's port is translated to for a workload.
pub(crate) fn target_port(port: &Node, workload: &Workload<'_>) -> Option<u16> {
    let own = port.get("port").and_then(Node::as_i64);
    match port.get("targetPort") {
        None => u16::try_from(own?).ok(),
        Some(target) => match target.as_str() {
            Some(name) => {
                workload.ports().iter().find(|port| port.name == Some(name)).map(|port| port.number)
            }
            None => u16::try_from(target.as_i64()?).ok(),
        },
    }
}

pub(super) fn service_port<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        let targets = targets(world, policy, &rule);
        for (pointer, port) in rule.ports() {
            let Some(number) = port.get("port").and_then(Node::as_i64) else { continue };
            let wrong = targets
                .iter()
                .filter(|workload| !workload.ports().iter().any(|own| i64::from(own.number) == number))
                .find_map(|workload| {
                    world.kind("Service").find_map(|service| {
                        if !world.backends(service).iter().any(|backend| backend.number == workload.number) {
                            return None;
                        }
                        let ports = service.at("/spec/ports").map_or(&[] as &[Node], Node::items);
                        let port = ports
                            .iter()
                            .find(|port| port.get("port").and_then(Node::as_i64) == Some(number))?;
                        let target = target_port(port, workload)?;
                        (i64::from(target) != number).then_some((service, *workload, target))
                    })
                });
            if let Some((service, workload, target)) = wrong {
                found
                    .add(
                        policy.document,
                        format!("{pointer}/port"),
                        format!(
                            "{number} is the port of the Service {}; {workload} listens on {target}",
                            service.name
                        ),
                    )
                    .related(service, "/spec/ports", "the Service whose port it is")
                    .becomes(json!(target));
            }
        }
    }
}

pub(super) fn unknown_port_name<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        let targets = targets(world, policy, &rule);
        if targets.is_empty() {
            continue;
        }
        for (pointer, port) in rule.ports() {
            let Some(name) = port.get("port").and_then(Node::as_str) else { continue };
            let protocol = Protocol::parse(port.get("protocol").and_then(Node::as_str).unwrap_or("TCP"));
            let declared = targets.iter().any(|workload| {
                workload.ports().iter().any(|own| own.name == Some(name) && own.protocol == protocol)
            });
            if !declared {
                let draft = found.add(
                    policy.document,
                    format!("{pointer}/port"),
                    format!(
                        "no pod declares a port named {name:?} with this protocol: the rule opens nothing"
                    ),
                );
                if let Some(number) = meant(world, &targets, name, protocol) {
                    draft.becomes(json!(number));
                }
            }
        }
    }
}

/// The port that a name stands for: that of the Service's port of this name, or the only one that the pods have.
fn meant(world: &World<'_>, targets: &[&Workload<'_>], name: &str, protocol: Protocol) -> Option<u16> {
    let mut numbers: Vec<u16> = Vec::new();
    for service in world.kind("Service") {
        let ports = service.at("/spec/ports").map_or(&[] as &[Node], Node::items);
        for port in ports.iter().filter(|port| port.get("name").and_then(Node::as_str) == Some(name)) {
            let backends = world.backends(service);
            let of_targets =
                backends.iter().filter(|one| targets.iter().any(|target| target.number == one.number));
            numbers.extend(of_targets.filter_map(|one| target_port(port, one)));
        }
    }
    if numbers.is_empty() {
        let ports = targets.iter().flat_map(|target| target.ports());
        numbers.extend(ports.filter(|port| port.protocol == protocol).map(|port| port.number));
    }
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

pub(super) fn one_sided<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        let selected: Vec<&Workload<'_>> =
            policy.selects.iter().map(|number| &world.workloads[*number]).collect();
        for (_, peer) in rule.peers() {
            let Matches::Workloads(others) = peers(world, policy.namespace, peer) else { continue };
            for (pointer, port) in rule.ports() {
                let Some(number) =
                    port.get("port").and_then(Node::as_i64).and_then(|port| u16::try_from(port).ok())
                else {
                    continue;
                };
                let protocol = Protocol::parse(port.get("protocol").and_then(Node::as_str).unwrap_or("TCP"));
                let blocked = selected
                    .iter()
                    .flat_map(|own| others.iter().map(move |other| (*own, *other)))
                    .find_map(|(own, other)| {
                        let (from, to) = match rule.direction {
                            Direction::Egress => (own, other),
                            Direction::Ingress => (other, own),
                        };
                        let denied = from.number != to.number
                            && !world.allows(
                                End::Workload(from.number),
                                End::Workload(to.number),
                                protocol,
                                number,
                            );
                        // A mesh may deny it as well: that is no policy's fault.
                        let (side, one, peer) = match rule.direction {
                            Direction::Egress => (Direction::Ingress, to, from),
                            Direction::Ingress => (Direction::Egress, from, to),
                        };
                        (denied && is_cut(world, side, one, peer, to, (protocol, number)))
                            .then_some((from, to))
                    });
                if let Some((from, to)) = blocked {
                    let (here, there) = match rule.direction {
                        Direction::Egress => (format!("egress of {from}"), format!("ingress of {to}")),
                        Direction::Ingress => (format!("ingress of {to}"), format!("egress of {from}")),
                    };
                    let place = pointer.clone();
                    let draft = found.add(
                        policy.document,
                        place,
                        format!("{here} allows port {number}, {there} doesn't: the flow is blocked"),
                    );
                    connect(world, draft, from, to, &[(protocol, number)]);
                }
            }
        }
    }
}
