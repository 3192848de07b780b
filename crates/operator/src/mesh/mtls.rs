//! Checks of mutual TLS: C5, C6, C7.

use parapet_api::{Kind, names};

use super::application::Seat;
use super::istio::{Mode, inbound_mode, outbound_tls};
use super::{Check, Finding, Seen, Severity, pods};
use crate::elasticsearch::Dialling;

const REWRITE: &str = "sidecar.istio.io/rewriteAppHTTPProbers";
/// The mode of a DestinationRule that uses the mesh's own certificates.
const MUTUAL: &str = "ISTIO_MUTUAL";

pub(super) fn check(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    let mode = inbound_mode(seen, seat.namespace, seat.labels(), seat.kind.http_port());
    if mode == Mode::Strict && seat.tls {
        found.push(seat.finding(
            Check::TwiceEncrypted,
            Severity::Warning,
            "it speaks TLS itself where the mesh requires mutual TLS: clients without a proxy can't reach it, and those with \
             one encrypt twice"
                .to_owned(),
            "disable the self-signed certificate, or make the port PERMISSIVE with a PeerAuthentication".to_owned(),
        ));
    }
    if mode == Mode::Strict && seat.kind != Kind::Elasticsearch {
        probes_rewritten(seen, seat, found);
    }
    if seat.kind == Kind::Elasticsearch && operator_has_proxy(seen) {
        hosts_covered(seen, seat, mode, found);
    }
}

fn probes_rewritten(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    let rewritten = |value: Option<&str>| value.map_or(seen.istio.rewrites_probes, |value| value == "true");
    if seat.templates.iter().all(|template| rewritten(template.annotation(REWRITE))) {
        return;
    }
    found.push(seat.finding(
        Check::ProbesRewritten,
        Severity::Warning,
        "the kubelet's probe has no certificate of the mesh, so the pod never gets ready".to_owned(),
        format!("set the pod annotation {REWRITE}: \"true\""),
    ));
}

/// Whether the operator's own connections go through a proxy.
fn operator_has_proxy(seen: &Seen<'_>) -> bool {
    let mut own =
        seen.pods.iter().filter(|pod| pod.metadata.namespace.as_deref() == Some(seen.operator_namespace));
    own.any(pods::has_proxy)
}

fn hosts_covered(seen: &Seen<'_>, seat: &Seat<'_>, mode: Mode, found: &mut Vec<Finding>) {
    let domain = &seen.istio.cluster_domain;
    let full = |service: &str| format!("{service}.{}.svc.{domain}", seat.namespace);
    let service = names::http_service(seat.kind, seat.name);
    let of_pods = seat.templates.iter().filter_map(|one| one.stateful_set.clone());
    let of_pods = of_pods.filter(|_| seen.dialling == Dialling::Pods);
    let hosts = [service].into_iter().chain(of_pods);
    let mut uncovered = Vec::new();
    for host in hosts.map(|service| full(&service)) {
        let port = seat.kind.http_port();
        let tls = outbound_tls(seen, seen.operator_namespace, seat.namespace, &host, port);
        let is_mutual = match tls.as_deref() {
            Some(mode) => mode == MUTUAL,
            None => seen.istio.auto_mtls,
        };
        // Where clear text is accepted, clear text works.
        if !is_mutual && mode == Mode::Strict {
            uncovered.push(host);
        }
    }
    if uncovered.is_empty() {
        return;
    }
    let why = match seen.dialling {
        Dialling::Pods => "; the operator dials pods by the latter, unless elasticsearch-dialling is service",
        Dialling::Service => "",
    };
    found.push(seat.finding(
        Check::HostsCovered,
        Severity::Error,
        format!(
            "clients are required to use mutual TLS and nothing makes them do so for {}",
            uncovered.join(", ")
        ),
        format!("a DestinationRule with trafficPolicy.tls.mode {MUTUAL} for each of these hosts{why}"),
    ));
}
