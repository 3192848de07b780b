//! Whether pods that ask for names may: OBS-NP-10.

use crate::finding::Findings;
use crate::least::dns;
use crate::reach::Protocol;
use crate::world::{Direction, Policy, PolicyRule, Workload, World};

/// Whether a policy lets its pods ask for names.
pub(in crate::rules) fn allows_dns(policy: &Policy<'_>) -> bool {
    let reaches_dns = |rule: &PolicyRule<'_>| {
        let peers = rule.peers();
        peers.is_empty()
            || peers
                .iter()
                .any(|(_, peer)| peer.get("namespaceSelector").is_some() || peer.get("ipBlock").is_some())
    };
    let rules = policy.rules(Direction::Egress);
    [53, 5353].iter().any(|port| {
        [Protocol::Udp, Protocol::Tcp]
            .iter()
            .all(|protocol| rules.iter().any(|rule| rule.covers(*protocol, *port) && reaches_dns(rule)))
    })
}

pub(super) fn uses_names(workload: &Workload<'_>, world: &World<'_>) -> bool {
    let named = |text: &str| {
        text.contains(".svc")
            || text
                .split("://")
                .nth(1)
                .is_some_and(|host| host.starts_with(|first: char| first.is_ascii_alphabetic()))
    };
    workload.containers.iter().any(|container| {
        container.variables().iter().any(|variable| named(variable.value))
            || container.arguments().iter().any(|(_, text)| named(text))
    }) || world
        .collectors
        .iter()
        .any(|collector| collector.workloads.contains(&workload.number) && !collector.exporters.is_empty())
        || workload.role.is_some_and(crate::world::Role::is_collector)
}

pub(super) fn no_dns<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.egress) {
        let rules = policy.rules(Direction::Egress);
        if allows_dns(policy) || (rules.is_empty() && policy.selects_all()) {
            continue;
        }
        let workloads: Vec<&Workload<'_>> =
            policy.selects.iter().map(|number| &world.workloads[*number]).collect();
        let blocked: Vec<String> = workloads
            .iter()
            .filter(|workload| uses_names(workload, world))
            .filter(|workload| !world.isolating(workload, Direction::Egress).any(allows_dns))
            .map(ToString::to_string)
            .collect();
        let pod_peers =
            rules.iter().any(|rule| rule.peers().iter().any(|(_, peer)| peer.get("podSelector").is_some()));
        if blocked.is_empty() && !(workloads.is_empty() && pod_peers) {
            continue;
        }
        let who = if blocked.is_empty() { "its pods".to_owned() } else { blocked.join(", ") };
        found
            .add(
                policy.document,
                "/spec/egress",
                format!("{who} can't resolve names: no egress rule allows UDP and TCP 53 to the DNS pods"),
            )
            .push("/spec/egress", dns());
    }
}
