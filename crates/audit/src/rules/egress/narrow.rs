//! What a rule that lets out too much becomes: rules for what is really sent to.

use std::net::IpAddr;

use parapet_manifest::Node;
use serde_json::{Value, json};

use super::{METADATA_SERVICE, uses_kubernetes};
use crate::finding::Draft;
use crate::least;
use crate::reach::{End, Protocol};
use crate::rules::policies::allows_dns;
use crate::world::{Direction, Policy, PolicyRule, Role, Workload, World};

/// Rules for all that the workloads of a policy send to; none if something of it can't be told.
pub(super) fn what_is_used(world: &World<'_>, policy: &Policy<'_>) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    let mut take = |rule: Value| {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    };
    for number in &policy.selects {
        let Some(workload) = world.workloads.get(*number) else { continue };
        let known = least::egress(world, workload);
        known["spec"]["egress"].as_array().into_iter().flatten().cloned().for_each(&mut take);
        for collector in world.collectors.iter().filter(|collector| collector.workloads.contains(number)) {
            for exporter in &collector.exporters {
                if least::service_of(world, &exporter.host, workload.namespace).is_some() {
                    continue;
                }
                match exporter.host.parse::<IpAddr>() {
                    Ok(address) => take(outside(&ipnet::IpNet::from(address), &[], exporter.port)),
                    // No policy can name a host: its port is what can be told.
                    Err(_) if exporter.host.contains('.') && !exporter.host.contains('$') => {
                        take(outside(&everywhere(), &[ipnet::IpNet::from(METADATA_SERVICE)], exporter.port));
                        take(least::dns());
                    }
                    Err(_) => return Vec::new(),
                }
            }
        }
        if uses_kubernetes(world, workload) {
            if world.options.api_server.is_empty() {
                return Vec::new();
            }
            take(least::api_server(world));
        }
    }
    rules
}

fn everywhere() -> ipnet::IpNet {
    ipnet::IpNet::V4(ipnet::Ipv4Net::default())
}

/// A rule for a port of addresses.
pub(super) fn outside(block: &ipnet::IpNet, except: &[ipnet::IpNet], port: u16) -> Value {
    let mut to = json!({"ipBlock": {"cidr": block.to_string()}});
    if !except.is_empty() {
        to["ipBlock"]["except"] = except.iter().map(ToString::to_string).collect();
    }
    json!({"to": [to], "ports": [least::port((Protocol::Tcp, port))]})
}

/// Rules for the gateways that an agent sends to, where it is let through to them today and one policy says all.
pub(super) fn to_its_gateway(world: &World<'_>, agent: &Workload<'_>) -> Option<Value> {
    let policies: Vec<&Policy<'_>> = world.isolating(agent, Direction::Egress).collect();
    let [policy] = policies.as_slice() else { return None };
    let gateways: Vec<usize> = world
        .shown()
        .servers(agent.number)
        .filter(|(number, ports)| {
            ports.iter().all(|(protocol, port)| {
                world.allows(End::Workload(agent.number), End::Workload(*number), *protocol, *port)
            })
        })
        .map(|(number, _)| number)
        .collect();
    let is_gateway = |number: &usize| {
        world.workloads[*number]
            .role
            .is_some_and(|role| role.is_collector() || matches!(role, Role::Logstash | Role::Elasticsearch))
    };
    let servers = world.shown().servers(agent.number).count();
    let all = !gateways.is_empty() && gateways.len() == servers && gateways.iter().all(is_gateway);
    if !all || policy.selects != [agent.number] {
        return None;
    }
    let mut rules = least::egress(world, agent)["spec"]["egress"].take();
    if !allows_dns(policy) {
        rules.as_array_mut()?.retain(|rule| *rule != least::dns());
    }
    Some(rules)
}

/// The patch leaves of a rule for addresses only the ports that are wanted. Rules for everybody are OBS-EG-01's and OBS-EG-02's.
pub(super) fn restrict_outwards(draft: &mut Draft<'_>, rule: &PolicyRule<'_>, wanted: impl Fn(i64) -> bool) {
    let peers = rule.peers();
    if peers.is_empty() || !peers.iter().all(|(_, peer)| peer.get("ipBlock").is_some()) {
        return;
    }
    let ports = rule.ports();
    let number =
        |port: &Node| port.get("port").and_then(Node::as_i64).filter(|_| port.get("endPort").is_none());
    if ports.is_empty() {
        draft.set(format!("{}/ports", rule.pointer), json!([least::port((Protocol::Tcp, 443))]));
    } else if ports.iter().all(|(_, port)| number(port).is_some_and(|port| !wanted(port))) {
        draft.remove(&rule.pointer);
    } else if ports.iter().all(|(_, port)| number(port).is_some()) {
        let kept = ports.iter().filter(|(_, port)| number(port).is_some_and(&wanted));
        draft.set(format!("{}/ports", rule.pointer), kept.map(|(_, port)| port.to_json()).collect());
    }
}
