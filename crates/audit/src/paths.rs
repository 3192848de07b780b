//! The ways that connections take, place by place: the client, the rules that let them through, the server.

use parapet_manifest::Document;

use crate::finding::{Place, Related};
use crate::reach::Protocol;
use crate::rules::{admits, lets_through};
use crate::world::{Direction, Policy, Sources, Workload, World};

/// Ways that one finding shows: those of the others are of the same kind.
const SHOWN: usize = 10;

/// The ways from sources to a port of a workload.
pub(crate) fn to(
    world: &World<'_>,
    sources: &Sources<'_, '_>,
    to: &Workload<'_>,
    port: (Protocol, u16),
) -> Vec<Vec<Related>> {
    let outside = sources.outside.then_some(None);
    let clients = sources.workloads.iter().copied().map(Some).chain(outside).take(SHOWN);
    clients.map(|from| way(world, from, to, port)).collect()
}

/// One way; a client outside of the cluster stands in no file.
fn way(
    world: &World<'_>,
    from: Option<&Workload<'_>>,
    to: &Workload<'_>,
    (protocol, number): (Protocol, u16),
) -> Vec<Related> {
    let mut steps = Vec::new();
    let mut step = |document: &Document, pointer: &str, message: String| {
        let place = Place { file: document.file.clone(), span: document.place(pointer) };
        steps.push(Related { place, message });
    };
    if let Some(from) = from {
        step(from.document, "/metadata/name", format!("{from} connects"));
        let egress = policies(world, from, Direction::Egress);
        if let Some((policy, pointer)) =
            deciding(world, &egress, Direction::Egress, Some(to), to, (protocol, number))
        {
            step(policy.document, &pointer, format!("the policy {} lets it out", policy.document.name));
        }
    }
    let who = from.map_or_else(|| "any address outside of the cluster".to_owned(), ToString::to_string);
    let ingress = policies(world, to, Direction::Ingress);
    if let Some((policy, pointer)) =
        deciding(world, &ingress, Direction::Ingress, from, to, (protocol, number))
    {
        step(policy.document, &pointer, format!("the policy {} lets {who} in", policy.document.name));
    }
    let open = if ingress.is_empty() { ", which no policy isolates" } else { "" };
    step(to.document, "/metadata/name", format!("port {number} of {to}{open}"));
    steps
}

fn policies<'w>(world: &'w World<'w>, of: &Workload<'_>, direction: Direction) -> Vec<&'w Policy<'w>> {
    let selects = |policy: &&Policy<'_>| policy.has(direction) && policy.selects.contains(&of.number);
    world.policies.iter().filter(selects).collect()
}

/// The first rule that lets the connection through on one side.
fn deciding<'w>(
    world: &'w World<'w>,
    policies: &[&'w Policy<'w>],
    direction: Direction,
    other: Option<&Workload<'_>>,
    to: &Workload<'_>,
    port: (Protocol, u16),
) -> Option<(&'w Policy<'w>, String)> {
    policies.iter().find_map(|policy| {
        let rule = match other {
            Some(other) => lets_through(world, policy, direction, other, to, port),
            None => admits(policy, to, port),
        };
        rule.map(|pointer| (*policy, pointer))
    })
}
