//! Flows that are declared and cut: the rules that let them through, added where they are cut.

use serde_json::{Value, json};

use super::policies::{Matches, peers};
use crate::finding::Draft;
use crate::least::{identity, peer, port};
use crate::reach::Protocol;
use crate::world::{Direction, Policy, PolicyRule, Workload, World};

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
                !policies.iter().any(|policy| lets_through(world, policy, direction, other, to, *port))
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

/// Whether a policy has a rule for a port of `to` with `other` among its peers.
fn lets_through(
    world: &World<'_>,
    policy: &Policy<'_>,
    direction: Direction,
    other: &Workload<'_>,
    to: &Workload<'_>,
    (protocol, number): (Protocol, u16),
) -> bool {
    let named = |rule: &PolicyRule<'_>| {
        let names: Vec<&str> =
            rule.ports().iter().filter_map(|(_, port)| port.get("port")?.as_str()).collect();
        to.ports().iter().any(|own| {
            own.number == number
                && own.protocol == protocol
                && own.name.is_some_and(|name| names.contains(&name))
        })
    };
    policy.rules(direction).iter().filter(|rule| rule.covers(protocol, number) || named(rule)).any(|rule| {
        let all = rule.peers();
        all.is_empty()
            || all.iter().any(|(_, node)| match peers(world, policy.namespace, node) {
                Matches::Workloads(matched) => matched.iter().any(|one| one.number == other.number),
                Matches::Unknown => false,
            })
    })
}
