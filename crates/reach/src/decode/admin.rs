//! AdminNetworkPolicy, BaselineAdminNetworkPolicy (v1alpha1) and ClusterNetworkPolicy (v1alpha2).

use std::sync::Arc;

use super::field::Field;
use super::network_policy::{cidr, protocol};
use super::selector::{is_port_name, selector};
use crate::model::{
    Action, AdminKind, AdminPeer, AdminPolicy, AdminRule, PolicyPort, Selector, Subject, Tier,
};
use crate::portset::Protocol;

/// Rules per direction in v1alpha1.
const MOST_RULES_V1ALPHA1: usize = 100;
/// Rules per direction, peers per rule and networks per peer in v1alpha2.
const MOST_V1ALPHA2: usize = 25;
/// The largest priority.
const LAST_PRIORITY: i64 = 1000;

/// Reads `spec`; nothing comes back if it can't be told whom, or when, the policy is about.
pub(super) fn admin_policy(spec: &Field<'_>, kind: AdminKind, name: Arc<str>) -> Option<AdminPolicy> {
    let (tier, priority) = match kind {
        AdminKind::AdminNetworkPolicy => {
            spec.only(&["priority", "subject", "ingress", "egress"]);
            (Tier::Admin, priority(spec)?)
        }
        AdminKind::BaselineAdminNetworkPolicy => {
            spec.only(&["subject", "ingress", "egress"]);
            if &*name != "default" {
                spec.error("a BaselineAdminNetworkPolicy must be named \"default\"");
                return None;
            }
            (Tier::Baseline, 0)
        }
        AdminKind::ClusterNetworkPolicy => {
            spec.only(&["tier", "priority", "subject", "ingress", "egress"]);
            let tier = match spec.get("tier").text() {
                Some("Admin") => Tier::Admin,
                Some("Baseline") => Tier::Baseline,
                other => {
                    spec.get("tier").error(format!("tier must be Admin or Baseline, is {other:?}"));
                    return None;
                }
            };
            (tier, priority(spec)?)
        }
    };
    let subject = subject(&spec.get("subject"))?;
    let rules = |key: &str, peers_key: &str| {
        let rules = spec.get(key).list();
        let most = if kind == AdminKind::ClusterNetworkPolicy { MOST_V1ALPHA2 } else { MOST_RULES_V1ALPHA1 };
        if rules.len() > most {
            spec.get(key).error(format!("{} rules; the API takes {most} at most", rules.len()));
        }
        rules.iter().filter_map(|field| rule(field, kind, peers_key)).collect()
    };
    let (ingress, egress) = (rules("ingress", "from"), rules("egress", "to"));
    Some(AdminPolicy { kind, name, tier, priority, subject, ingress, egress })
}

fn priority(spec: &Field<'_>) -> Option<u32> {
    let field = spec.get("priority");
    if !field.is_present() {
        field.error("priority is missing");
        return None;
    }
    let number = field.integer()?;
    if !(0..=LAST_PRIORITY).contains(&number) {
        field.error(format!("priority {number} isn't between 0 and {LAST_PRIORITY}"));
    }
    u32::try_from(number).ok()
}

fn subject(field: &Field<'_>) -> Option<Subject> {
    field.only(&["namespaces", "pods"]);
    let subject = pods_peer(field);
    if subject.is_none() {
        field.error("must have exactly one of namespaces and pods, with valid selectors");
    }
    subject
}

/// `namespaces` alone or `pods` alone: their selectors are required, so null isn't everything.
fn pods_peer(field: &Field<'_>) -> Option<Subject> {
    let (namespaces, pods) = (field.get("namespaces"), field.get("pods"));
    if namespaces.is_present() == pods.is_present() {
        return None;
    }
    if namespaces.is_present() {
        let namespaces = selector(&namespaces).ok().flatten()?;
        return Some(Subject { namespaces, pods: Selector::everything() });
    }
    pods.only(&["namespaceSelector", "podSelector"]);
    let required = |key: &str| {
        let field = pods.get(key);
        if !field.is_present() {
            field.error(format!("{key} is required here; {{}} means all"));
        }
        selector(&field).ok().flatten()
    };
    Some(Subject { namespaces: required("namespaceSelector")?, pods: required("podSelector")? })
}

fn rule(field: &Field<'_>, kind: AdminKind, peers_key: &str) -> Option<AdminRule> {
    let ports_key = if kind == AdminKind::ClusterNetworkPolicy { "protocols" } else { "ports" };
    field.only(&["name", "action", peers_key, ports_key]);
    let allow = if kind == AdminKind::ClusterNetworkPolicy { "Accept" } else { "Allow" };
    let action_field = field.get("action");
    let action = match action_field.text() {
        Some(text) if text == allow => Action::Allow,
        Some("Deny") => Action::Deny,
        Some("Pass") if kind != AdminKind::BaselineAdminNetworkPolicy => Action::Pass,
        other => {
            action_field.error(format!("unknown action {other:?}; the rule is left out"));
            return None;
        }
    };
    let peers_field = field.get(peers_key);
    let peers = peers_field.list();
    if peers.is_empty() {
        peers_field.error("a rule needs at least one peer");
    }
    if kind == AdminKind::ClusterNetworkPolicy && peers.len() > MOST_V1ALPHA2 {
        peers_field.error(format!("{} peers; the API takes {MOST_V1ALPHA2} at most", peers.len()));
    }
    let peers: Vec<AdminPeer> = peers.iter().map(|field| peer(field, kind, peers_key == "to")).collect();
    let ports = field.get(ports_key).list();
    let read: Vec<PolicyPort> = ports
        .iter()
        .flat_map(|field| if ports_key == "protocols" { protocol_entry(field) } else { port(field) })
        .collect();
    if peers.iter().any(|peer| matches!(peer, AdminPeer::DomainNames(_))) && action != Action::Allow {
        peers_field.error(format!("domainNames work with {allow} only"));
    }
    Some(AdminRule {
        name: field.get("name").text().map(str::to_owned),
        action: fail_closed(action, &peers),
        peers,
        ports: (!ports.is_empty()).then_some(read),
    })
}

/// A rule with a peer that nobody recognises must not let traffic past: Pass becomes Deny, and Allow loses that peer.
fn fail_closed(action: Action, peers: &[AdminPeer]) -> Action {
    if action == Action::Pass && peers.contains(&AdminPeer::Unrecognised) { Action::Deny } else { action }
}

fn peer(field: &Field<'_>, kind: AdminKind, egress: bool) -> AdminPeer {
    let kinds: Vec<&str> =
        field.map().into_iter().filter(|(_, f)| f.is_present()).map(|(key, _)| key).collect();
    let read = match kinds.as_slice() {
        ["namespaces" | "pods"] => pods_peer(field).map(AdminPeer::Pods),
        ["nodes"] if egress => selector(&field.get("nodes")).ok().flatten().map(AdminPeer::Nodes),
        ["networks"] if egress => {
            let networks = field.get("networks").list();
            if kind == AdminKind::ClusterNetworkPolicy && networks.len() > MOST_V1ALPHA2 {
                field.error(format!("{} networks; the API takes {MOST_V1ALPHA2} at most", networks.len()));
            }
            let read: Vec<_> = networks.iter().filter_map(cidr).collect();
            (read.len() == networks.len() && !read.is_empty()).then_some(AdminPeer::Networks(read))
        }
        ["domainNames"] if egress => {
            let names = field.get("domainNames").texts().into_iter().map(str::to_owned).collect();
            Some(AdminPeer::DomainNames(names))
        }
        _ => None,
    };
    read.unwrap_or_else(|| {
        field.error("unrecognised peer: an allowing rule doesn't allow it, any other rule denies it");
        AdminPeer::Unrecognised
    })
}

/// v1alpha1: `portNumber`, `namedPort` or `portRange`.
fn port(field: &Field<'_>) -> Vec<PolicyPort> {
    field.only(&["portNumber", "namedPort", "portRange"]);
    let read = if field.get("portNumber").is_present() {
        let number = field.get("portNumber");
        protocol(&number.get("protocol")).zip(number.get("port").port()).map(|(p, n)| PolicyPort::one(p, n))
    } else if field.get("portRange").is_present() {
        range(&field.get("portRange"), protocol(&field.at(&["portRange", "protocol"])))
    } else {
        named(&field.get("namedPort"))
    };
    if read.is_none() {
        field.error("must have exactly one of portNumber, namedPort and portRange");
    }
    read.into_iter().collect()
}

/// v1alpha2: `tcp`, `udp`, `sctp` with a destination port, or `destinationNamedPort`.
fn protocol_entry(field: &Field<'_>) -> Vec<PolicyPort> {
    field.only(&["tcp", "udp", "sctp", "destinationNamedPort"]);
    if field.get("destinationNamedPort").is_present() {
        return named(&field.get("destinationNamedPort")).into_iter().collect();
    }
    let of = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
    let given = of.into_iter().find(|(key, _)| field.get(key).is_present());
    let read = given.and_then(|(key, protocol)| {
        let port = field.at(&[key, "destinationPort"]);
        if !port.is_present() {
            return Some(PolicyPort::all_of(protocol));
        }
        port.only(&["number", "range"]);
        if port.get("number").is_present() {
            port.get("number").port().map(|number| PolicyPort::one(protocol, number))
        } else {
            range(&port.get("range"), Some(protocol))
        }
    });
    if read.is_none() {
        field.error("must have exactly one of tcp, udp, sctp and destinationNamedPort");
    }
    read.into_iter().collect()
}

fn range(field: &Field<'_>, protocol: Option<Protocol>) -> Option<PolicyPort> {
    let (first, last) = (field.get("start").port()?, field.get("end").port()?);
    if last < first {
        field.get("end").error(format!("end {last} is below start {first}"));
        return None;
    }
    Some(PolicyPort::Range { protocol: protocol?, first, last })
}

fn named(field: &Field<'_>) -> Option<PolicyPort> {
    let name = field.text()?;
    if !is_port_name(name) {
        field.error(format!("{name:?} can't be a port's name"));
        return None;
    }
    Some(PolicyPort::Named { protocol: None, name: name.to_owned() })
}
