//! What an OpenTelemetry collector's configuration opens, and where it sends.

use parapet_manifest::{Document, Node, Span, pointer};

use super::{Workload, embedded, namespace_of};
use crate::finding::Draft;
use crate::options::Options;
use crate::reach::Protocol;

/// A collector's configuration with the workloads that run it.
pub(crate) struct Collector<'a> {
    pub document: &'a Document,
    pub pointer: String,
    pub root: Node,
    pub workloads: Vec<usize>,
    pub listeners: Vec<Listener>,
    pub exporters: Vec<Exporter>,
}

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Receiver,
    Extension,
    Telemetry,
}

/// A port that a collector opens.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub name: String,
    pub purpose: Purpose,
    pub protocol: Protocol,
    pub port: u16,
    pub host: String,
    pub tls: bool,
    pub auth: bool,
    pub span: Span,
}

/// Where a collector sends.
#[derive(Clone, Debug)]
pub(crate) struct Exporter {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub span: Span,
}

/// Receivers and extensions by type: the protocol's key below `protocols`, if any, and the default port.
const DEFAULTS: &[(&str, &str, Protocol, u16)] = &[
    ("otlp", "grpc", Protocol::Tcp, 4317),
    ("otlp", "http", Protocol::Tcp, 4318),
    ("jaeger", "grpc", Protocol::Tcp, 14250),
    ("jaeger", "thrift_http", Protocol::Tcp, 14268),
    ("jaeger", "thrift_compact", Protocol::Udp, 6831),
    ("jaeger", "thrift_binary", Protocol::Udp, 6832),
    ("zipkin", "", Protocol::Tcp, 9411),
    ("opencensus", "", Protocol::Tcp, 55678),
    ("statsd", "", Protocol::Udp, 8125),
    ("syslog", "tcp", Protocol::Tcp, 514),
    ("syslog", "udp", Protocol::Udp, 514),
    ("netflow", "", Protocol::Udp, 2055),
    ("fluentforward", "", Protocol::Tcp, 8006),
    ("prometheusremotewrite", "", Protocol::Tcp, 9090),
    ("tcplog", "", Protocol::Tcp, 54525),
    ("udplog", "", Protocol::Udp, 54526),
    ("health_check", "", Protocol::Tcp, 13133),
    ("zpages", "", Protocol::Tcp, 55679),
    ("pprof", "", Protocol::Tcp, 1777),
];

impl Collector<'_> {
    /// The patch sets a field of the configuration, in a text or as a part of the object.
    pub(crate) fn set(&self, draft: &mut Draft<'_>, pointer: &str, value: serde_json::Value) {
        let is_text = self.document.at(&self.pointer).is_some_and(|node| node.as_str().is_some());
        if is_text {
            draft.set_in_text(self.document, &self.pointer, pointer, value);
        } else {
            draft.set_in(self.document, format!("{}{pointer}", self.pointer), value);
        }
    }

    /// The receivers.
    pub(crate) fn receivers(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| listener.purpose == Purpose::Receiver)
    }
}

/// All collector configurations of the documents.
pub(super) fn collectors<'a>(
    documents: &'a [Document],
    workloads: &[Workload<'a>],
    options: &'a Options,
) -> Vec<Collector<'a>> {
    let mut all = Vec::new();
    for document in documents {
        match &*document.kind {
            "OpenTelemetryCollector" => {
                let Some(root) = document.at("/spec/config").and_then(embedded::mapping) else { continue };
                let own = workloads.iter().filter(|workload| std::ptr::eq(workload.document, document));
                all.push(collector(
                    document,
                    "/spec/config".into(),
                    root,
                    own.map(|own| own.number).collect(),
                ));
            }
            "ConfigMap" => {
                for entry in document.root.get("data").map_or(&[] as &[_], Node::entries) {
                    let Some(text) = entry.value.as_str() else { continue };
                    if !(text.contains("receivers:") && text.contains("service:")) {
                        continue;
                    }
                    let Some(root) = embedded::mapping(&entry.value) else { continue };
                    let users = embedded::users(document, namespace_of(document, options), workloads);
                    all.push(collector(document, pointer(["data", &*entry.key.name]), root, users));
                }
            }
            _ => {}
        }
    }
    all
}

fn collector<'a>(
    document: &'a Document,
    pointer: String,
    root: Node,
    workloads: Vec<usize>,
) -> Collector<'a> {
    let mut listeners = Vec::new();
    for (section, purpose) in [("receivers", Purpose::Receiver), ("extensions", Purpose::Extension)] {
        for entry in root.get(section).map_or(&[] as &[_], Node::entries) {
            listen(&entry.key.name, entry.key.span, &entry.value, purpose, &mut listeners);
        }
    }
    if let Some(telemetry) = telemetry(&root) {
        listeners.push(telemetry);
    }
    let exporters = root
        .get("exporters")
        .map_or(&[] as &[_], Node::entries)
        .iter()
        .filter_map(|entry| exporter(&entry.key.name, entry.key.span, &entry.value))
        .collect();
    Collector { document, pointer, root, workloads, listeners, exporters }
}

fn listen(name: &str, span: Span, node: &Node, purpose: Purpose, listeners: &mut Vec<Listener>) {
    let kind = name.split('/').next().unwrap_or(name);
    let mut add = |label: String, span: Span, node: &Node, protocol: Protocol, default: u16| {
        let endpoint = ["endpoint", "listen_address"].iter().find_map(|field| node.get(field)?.as_str());
        let (host, port) = endpoint.map_or(("localhost".to_owned(), default), |text| address(text, default));
        let tls = node.get("tls").is_some_and(|tls| !tls.is_null());
        let auth = node.at("/auth/authenticator").is_some() || node.at("/auth/authenticators").is_some();
        listeners.push(Listener { name: label, purpose, protocol, port, host, tls, auth, span });
    };
    for (_, protocol_key, protocol, port) in DEFAULTS.iter().filter(|(known, ..)| *known == kind) {
        if protocol_key.is_empty() {
            add(name.to_owned(), span, node, *protocol, *port);
            continue;
        }
        let below = node.at(&format!("/protocols/{protocol_key}")).or_else(|| {
            // syslog has its transport right below it.
            (kind == "syslog").then(|| node.get(protocol_key)).flatten()
        });
        let key = node.get("protocols").and_then(|protocols| protocols.entry(protocol_key));
        if let Some(below) = below {
            let span = key.map_or(span, |entry| entry.key.span);
            add(format!("{name}/{protocol_key}"), span, below, *protocol, *port);
        }
    }
}

fn telemetry(root: &Node) -> Option<Listener> {
    let metrics = root.at("/service/telemetry/metrics")?;
    let entry = metrics.entry("address")?;
    let (host, port) = address(entry.value.as_str()?, 8888);
    Some(Listener {
        name: "telemetry".to_owned(),
        purpose: Purpose::Telemetry,
        protocol: Protocol::Tcp,
        port,
        host,
        tls: false,
        auth: false,
        span: entry.key.span,
    })
}

fn exporter(name: &str, span: Span, node: &Node) -> Option<Exporter> {
    let endpoint = node.get("endpoint").and_then(Node::as_str)?;
    let default = if endpoint.starts_with("https://") { 443 } else { 4317 };
    let without = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let (host, port) = address(without.split('/').next().unwrap_or(without), default);
    let span = node.entry("endpoint").map_or(span, |entry| entry.key.span);
    Some(Exporter { name: name.to_owned(), host, port, span })
}

/// Host and port of `host:port`, `[::]:port`, `${env:POD_IP}:port`.
pub(crate) fn address(text: &str, default: u16) -> (String, u16) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host.trim_matches(['[', ']']).to_owned(), port.parse().unwrap_or(default))
        }
        _ => (text.to_owned(), default),
    }
}

impl Listener {
    /// Whether it is opened for more than the pod itself.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1")
    }

    /// Whether it is opened on all addresses.
    pub(crate) fn is_on_all(&self) -> bool {
        matches!(self.host.as_str(), "0.0.0.0" | "::" | "")
    }
}
