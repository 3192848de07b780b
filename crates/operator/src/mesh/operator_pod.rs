//! Checks of namespaces and of the operator's own pod: C3, C8.

use k8s_openapi::api::core::v1::Pod;

use super::application::lists_port;
use super::{Check, Finding, Seen, Severity, Subject, application, pods};

const EXCLUDE_INBOUND: &str = "traffic.sidecar.istio.io/excludeInboundPorts";

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let applications = application::all(seen);
    let mut namespaces: Vec<&str> =
        applications.iter().filter(|one| one.is_injected(seen)).map(|one| one.namespace).collect();
    namespaces.push(seen.operator_namespace);
    for namespace in namespaces {
        left_out(seen, namespace, found);
    }
    if !seen.asks_for_proxies(seen.operator_namespace) && !own_pods(seen).any(pods::has_proxy) {
        found.push(namespace(
            seen.operator_namespace,
            "the operator's namespace isn't in the mesh although its applications are",
            "label the namespace istio-injection=enabled and let the operator's pod be made anew",
        ));
    }
    for pod in own_pods(seen).filter(|pod| pods::has_proxy(pod)) {
        webhook_excluded(seen, pod, found);
    }
}

fn left_out(seen: &Seen<'_>, name: &str, found: &mut Vec<Finding>) {
    if seen.is_left_out(name) && seen.asks_for_proxies(name) {
        found.push(namespace(
            name,
            "the injector leaves it out because it has the label control-plane",
            "remove the label control-plane from the namespace",
        ));
    }
}

fn namespace(name: &str, sentence: &str, fix: &str) -> Finding {
    Finding {
        check: Check::NamespaceInjected,
        severity: Severity::Error,
        subject: Subject { kind: "Namespace", namespace: String::new(), name: name.to_owned() },
        sentence: sentence.to_owned(),
        fix: fix.to_owned(),
    }
}

fn own_pods<'a>(seen: &Seen<'a>) -> impl Iterator<Item = &'a Pod> {
    let place = seen.operator_namespace;
    seen.pods.iter().filter(move |pod| pod.metadata.namespace.as_deref() == Some(place))
}

fn webhook_excluded(seen: &Seen<'_>, pod: &Pod, found: &mut Vec<Finding>) {
    let excluded = pod.metadata.annotations.as_ref().and_then(|all| all.get(EXCLUDE_INBOUND));
    if lists_port(excluded.map(String::as_str), seen.webhook_port) {
        return;
    }
    found.push(Finding {
        check: Check::WebhookExcluded,
        severity: Severity::Warning,
        subject: Subject {
            kind: "Pod",
            namespace: seen.operator_namespace.to_owned(),
            name: pod.metadata.name.clone().unwrap_or_default(),
        },
        sentence: format!(
            "the API server is in no mesh, and can't reach the webhook at {} through the proxy",
            seen.webhook_port
        ),
        fix: format!("set the pod annotation {EXCLUDE_INBOUND}: \"{}\" on the operator", seen.webhook_port),
    });
}
