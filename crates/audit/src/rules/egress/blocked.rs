//! What the pipeline must reach and may not: OBS-EG-06 to 08.

use std::net::IpAddr;

use parapet_manifest::Node;

use crate::finding::Findings;
use crate::least::translated;
use crate::reach::{End, Protocol};
use crate::rules::metrics::monitors::targets;
use crate::rules::metrics::scrapes::scrapes;
use crate::rules::repair::connect;
use crate::world::{Direction, Role, Workload, World};

pub(super) fn targets_closed<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let collectors: Vec<&Workload<'_>> = world
        .workloads
        .iter()
        .filter(|workload| workload.role.is_some_and(Role::is_collector))
        .filter(|workload| {
            workload.labels.values().any(|value| value.contains("metrics"))
                || workload.name.contains("metrics")
        })
        .filter(|workload| world.isolating(workload, Direction::Egress).next().is_some())
        .collect();
    for collector in collectors {
        let all: Vec<(&Workload<'_>, u16)> =
            scrapes(world).iter().flat_map(|scrape| targets(world, scrape)).collect();
        let cut: Vec<&(&Workload<'_>, u16)> = all
            .iter()
            .filter(|(target, port)| {
                target.number != collector.number
                    && !world.allows(
                        End::Workload(collector.number),
                        End::Workload(target.number),
                        Protocol::Tcp,
                        *port,
                    )
            })
            .collect();
        let closed: Vec<String> = cut.iter().map(|(target, port)| format!("{target}:{port}")).collect();
        if let Some(policy) =
            world.isolating(collector, Direction::Egress).next().filter(|_| !closed.is_empty())
        {
            let draft = found
                .add(
                    policy.document,
                    "/spec/egress",
                    format!("{collector} can't reach {} of {} targets", closed.len(), all.len()),
                )
                .evidence(closed);
            for (target, port) in cut {
                connect(world, draft, collector, target, &[(Protocol::Tcp, *port)]);
            }
        }
    }
}

pub(super) fn no_allocator<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for collector in world
        .collectors
        .iter()
        .filter(|collector| collector.root.at("/receivers/prometheus/target_allocator").is_some())
    {
        for number in &collector.workloads {
            for allocator in world.of(&[Role::TargetAllocator]) {
                let reached = [8080, 80].iter().any(|port| {
                    world.allows(
                        End::Workload(*number),
                        End::Workload(allocator.number),
                        Protocol::Tcp,
                        *port,
                    )
                });
                if !reached {
                    let span = collector.root.place("/receivers/prometheus/target_allocator");
                    let own = &world.workloads[*number];
                    let draft = found.add_at(
                        collector.document,
                        collector.pointer.clone(),
                        span,
                        format!(
                            "{own} can't reach its target allocator {allocator}: it gets nothing to scrape"
                        ),
                    );
                    let port = allocator.ports().first().map_or(8080, |port| port.number);
                    connect(world, draft, own, allocator, &[(Protocol::Tcp, port)]);
                }
            }
        }
    }
}

pub(super) fn exporter_blocked<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for collector in &world.collectors {
        for exporter in &collector.exporters {
            let (name, namespace) = exporter
                .host
                .split_once('.')
                .map_or((exporter.host.as_str(), None), |(name, rest)| (name, rest.split('.').next()));
            for number in &collector.workloads {
                let own = &world.workloads[*number];
                let service = world.find("Service", namespace.unwrap_or(own.namespace), name);
                let open = match service {
                    Some(service) => {
                        let backends = world.backends(service);
                        let ports = service.at("/spec/ports").map_or(&[] as &[Node], Node::items);
                        let target = ports
                            .iter()
                            .find(|port| {
                                port.get("port").and_then(Node::as_i64) == Some(i64::from(exporter.port))
                            })
                            .and_then(|port| port.get("targetPort").and_then(Node::as_i64))
                            .and_then(|port| u16::try_from(port).ok())
                            .unwrap_or(exporter.port);
                        backends.is_empty()
                            || backends.iter().any(|to| {
                                world.allows(
                                    End::Workload(*number),
                                    End::Workload(to.number),
                                    Protocol::Tcp,
                                    target,
                                )
                            })
                    }
                    None => match exporter.host.parse() {
                        Ok(address) => world.allows(
                            End::Workload(*number),
                            End::Address(address),
                            Protocol::Tcp,
                            exporter.port,
                        ),
                        Err(_) => {
                            exporter.host.contains(".svc")
                                || exporter.host.contains('$')
                                || world.allows(
                                    End::Workload(*number),
                                    End::Somewhere,
                                    Protocol::Tcp,
                                    exporter.port,
                                )
                        }
                    },
                };
                if open {
                    continue;
                }
                let draft = found.add_at(
                    collector.document,
                    collector.pointer.clone(),
                    exporter.span,
                    format!(
                        "the exporter {} can't send: {own} → {}:{} is blocked",
                        exporter.name, exporter.host, exporter.port
                    ),
                );
                if let Some(service) = service {
                    for to in world.backends(service) {
                        connect(
                            world,
                            draft,
                            own,
                            to,
                            &[(Protocol::Tcp, translated(service, exporter.port, to))],
                        );
                    }
                } else if let (Ok(address), Some(policy)) =
                    (exporter.host.parse::<IpAddr>(), world.isolating(own, Direction::Egress).next())
                {
                    draft.push_in(
                        policy.document,
                        "/spec/egress",
                        super::narrow::outside(&ipnet::IpNet::from(address), &[], exporter.port),
                    );
                }
            }
        }
    }
}
