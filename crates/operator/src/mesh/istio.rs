//! Istio's objects, as far as they matter here. They are read as they are; a field that isn't what it should be counts as absent,
//! because Istio's own validation is the one to refuse it.

use std::collections::BTreeMap;

use kube::api::DynamicObject;
use serde_json::Value;

use super::Seen;

/// How connections to a workload are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Clear text is accepted too.
    Permissive,
    /// Only mutual TLS.
    Strict,
    /// No mutual TLS.
    Disable,
}

fn mode(value: Option<&Value>) -> Option<Mode> {
    match value?.get("mode")?.as_str()? {
        "STRICT" => Some(Mode::Strict),
        "PERMISSIVE" => Some(Mode::Permissive),
        "DISABLE" => Some(Mode::Disable),
        _ => None,
    }
}

/// How connections to a port of pods with these labels are secured: their own PeerAuthentication's port, then that object as a
/// whole, then the namespace's, then the mesh's. An object created earlier counts more than others at its place.
pub(super) fn inbound_mode(
    seen: &Seen<'_>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    port: u16,
) -> Mode {
    let mut own = Vec::new();
    let mut of_namespace = Vec::new();
    let mut of_mesh = Vec::new();
    for object in seen.peer_authentications {
        let spec = object.data.get("spec").unwrap_or(&Value::Null);
        let place = object.metadata.namespace.as_deref().unwrap_or_default();
        let wanted =
            spec.pointer("/selector/matchLabels").and_then(Value::as_object).filter(|all| !all.is_empty());
        match wanted {
            Some(wanted) if place == namespace => {
                let has =
                    |(key, value): (&String, &Value)| labels.get(key).map(String::as_str) == value.as_str();
                if wanted.iter().all(has) {
                    own.push((object, spec));
                }
            }
            Some(_) => {}
            None if place == namespace => of_namespace.push((object, spec)),
            None if place == seen.istio.root_namespace => of_mesh.push((object, spec)),
            None => {}
        }
    }
    let first = |mut all: Vec<(&DynamicObject, &Value)>, with_port: bool| {
        all.sort_by_key(|(object, _)| {
            (object.metadata.creation_timestamp.as_ref().map(|time| time.0), object.metadata.name.clone())
        });
        all.iter().find_map(|(_, spec)| {
            let port = spec.pointer(&format!("/portLevelMtls/{port}")).filter(|_| with_port);
            mode(port).or_else(|| mode(spec.get("mtls")))
        })
    };
    first(own, true)
        .or_else(|| first(of_namespace, false))
        .or_else(|| first(of_mesh, false))
        .unwrap_or(Mode::Permissive)
}

/// What DestinationRules say about TLS to `host`: the mode, if any rule that clients in `client` see covers the host and has one.
pub(super) fn outbound_tls(
    seen: &Seen<'_>,
    client: &str,
    service_namespace: &str,
    host: &str,
    port: u16,
) -> Option<String> {
    // Istio looks in the client's namespace, then the service's, then the root; the most specific host first.
    for place in [client, service_namespace, &seen.istio.root_namespace] {
        let mut covering: Vec<(usize, &Value)> = seen
            .destination_rules
            .iter()
            .filter(|rule| rule.metadata.namespace.as_deref() == Some(place))
            .filter_map(|rule| {
                let spec = rule.data.get("spec")?;
                let pattern = full_host(spec.get("host")?.as_str()?, place, &seen.istio.cluster_domain);
                covers(&pattern, host)
                    .then_some((pattern.len() + usize::from(!pattern.starts_with('*')) * 1000, spec))
            })
            .collect();
        covering.sort_by_key(|(specificity, _)| std::cmp::Reverse(*specificity));
        if let Some((_, spec)) = covering.first() {
            return tls_mode(spec, port);
        }
    }
    None
}

fn tls_mode(spec: &Value, port: u16) -> Option<String> {
    let policy = spec.get("trafficPolicy")?;
    let of_port = policy.get("portLevelSettings").and_then(Value::as_array).and_then(|all| {
        all.iter().find(|one| one.pointer("/port/number").and_then(Value::as_u64) == Some(u64::from(port)))
    });
    let tls = of_port.and_then(|one| one.get("tls")).or_else(|| policy.get("tls"))?;
    Some(tls.get("mode")?.as_str()?.to_owned())
}

/// A host without dots is a Service of the rule's own namespace.
fn full_host(host: &str, namespace: &str, domain: &str) -> String {
    if host.contains('.') || host.starts_with('*') {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.{domain}")
    }
}

fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix),
        None => pattern == host,
    }
}
