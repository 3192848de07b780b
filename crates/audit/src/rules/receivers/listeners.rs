//! What a collector itself opens, and to whom: OBS-RX-06 to 09.

use parapet_manifest::Node;

use serde_json::json;

use super::number;
use crate::finding::Findings;
use crate::rules::isolation::{closing, is_exposed};
use crate::world::{Collector, Direction, Listener, PolicyRule, Purpose, Role, Workload, World};

pub(super) fn each_listener<'w>(
    world: &'w World<'w>,
) -> impl Iterator<Item = (&'w Collector<'w>, &'w Listener, &'w Workload<'w>)> {
    world.collectors.iter().flat_map(move |collector| {
        collector.listeners.iter().flat_map(move |listener| {
            collector.workloads.iter().map(move |number| (collector, listener, &world.workloads[*number]))
        })
    })
}

pub(super) fn unauthenticated<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (collector, listener, workload) in each_listener(world) {
        if listener.purpose != Purpose::Receiver || !listener.is_on_all() || listener.tls || listener.auth {
            continue;
        }
        let sources = world
            .sources(workload, listener.protocol, listener.port, |from| from.namespace == workload.namespace);
        if !sources.is_empty() {
            let draft = found
                .add_at(
                    collector.document,
                    collector.pointer.clone(),
                    listener.span,
                    format!(
                        "{} takes clear text without authentication from {}",
                        listener.name,
                        sources.words()
                    ),
                )
                .reached_by(world, &sources, workload, (listener.protocol, listener.port))
                .raised_if(sources.outside && is_exposed(world, workload));
            let near = |from: &Workload<'_>| from.namespace == workload.namespace;
            if let Some(policy) = closing(world, workload, (listener.protocol, listener.port), near) {
                draft.new_object_after(workload.document, &policy);
            }
        }
    }
}

pub(super) fn debug_endpoint<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (collector, listener, workload) in each_listener(world) {
        let debug = listener.purpose == Purpose::Extension
            && ["zpages", "pprof"].iter().any(|kind| listener.name.starts_with(kind));
        if !debug || !listener.is_open() {
            continue;
        }
        let sources = world.sources(workload, listener.protocol, listener.port, |_| false);
        if !sources.is_empty() {
            let draft = found
                .add_at(
                    collector.document,
                    collector.pointer.clone(),
                    listener.span,
                    format!("{} on port {} answers {}", listener.name, listener.port, sources.words()),
                )
                .reached_by(world, &sources, workload, (listener.protocol, listener.port));
            let at = parapet_manifest::pointer(["extensions", &*listener.name, "endpoint"]);
            collector.set(draft, &at, json!(format!("localhost:{}", listener.port)));
        }
    }
}

pub(super) fn own_metrics<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (collector, listener, workload) in each_listener(world) {
        if listener.purpose != Purpose::Telemetry || !listener.is_open() {
            continue;
        }
        let sources =
            world.sources(workload, listener.protocol, listener.port, |from| from.has_role(Role::Prometheus));
        if !sources.is_empty() {
            let draft = found
                .add_at(
                    collector.document,
                    collector.pointer.clone(),
                    listener.span,
                    format!("the collector's metrics on port {} answer {}", listener.port, sources.words()),
                )
                .reached_by(world, &sources, workload, (listener.protocol, listener.port));
            let scraper = |from: &Workload<'_>| from.has_role(Role::Prometheus);
            if let Some(policy) = closing(world, workload, (listener.protocol, listener.port), scraper) {
                draft.new_object_after(workload.document, &policy);
            }
        }
    }
}

/// Whether a peer is Prometheus, as far as its labels say.
pub(super) fn is_prometheus(rule: &PolicyRule<'_>) -> bool {
    rule.peers().iter().any(|(_, peer)| {
        peer.at("/podSelector/matchLabels")
            .map_or(&[] as &[_], Node::entries)
            .iter()
            .any(|entry| entry.value.as_str() == Some("prometheus"))
    })
}

pub(super) fn shared_port<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.ingress) {
        let rules = policy.rules(Direction::Ingress);
        let data: Vec<i64> = rules
            .iter()
            .filter(|rule| !is_prometheus(rule))
            .flat_map(|rule| {
                rule.ports().into_iter().filter_map(|(_, port)| number(port)).collect::<Vec<_>>()
            })
            .collect();
        for rule in rules.iter().filter(|rule| is_prometheus(rule)) {
            for (pointer, port) in rule.ports() {
                if let Some(port) = number(port).filter(|port| data.contains(port)) {
                    found.add(
                        policy.document,
                        format!("{pointer}/port"),
                        format!("{port} is the port for data as well: whoever scrapes may also push"),
                    );
                }
            }
        }
    }
}
