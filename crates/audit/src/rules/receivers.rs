//! What collectors open, and what policies open for them: OBS-RX-01 to 11.

mod listeners;
mod senders;

use parapet_manifest::Node;
use serde_json::{Value, json};

use super::repair::connect;
use crate::finding::Findings;
use crate::least;
use crate::reach::{End, Protocol};
use crate::rule::Needs::{Manifests, Reach};
use crate::rule::Severity::{High, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Collector, Direction, Listener, Policy, PolicyRule, Role, Workload, World, address};
use listeners::{debug_endpoint, own_metrics, shared_port, unauthenticated};
use senders::{open_receiver, senders};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Receivers, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-RX-01",
        High,
        Manifests,
        "Anybody may push telemetry",
        "A rule without `from` on receivers' ports admits every pod, node and address: they can fill the store, forge traces, or exploit a decoder.",
        "Restrict `from` to the senders.",
        from_anybody,
    ),
    rule(
        "OBS-RX-02",
        Medium,
        Manifests,
        "A port is opened that nothing listens on",
        "Whatever listens there one day is open at once.",
        "Delete the port.",
        no_receiver,
    ),
    rule(
        "OBS-RX-03",
        Medium,
        Reach,
        "A receiver can't be reached",
        "It is configured and no policy lets anybody in: its telemetry is lost at the sender.",
        "Add the port.",
        unreachable_receiver,
    ),
    rule(
        "OBS-RX-04",
        High,
        Manifests,
        "A UDP port is opened as TCP",
        "The receiver listens on UDP: the rule opens nothing it needs, and its packets are dropped without an error.",
        "Set protocol: UDP.",
        wrong_protocol,
    ),
    rule(
        "OBS-RX-05",
        Low,
        Manifests,
        "A legacy receiver or port is in use",
        "OpenCensus and the old OTLP ports get no fixes and no encryption by default.",
        "Use OTLP on 4317 and 4318.",
        legacy,
    ),
    rule(
        "OBS-RX-06",
        Medium,
        Reach,
        "A receiver takes clear text without authentication from other namespaces",
        "It is bound to all addresses, has no TLS and no authenticator, and is reached from outside of its namespace.",
        "Configure tls and an authenticator, or restrict who reaches it.",
        unauthenticated,
    ),
    rule(
        "OBS-RX-07",
        Medium,
        Reach,
        "A debugging endpoint is exposed",
        "zpages and pprof show memory, configuration and traffic to whoever asks.",
        "Bind it to localhost.",
        debug_endpoint,
    ),
    rule(
        "OBS-RX-08",
        Medium,
        Reach,
        "A collector's own metrics are open to others than Prometheus",
        "They name sources, queues and errors.",
        "Admit only Prometheus.",
        own_metrics,
    ),
    rule(
        "OBS-RX-09",
        Medium,
        Manifests,
        "Data and metrics share one port",
        "The rule for scraping also lets Prometheus push data, and the senders read metrics.",
        "Serve metrics on a port of their own.",
        shared_port,
    ),
    rule(
        "OBS-RX-10",
        High,
        Manifests,
        "A policy guards only what goes out",
        "The component is open to everybody inwards.",
        "Add Ingress to policyTypes.",
        egress_only,
    ),
    rule(
        "OBS-RX-11",
        Medium,
        Reach,
        "An application's traces don't get through",
        "Its exporter is pointed at a collector that a policy keeps it from: spans are dropped silently.",
        "Admit the application's namespace.",
        spans_dropped,
    ),
];

/// Ports that telemetry is received on: OTLP, Jaeger, Zipkin, OpenCensus, StatsD, syslog, forward.
const RECEIVER_PORTS: &[i64] =
    &[4317, 4318, 14250, 14268, 6831, 6832, 9411, 55678, 55680, 55681, 8125, 514, 8006, 24321, 24224, 5044];

/// Ports whose protocol is UDP.
const UDP_PORTS: &[i64] = &[6831, 6832, 8125, 2055];

/// Ports of protocols that are no longer kept.
const LEGACY_PORTS: &[i64] = &[55678, 55680, 55681];

fn number(port: &Node) -> Option<i64> {
    port.get("port").and_then(Node::as_i64)
}

fn each_ingress<'w>(world: &'w World<'w>) -> impl Iterator<Item = (&'w Policy<'w>, PolicyRule<'w>)> {
    world
        .policies
        .iter()
        .filter(|policy| policy.ingress)
        .flat_map(|policy| policy.rules(Direction::Ingress).into_iter().map(move |rule| (policy, rule)))
}

fn from_anybody<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_ingress(world).filter(|(_, rule)| rule.is_for_anybody()) {
        let ports: Vec<i64> = rule.ports().iter().filter_map(|(_, port)| number(port)).collect();
        let collectors =
            policy.selects.iter().any(|number| world.workloads[*number].role.is_some_and(Role::is_collector));
        let receiving: Vec<String> =
            ports.iter().filter(|port| RECEIVER_PORTS.contains(port)).map(i64::to_string).collect();
        if !receiving.is_empty() || (ports.is_empty() && collectors) {
            let what = if receiving.is_empty() { "every port".to_owned() } else { receiving.join(", ") };
            let draft = found.add(
                policy.document,
                rule.pointer.clone(),
                format!("every pod, node and address may push telemetry to {what}"),
            );
            let senders = senders(world, policy, |port| rule.covers(port.0, port.1));
            if !senders.is_empty() {
                draft.set(format!("{}/from", rule.pointer), Value::Array(senders));
            }
        }
    }
}

/// The configuration that a workload runs, if it is in the input.
fn collectors_of<'w>(world: &'w World<'w>, number: usize) -> impl Iterator<Item = &'w Collector<'w>> {
    world.collectors.iter().filter(move |collector| collector.workloads.contains(&number))
}

/// What a patch takes out to close a port: the whole rule if none of its ports is to stay, because a rule without ports
/// lets all of them through.
fn closing(world: &World<'_>, policy: &Policy<'_>, rule: &PolicyRule<'_>, pointer: &str) -> String {
    let listening: Vec<i64> = policy
        .selects
        .iter()
        .flat_map(|number| collectors_of(world, *number))
        .flat_map(|collector| &collector.listeners)
        .map(|listener| i64::from(listener.port))
        .collect();
    let stays = |port: i64| {
        !LEGACY_PORTS.contains(&port) && (listening.is_empty() || listening.contains(&port) || port == 8888)
    };
    let one_stays = rule.ports().iter().any(|(_, port)| number(port).is_none_or(stays));
    if one_stays { pointer.to_owned() } else { rule.pointer.clone() }
}

fn no_receiver<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_ingress(world) {
        let configured: Vec<&Listener> = policy
            .selects
            .iter()
            .flat_map(|number| collectors_of(world, *number))
            .flat_map(|collector| &collector.listeners)
            .collect();
        if configured.is_empty() {
            continue;
        }
        for (pointer, port) in rule.ports() {
            let Some(opened) = number(port) else { continue };
            let listens = configured.iter().any(|listener| i64::from(listener.port) == opened);
            // Without an address of its own a collector serves its metrics on 8888.
            if !listens && opened != 8888 {
                found
                    .add(
                        policy.document,
                        format!("{pointer}/port"),
                        format!("port {opened} is open, and no receiver or extension listens on it"),
                    )
                    .remove(closing(world, policy, &rule, &pointer));
            }
        }
    }
}

fn unreachable_receiver<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for collector in &world.collectors {
        for number in &collector.workloads {
            let to = &world.workloads[*number];
            if world.isolating(to, Direction::Ingress).next().is_none() {
                continue;
            }
            for listener in collector.receivers().filter(|listener| listener.is_open()) {
                let end = End::Workload(*number);
                let reached = world.allows(End::Outside, end, listener.protocol, listener.port)
                    || world.workloads.iter().any(|from| {
                        from.number != *number
                            && world.allows(End::Workload(from.number), end, listener.protocol, listener.port)
                    })
                    || world.isolating(to, Direction::Ingress).any(|policy| {
                        policy
                            .rules(Direction::Ingress)
                            .iter()
                            .any(|rule| rule.covers(listener.protocol, listener.port))
                    });
                if !reached {
                    let draft = found.add_at(
                        collector.document,
                        collector.pointer.clone(),
                        listener.span,
                        format!(
                            "no policy of {to} admits anybody to the receiver {} on {:?} {}",
                            listener.name, listener.protocol, listener.port
                        ),
                    );
                    open_receiver(world, draft, to, listener);
                }
            }
        }
    }
}

fn wrong_protocol<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_ingress(world) {
        let udp: Vec<i64> = policy
            .selects
            .iter()
            .flat_map(|number| collectors_of(world, *number))
            .flat_map(Collector::receivers)
            .filter(|listener| listener.protocol == Protocol::Udp)
            .map(|listener| i64::from(listener.port))
            .collect();
        for (pointer, port) in rule.ports() {
            let tcp = port.get("protocol").and_then(Node::as_str).is_none_or(|protocol| protocol == "TCP");
            let Some(opened) =
                number(port).filter(|opened| tcp && (udp.contains(opened) || UDP_PORTS.contains(opened)))
            else {
                continue;
            };
            let also_udp = rule.ports().iter().any(|(_, other)| {
                number(other) == Some(opened) && other.get("protocol").and_then(Node::as_str) == Some("UDP")
            });
            if !also_udp {
                found
                    .add(
                        policy.document,
                        pointer.clone(),
                        format!("port {opened} is opened as TCP; its receiver listens on UDP"),
                    )
                    .set(format!("{pointer}/protocol"), json!("UDP"));
            }
        }
    }
}

fn legacy<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_ingress(world) {
        for (pointer, port) in rule.ports() {
            if let Some(opened) = number(port).filter(|opened| LEGACY_PORTS.contains(opened)) {
                found
                    .add(policy.document, format!("{pointer}/port"), format!("port {opened} is a legacy one"))
                    .remove(closing(world, policy, &rule, &pointer));
            }
        }
    }
    for collector in &world.collectors {
        for (section, kind) in
            [("receivers", "opencensus"), ("exporters", "jaeger"), ("exporters", "opencensus")]
        {
            for entry in collector.root.get(section).map_or(&[] as &[_], Node::entries) {
                if entry.key.name.split('/').next() == Some(kind) {
                    found.add_at(
                        collector.document,
                        collector.pointer.clone(),
                        entry.key.span,
                        format!("{kind} is deprecated: use otlp"),
                    );
                }
            }
        }
    }
}

fn egress_only<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.egress && !policy.ingress) {
        let guarded = policy
            .selects
            .iter()
            .all(|number| world.isolating(&world.workloads[*number], Direction::Ingress).next().is_some());
        let other = world.policies.iter().any(|other| {
            other.ingress
                && other.namespace == policy.namespace
                && (other.selects_all()
                    || other.document.at("/spec/podSelector").map(Node::to_json)
                        == policy.document.at("/spec/podSelector").map(Node::to_json))
        });
        if (policy.selects.is_empty() || !guarded) && !other {
            found
                .add(
                    policy.document,
                    "/spec/policyTypes",
                    format!(
                        "what {} selects is open inwards: nothing isolates its ingress",
                        policy.document.name
                    ),
                )
                .push("/spec/policyTypes", json!("Ingress"));
        }
    }
}

/// The variables that point an application at a collector.
const EXPORTER_VARIABLES: &[&str] = &["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

fn spans_dropped<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.workloads.iter().filter(|workload| !workload.role.is_some_and(Role::is_collector)) {
        for variable in workload.containers.iter().flat_map(|container| container.variables()) {
            if !EXPORTER_VARIABLES.contains(&variable.name) {
                continue;
            }
            let rest = variable.value.split_once("://").map_or(variable.value, |(_, rest)| rest);
            let (host, port) = address(rest.split('/').next().unwrap_or(rest), 4317);
            let mut parts = host.split('.');
            let (service, namespace) =
                (parts.next().unwrap_or(""), parts.next().unwrap_or(workload.namespace));
            let Some(service) = world.find("Service", namespace, service) else { continue };
            let ends: Vec<(&Workload<'_>, u16)> = world
                .backends(service)
                .into_iter()
                .map(|to| (to, least::translated(service, port, to)))
                .collect();
            let open = ends.iter().any(|(to, port)| {
                world.allows(End::Workload(workload.number), End::Workload(to.number), Protocol::Tcp, *port)
            });
            if !ends.is_empty() && !open {
                let draft = found.add_pod(
                    workload,
                    variable.pointer.clone(),
                    format!("{workload} can't connect to {host}:{port}: its traces are dropped"),
                );
                for (to, port) in ends {
                    connect(world, draft, workload, to, &[(Protocol::Tcp, port)]);
                }
            }
        }
    }
}
