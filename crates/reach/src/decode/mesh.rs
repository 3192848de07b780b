//! Istio's AuthorizationPolicy, PeerAuthentication and Sidecar.

use std::sync::Arc;

use ipnet::IpNet;

use super::field::Field;
use super::network_policy::cidr;
use super::selector::selector;
use crate::model::Selector;
use crate::model::mesh::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, Either, From, PeerAuthentication,
    Sidecar, Text, TlsMode, To,
};

/// `selector`; the outer None if it can't be read.
fn scope(field: &Field<'_>) -> Option<Option<Selector>> {
    selector(field).ok()
}

pub(super) fn authorization_policy(
    spec: &Field<'_>,
    namespace: Arc<str>,
    name: Arc<str>,
) -> Option<AuthorizationPolicy> {
    spec.only(&["selector", "targetRef", "targetRefs", "rules", "action", "provider"]);
    let action = match spec.get("action").text() {
        None | Some("ALLOW") => AuthorizationAction::Allow,
        Some("DENY") => AuthorizationAction::Deny,
        Some("AUDIT") => AuthorizationAction::Audit,
        Some("CUSTOM") => AuthorizationAction::Custom,
        Some(other) => {
            spec.get("action").error(format!("unknown action {other:?}"));
            return None;
        }
    };
    let targets_gateways = spec.get("targetRef").is_present() || !spec.get("targetRefs").list().is_empty();
    let selector = scope(&spec.get("selector"))?;
    let rules = spec.get("rules").list().iter().map(rule).collect();
    Some(AuthorizationPolicy { namespace, name, action, selector, targets_gateways, rules })
}

fn rule(field: &Field<'_>) -> AuthorizationRule {
    field.only(&["from", "to", "when"]);
    AuthorizationRule {
        from: field.get("from").list().iter().map(|item| from(&item.get("source"))).collect(),
        to: field.get("to").list().iter().map(|item| to(&item.get("operation"))).collect(),
        when: field.get("when").list().iter().filter_map(condition).collect(),
    }
}

fn from(source: &Field<'_>) -> From {
    let http = ["requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks"];
    From {
        principals: texts(source, "principals", "notPrincipals"),
        namespaces: texts(source, "namespaces", "notNamespaces"),
        ip_blocks: Either { any: blocks(&source.get("ipBlocks")), not: blocks(&source.get("notIpBlocks")) },
        needs_http: http.iter().any(|key| source.get(key).is_present()),
    }
}

fn to(operation: &Field<'_>) -> To {
    let http = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"];
    To {
        ports: Either { any: ports(&operation.get("ports")), not: ports(&operation.get("notPorts")) },
        needs_http: http.iter().any(|key| operation.get(key).is_present()),
    }
}

fn condition(field: &Field<'_>) -> Option<Condition> {
    let (values, not) = (field.get("values"), field.get("notValues"));
    Some(match field.get("key").text()? {
        "source.principal" => Condition::Principal(texts(field, "values", "notValues")),
        "source.namespace" => Condition::Namespace(texts(field, "values", "notValues")),
        "source.ip" => Condition::Address(Either { any: blocks(&values), not: blocks(&not) }),
        "destination.port" => Condition::Port(Either { any: ports(&values), not: ports(&not) }),
        other => Condition::Request(other.to_owned()),
    })
}

fn texts(field: &Field<'_>, any: &str, not: &str) -> Either<Text> {
    let read = |key: &str| field.get(key).texts().into_iter().map(Text::new).collect();
    Either { any: read(any), not: read(not) }
}

/// Blocks; a lone address is a block of one.
fn blocks(field: &Field<'_>) -> Vec<IpNet> {
    let one = |item: &Field<'_>| match item.text()?.parse::<std::net::IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => cidr(item),
    };
    field.list().iter().filter_map(one).collect()
}

/// Ports, which Istio writes as texts.
fn ports(field: &Field<'_>) -> Vec<u16> {
    let one = |item: &Field<'_>| match item.text()?.parse::<u16>() {
        Ok(port) if port > 0 => Some(port),
        _ => {
            item.error("must be a port from 1 to 65535");
            None
        }
    };
    field.list().iter().filter_map(one).collect()
}

pub(super) fn peer_authentication(
    object: &Field<'_>,
    namespace: Arc<str>,
    name: Arc<str>,
) -> Option<PeerAuthentication> {
    let spec = object.get("spec");
    spec.only(&["selector", "mtls", "portLevelMtls"]);
    let mut ports = Vec::new();
    for (key, value) in spec.get("portLevelMtls").map() {
        match key.parse::<u16>() {
            Ok(port) if port > 0 => ports.push((port, mode(&value.get("mode")))),
            _ => value.error(format!("{key:?} is no port")),
        }
    }
    let selector = scope(&spec.get("selector"))?;
    if selector.is_none() && !ports.is_empty() {
        spec.get("portLevelMtls").warn("portLevelMtls without a selector has no effect");
    }
    Some(PeerAuthentication {
        namespace,
        name,
        created: object.at(&["metadata", "creationTimestamp"]).text().unwrap_or_default().into(),
        selector,
        mode: mode(&spec.at(&["mtls", "mode"])),
        ports,
    })
}

fn mode(field: &Field<'_>) -> Option<TlsMode> {
    match field.text()? {
        "UNSET" => None,
        "DISABLE" => Some(TlsMode::Disable),
        "PERMISSIVE" => Some(TlsMode::Permissive),
        "STRICT" => Some(TlsMode::Strict),
        other => {
            field.error(format!("unknown mode {other:?}; there are UNSET, DISABLE, PERMISSIVE and STRICT"));
            None
        }
    }
}

pub(super) fn sidecar(spec: &Field<'_>, namespace: Arc<str>, name: Arc<str>) -> Option<Sidecar> {
    let egress = spec.get("egress");
    let hosts = egress.is_present().then(|| {
        egress
            .list()
            .iter()
            .flat_map(|listener| {
                listener.get("hosts").texts().into_iter().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    });
    Some(Sidecar {
        namespace,
        name,
        selector: labels_selector(spec),
        registry_only: spec.at(&["outboundTrafficPolicy", "mode"]).text() == Some("REGISTRY_ONLY"),
        hosts,
    })
}

/// `workloadSelector.labels`, which is a bare map of labels.
fn labels_selector(spec: &Field<'_>) -> Option<Selector> {
    let labels = spec.at(&["workloadSelector", "labels"]);
    labels.is_present().then(|| {
        let pairs = labels.map();
        Selector::labels(pairs.iter().filter_map(|(key, value)| Some((*key, value.text()?))))
    })
}
