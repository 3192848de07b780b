//! Checks of pods and their templates: C1, C4, C9, C10, C13.

use k8s_openapi::api::core::v1::{Container, Pod};
use parapet_api::Kind;
use parapet_elastic::services::TRANSPORT_PORT;

use super::application::{Seat, Template, lists_port};
use super::{Check, Finding, Seen, Severity, Subject};

const EXCLUDE_INBOUND: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
const EXCLUDE_OUTBOUND: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";
const INCLUDE_INBOUND: &str = "traffic.sidecar.istio.io/includeInboundPorts";
/// The proxy's container.
pub(super) const PROXY: &str = "istio-proxy";

pub(super) fn check(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    for template in seat.templates.iter().filter(|template| template.is_injected(seen, seat.namespace)) {
        if seat.kind == Kind::Elasticsearch {
            transport_excluded(seat, template, found);
        }
        init_containers_online(seen, seat, template, found);
        token_mounted(seen, seat, template, found);
        inbound_included(seen, seat, template, found);
    }
    proxy_present(seen, seat, found);
}

fn transport_excluded(seat: &Seat<'_>, template: &Template<'_>, found: &mut Vec<Finding>) {
    let missing: Vec<&str> = [EXCLUDE_INBOUND, EXCLUDE_OUTBOUND]
        .into_iter()
        .filter(|key| !lists_port(template.annotation(key), TRANSPORT_PORT))
        .collect();
    if missing.is_empty() {
        return;
    }
    found.push(seat.finding(
        Check::TransportExcluded,
        Severity::Error,
        format!(
            "{}: the mesh's proxy takes the transport port 9300, so nodes can't find each other",
            template.place
        ),
        format!("add \"9300\" to the pod annotations {}", missing.join(" and ")),
    ));
}

fn proxy_present(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    // Pods of a template that opts out are those of its StatefulSet; only Elasticsearch has several templates.
    let opted_out: Vec<&str> = seat
        .templates
        .iter()
        .filter(|template| !template.is_injected(seen, seat.namespace))
        .filter_map(|template| template.stateful_set.as_deref())
        .collect();
    for pod in seat.pods(seen) {
        let set = pod.metadata.labels.as_ref().and_then(|all| all.get(parapet_api::labels::STATEFULSET_NAME));
        if set.is_some_and(|set| opted_out.contains(&set.as_str())) || has_proxy(pod) {
            continue;
        }
        let name = pod.metadata.name.clone().unwrap_or_default();
        found.push(Finding {
            check: Check::ProxyPresent,
            severity: Severity::Error,
            subject: Subject { kind: "Pod", namespace: seat.namespace.to_owned(), name },
            sentence: "it has no proxy although its namespace asks for one".to_owned(),
            fix: "delete the pod once the injector runs, so that it is made anew".to_owned(),
        });
    }
}

/// Whether a pod has its proxy, as a container or as a native sidecar.
pub(super) fn has_proxy(pod: &Pod) -> bool {
    native_proxy(pod).is_some()
}

/// Whether a pod's proxy is a native sidecar; nothing if it has none.
pub(super) fn native_proxy(pod: &Pod) -> Option<bool> {
    let spec = pod.spec.as_ref()?;
    let native =
        spec.init_containers.iter().flatten().filter(|one| one.restart_policy.as_deref() == Some("Always"));
    let (ordinary, mut native) = (&spec.containers, native);
    match native.any(|container| container.name == PROXY) {
        true => Some(true),
        false => ordinary.iter().any(|container| container.name == PROXY).then_some(false),
    }
}

fn init_containers_online(
    seen: &Seen<'_>,
    seat: &Seat<'_>,
    template: &Template<'_>,
    found: &mut Vec<Finding>,
) {
    const HTTPS: u16 = 443;
    let is_cut = seen.istio.cni && !seen.istio.native_sidecars;
    if !is_cut || lists_port(template.annotation(EXCLUDE_OUTBOUND), HTTPS) {
        return;
    }
    let containers = template.template.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    for container in containers.filter(|container| goes_online(container)) {
        found.push(seat.finding(
            Check::InitContainersOnline,
            Severity::Warning,
            format!(
                "{}: the init container {} seems to download something before the proxy runs that its traffic is sent to",
                template.place, container.name
            ),
            format!("add \"443\" to the pod annotation {EXCLUDE_OUTBOUND}"),
        ));
    }
}

/// Whether a container's command has a word that usually means a download.
fn goes_online(container: &Container) -> bool {
    const WORDS: [&str; 9] =
        ["curl", "wget", "apt-get", "apk", "yum", "microdnf", "pip", "git", "elasticsearch-plugin"];
    let all: Vec<&str> =
        container.command.iter().chain(&container.args).flatten().map(String::as_str).collect();
    let text = all.join(" ");
    let has_word = text
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '/' | '"' | '\'' | '(' | ')'))
        .any(|word| WORDS.contains(&word) || word == "kibana-plugin");
    has_word && !text.contains("file://")
}

fn token_mounted(seen: &Seen<'_>, seat: &Seat<'_>, template: &Template<'_>, found: &mut Vec<Finding>) {
    let mounted = template.template.spec.as_ref().and_then(|spec| spec.automount_service_account_token);
    if seen.istio.projected_tokens || mounted == Some(true) {
        return;
    }
    found.push(seat.finding(
        Check::TokenMounted,
        Severity::Error,
        format!(
            "{}: this Kubernetes projects no tokens for the mesh, and the proxy has no other",
            template.place
        ),
        "set automountServiceAccountToken: true in the pod template".to_owned(),
    ));
}

fn inbound_included(seen: &Seen<'_>, seat: &Seat<'_>, template: &Template<'_>, found: &mut Vec<Finding>) {
    /// From it on all inbound ports are proxied unless told otherwise.
    const ALL_INBOUND: (u32, u32) = (1, 10);
    if seen.istio.version >= ALL_INBOUND
        || lists_port(template.annotation(INCLUDE_INBOUND), seat.kind.http_port())
    {
        return;
    }
    found.push(seat.finding(
        Check::InboundIncluded,
        Severity::Warning,
        format!(
            "{}: this version of Istio proxies only ports that were declared when the pod was injected",
            template.place
        ),
        format!("set the pod annotation {INCLUDE_INBOUND}: \"*\""),
    ));
}
