//! Flows that are declared and cut: the rules that let them through, added where they are cut.

use serde_json::{Value, json};

use super::policies::{Matches, peers};
use crate::finding::Draft;
use crate::least::{identity, peer, port};
use crate::reach::Protocol;
use crate::world::{Direction, Policy, PolicyRule, Port, Workload, World};

/// The patch lets `from` connect to `ports` of `to`: on each side that policies isolate, and that lets nobody such through.
pub(super) fn connect(
    world: &World<'_>,
    draft: &mut Draft<'_>,
    from: &Workload<'_>,
    to: &Workload<'_>,
    ports: &[(Protocol, u16)],
) {
    for (direction, own, other) in [(Direction::Egress, from, to), (Direction::Ingress, to, from)] {
        let policies: Vec<&Policy<'_>> = world.isolating(own, direction).collect();
        let cut: Vec<(Protocol, u16)> = ports
            .iter()
            .copied()
            .filter(|port| {
                !policies
                    .iter()
                    .any(|policy| lets_through(world, policy, direction, other, to, *port).is_some())
            })
            .collect();
        if policies.is_empty() || cut.is_empty() {
            continue;
        }
        let Some(peer) = peer(other, own.namespace) else { continue };
        let ports: Vec<Value> = cut.into_iter().map(port).collect();
        let rule = json!({direction.peers(): [peer], "ports": ports});
        add(world, draft, own, direction, rule, &other.name);
    }
}

/// The patch adds a rule for a workload: to a policy for it alone, or as a policy of its own. One for others, too, would let
/// them more through than is asked for, and a default deny would no longer be one.
pub(super) fn add(
    world: &World<'_>,
    draft: &mut Draft<'_>,
    own: &Workload<'_>,
    direction: Direction,
    rule: Value,
    what_for: &str,
) {
    let policies: Vec<&Policy<'_>> = world.isolating(own, direction).collect();
    let is_for_it = |policy: &&&Policy<'_>| policy.selects == [own.number] && !policy.selects_all();
    match (policies.iter().find(is_for_it), policies.first()) {
        (Some(policy), _) => {
            draft.push_in(policy.document, format!("/spec/{}", direction.field()), rule);
        }
        (None, Some(first)) if !own.labels.is_empty() => {
            let kind = if direction == Direction::Ingress { "Ingress" } else { "Egress" };
            let name = format!("{}-{}-{what_for}", own.name, direction.peers());
            draft.new_object_after(
                first.document,
                &json!({
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": {"name": name, "namespace": own.namespace},
                    "spec": {
                        "podSelector": {"matchLabels": identity(own)},
                        "policyTypes": [kind],
                        direction.field(): [rule],
                    },
                }),
            );
        }
        _ => {}
    }
}

/// Whether policies isolate `own` in a direction and none of them has `other` among the peers of a rule for the port.
pub(super) fn is_cut(
    world: &World<'_>,
    direction: Direction,
    own: &Workload<'_>,
    other: &Workload<'_>,
    to: &Workload<'_>,
    port: (Protocol, u16),
) -> bool {
    let mut policies = world.isolating(own, direction).peekable();
    policies.peek().is_some()
        && !policies.any(|policy| lets_through(world, policy, direction, other, to, port).is_some())
}

/// The rule of a policy for a port of `to` with `other` among its peers, by its pointer.
pub(crate) fn lets_through(
    world: &World<'_>,
    policy: &Policy<'_>,
    direction: Direction,
    other: &Workload<'_>,
    to: &Workload<'_>,
    port: (Protocol, u16),
) -> Option<String> {
    let for_port = policy.rules(direction).into_iter().filter(|rule| is_for(rule, to, port));
    let mut for_other = for_port.filter(|rule| {
        let all = rule.peers();
        all.is_empty()
            || all.iter().any(|(_, node)| match peers(world, policy.namespace, node) {
                Matches::Workloads(matched) => matched.iter().any(|one| one.number == other.number),
                Matches::Unknown => false,
            })
    });
    for_other.next().map(|rule| rule.pointer)
}

/// The rule of a policy that lets addresses outside of the cluster to a port, by its pointer.
pub(crate) fn admits(policy: &Policy<'_>, to: &Workload<'_>, port: (Protocol, u16)) -> Option<String> {
    let rules = policy.rules(Direction::Ingress);
    let mut open = rules.into_iter().filter(|rule| {
        let all = rule.peers();
        is_for(rule, to, port)
            && (all.is_empty() || all.iter().any(|(_, peer)| peer.get("ipBlock").is_some()))
    });
    open.next().map(|rule| rule.pointer)
}

/// Whether a rule is for a port of a workload, by number or by name.
fn is_for(rule: &PolicyRule<'_>, to: &Workload<'_>, (protocol, number): (Protocol, u16)) -> bool {
    let ports = rule.ports();
    let names: Vec<&str> = ports.iter().filter_map(|(_, port)| port.get("port")?.as_str()).collect();
    let is_named = |own: &Port<'_>| {
        own.number == number && own.protocol == protocol && own.name.is_some_and(|name| names.contains(&name))
    };
    rule.covers(protocol, number) || to.ports().iter().any(is_named)
}
