//! Checks of names, schemes and URLs: C2, C11.

use k8s_openapi::api::core::v1::Probe;
use parapet_elastic::association::Conf;

use super::application::Seat;
use super::{Check, Finding, Seen, Severity, Subject};

/// What a port's name may begin with so that Istio knows its protocol.
const PROTOCOLS: [&str; 11] =
    ["http", "http2", "https", "grpc", "grpc-web", "mongo", "mysql", "redis", "tcp", "tls", "udp"];

pub(super) fn check(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    if !seat.tls {
        plain_everywhere(seen, seat, found);
    }
    references(seen, seat, found);
    ports_named(seen, seat, found);
}

fn plain_everywhere(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    let mut push = |kind: &'static str, name: Option<&String>, sentence: &str| {
        found.push(Finding {
            check: Check::PlainEverywhere,
            severity: Severity::Error,
            subject: Subject {
                kind,
                namespace: seat.namespace.to_owned(),
                name: name.cloned().unwrap_or_default(),
            },
            sentence: sentence.to_owned(),
            fix: format!(
                "TLS of {} {} is off: take https out of its template, or let the pod be made anew",
                seat.kind.name(),
                seat.name
            ),
        });
    };
    for service in seat.services(seen) {
        let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        let says_https = |name: &str| name == "https" || name.starts_with("https-");
        if ports.filter_map(|port| port.name.as_deref()).any(says_https) {
            push(
                "Service",
                service.metadata.name.as_ref(),
                "a port is named https, but nothing behind it speaks TLS",
            );
        }
    }
    for pod in seat.pods(seen) {
        let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let asks_https = |probe: &Option<Probe>| {
            let get = probe.as_ref().and_then(|probe| probe.http_get.as_ref());
            get.and_then(|get| get.scheme.as_deref()) == Some("HTTPS")
        };
        let is_https = containers.any(|container| {
            let env = container.env.iter().flatten();
            asks_https(&container.readiness_probe)
                || env.into_iter().any(|one| {
                    one.name == "READINESS_PROBE_PROTOCOL" && one.value.as_deref() == Some("https")
                })
        });
        if is_https {
            push(
                "Pod",
                pod.metadata.name.as_ref(),
                "its probe asks by https, but the application doesn't speak TLS",
            );
        }
    }
}

/// URLs by which the application reaches others whose TLS is off.
fn references(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    let plain: Vec<String> = super::application::all(seen)
        .iter()
        .filter(|target| !target.tls)
        .map(|target| {
            let service = parapet_api::names::http_service(target.kind, target.name);
            format!("https://{service}.{}.svc:", target.namespace)
        })
        .collect();
    for conf in seat.references.iter().filter_map(|text| Conf::from_annotation(text)) {
        if plain.iter().any(|url| conf.url.starts_with(url)) {
            found.push(seat.finding(
                Check::PlainEverywhere,
                Severity::Error,
                format!("it reaches {} by https, whose TLS is off", conf.url),
                "wait for the reference to be written anew, or look at the target's Service".to_owned(),
            ));
        }
    }
}

fn ports_named(seen: &Seen<'_>, seat: &Seat<'_>, found: &mut Vec<Finding>) {
    for service in seat.services(seen) {
        for port in service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()) {
            let name = port.name.as_deref().unwrap_or_default();
            let is_known = PROTOCOLS.iter().any(|protocol| {
                name.strip_prefix(protocol).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            });
            if is_known || port.app_protocol.is_some() {
                continue;
            }
            found.push(Finding {
                check: Check::PortsNamed,
                severity: Severity::Warning,
                subject: Subject {
                    kind: "Service",
                    namespace: seat.namespace.to_owned(),
                    name: service.metadata.name.clone().unwrap_or_default(),
                },
                sentence: format!("the name of port {} ({name:?}) doesn't say its protocol, so Istio guesses it", port.port),
                fix: format!(
                    "give the port an appProtocol in the Service's template, or exclude {} in both directions by pod annotations",
                    port.port
                ),
            });
        }
    }
}
