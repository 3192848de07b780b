//! Elasticsearch, Kibana, APM Server, Logstash and their clients: OBS-ES-01 to 14.

mod clients;
mod keys;

use parapet_manifest::Node;
use serde_json::json;

use super::mesh::is_strict;
use crate::finding::{Draft, Findings};
use crate::reach::{End, Protocol};
use crate::rule::Needs::{Manifests, Reach};
use crate::rule::Severity::{Critical, High, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Config, Setting, Settings, Workload, World};
use clients::{apm_open, client_unverified, ingress_clear, insights_unverified, plain_hop, superuser};
pub(super) use keys::needs_api_keys;
use keys::{api_keys, encryption_keys};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Elasticsearch, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-ES-01",
        High,
        Manifests,
        "Elasticsearch nodes talk to each other in clear",
        "All indexed data, and the keys of the cluster's state, pass between nodes. Whoever reads the network reads them; whoever reaches 9300 joins.",
        "Enable xpack.security.transport.ssl with a CA of the cluster's own.",
        transport_clear,
    ),
    rule(
        "OBS-ES-02",
        High,
        Manifests,
        "Elasticsearch's security is switched off",
        "Every request is answered with all rights.",
        "Remove `xpack.security.enabled: false`.",
        security_off,
    ),
    rule(
        "OBS-ES-03",
        Medium,
        Manifests,
        "Elasticsearch doesn't verify other nodes",
        "A node with any certificate may join the cluster and is sent its data.",
        "Use verification_mode full or certificate with certificate_authorities.",
        transport_unverified,
    ),
    rule(
        "OBS-ES-04",
        High,
        Manifests,
        "Elasticsearch's HTTP port is in clear",
        "Passwords and documents cross the network readable.",
        "Enable xpack.security.http.ssl, or put the pods under strict mTLS.",
        http_clear,
    ),
    rule(
        "OBS-ES-05",
        High,
        Manifests,
        "TLS is switched off and nothing replaces it",
        "With the self-signed certificate disabled, no other certificate given and no strict mTLS, the endpoint answers in clear text.",
        "Give a certificate, or put the pods under strict mTLS, or leave the self-signed one.",
        tls_off,
    ),
    rule(
        "OBS-ES-06",
        Medium,
        Manifests,
        "Kibana uses features that need TLS at Elasticsearch",
        "API keys are issued only over TLS: with it disabled, alerting, actions, Fleet and reporting fail.",
        "Keep Elasticsearch's TLS, and mesh mode PERMISSIVE on 9200.",
        api_keys,
    ),
    rule(
        "OBS-ES-07",
        Medium,
        Manifests,
        "A client doesn't verify Elasticsearch",
        "It sends its password to whatever answers under that name, or in clear text.",
        "Use https and the CA.",
        client_unverified,
    ),
    rule(
        "OBS-ES-08",
        High,
        Manifests,
        "A client uses the superuser `elastic`",
        "Whoever gets into the client owns the cluster.",
        "Make a user with the roles that the client needs.",
        superuser,
    ),
    rule(
        "OBS-ES-09",
        Medium,
        Manifests,
        "Kibana's encryption keys are written down, or missing",
        "A key in a manifest decrypts saved credentials; with none, each replica makes its own and they can't read each other's.",
        "Keep them in the keystore or a Secret.",
        encryption_keys,
    ),
    rule(
        "OBS-ES-10",
        High,
        Manifests,
        "Anonymous access to Elasticsearch",
        "Requests without credentials are answered with the rights of the anonymous role; with superuser that is everything.",
        "Disable it, and enable Kibana's security.",
        anonymous,
    ),
    rule(
        "OBS-ES-11",
        Medium,
        Manifests,
        "An Ingress leads to it without TLS",
        "Passwords and data cross whatever is in front of the cluster in clear text.",
        "Add a tls section.",
        ingress_clear,
    ),
    rule(
        "OBS-ES-12",
        Low,
        Reach,
        "APM Server takes data from anybody",
        "Anybody who reaches it may fill the store or forge traces.",
        "Set a secret token or API keys.",
        apm_open,
    ),
    rule(
        "OBS-ES-13",
        Medium,
        Reach,
        "A plain protocol crosses pods, and others reach the port",
        "Beats' input and memcached have no authentication of their own: whoever reaches the port writes into the pipeline or reads what is cached.",
        "Enable TLS with client certificates, or admit only the one client.",
        plain_hop,
    ),
    rule(
        "OBS-ES-14",
        Medium,
        Manifests,
        "A component of Operational Insights doesn't verify its peer",
        "It gives its credentials to whatever answers.",
        "Give it the CA and verify fully.",
        insights_unverified,
    ),
];

/// A component with the settings it has, from files, an operator's kind and its environment; at least one of them.
pub(super) struct Component<'w> {
    pub workload: Option<&'w Workload<'w>>,
    pub settings: Vec<&'w Settings<'w>>,
}

impl<'w> Component<'w> {
    pub(super) fn get(&self, key: &str) -> Option<(&'w Settings<'w>, &'w Setting)> {
        self.settings.iter().find_map(|settings| Some((*settings, settings.get(key)?)))
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.get(key).is_some_and(|(_, setting)| setting.value.eq_ignore_ascii_case(value))
    }

    fn ending(&self, suffix: &str) -> Option<(&'w Settings<'w>, &'w Setting)> {
        self.settings.iter().find_map(|settings| Some((*settings, settings.ending(suffix).next()?)))
    }

    fn managed(&self) -> bool {
        self.workload.is_some_and(|workload| workload.managed)
    }

    /// A finding at a setting, or where the component is.
    fn say<'f>(
        &self,
        found: &'f mut Findings<'w>,
        at: Option<(&'w Settings<'w>, &'w Setting)>,
        message: impl Into<String>,
    ) -> &'f mut Draft<'w> {
        match at {
            Some((settings, setting)) => {
                found.add_at(settings.document, setting.pointer.clone(), setting.span, message)
            }
            None => match self.workload {
                Some(workload) => found.add(workload.document, "/metadata/name", message),
                None => {
                    let settings = self.settings[0];
                    found.add(settings.document, settings.pointer.clone(), message)
                }
            },
        }
    }
}

/// The patch sets a setting to `value`, where the document has it as a field.
fn turned(draft: &mut Draft<'_>, (settings, setting): (&Settings<'_>, &Setting), value: &str) {
    if let Some(node) = settings.document.at(&setting.leaf) {
        let value = match value.parse::<bool>() {
            Ok(value) if node.as_bool().is_some() => json!(value),
            _ => json!(value),
        };
        draft.set_in(settings.document, &setting.leaf, value);
    } else if let Some(inner) = setting.leaf.strip_prefix(&settings.pointer) {
        let value = value.parse::<bool>().map_or_else(|_| json!(value), |value| json!(value));
        draft.set_in_text(settings.document, &settings.pointer, inner, value);
    }
}

/// Whether the component has a certificate for one of its ports: TLS there has only to be switched on.
fn has_certificate(component: &Component<'_>, port: &str) -> bool {
    ["keystore.path", "certificate"]
        .iter()
        .any(|file| component.get(&format!("xpack.security.{port}.ssl.{file}")).is_some())
}

/// The components that have settings of a kind: each workload with all of its own, and files that no workload uses.
pub(super) fn components<'w>(world: &'w World<'w>, config: Config) -> Vec<Component<'w>> {
    let of = || world.settings.iter().filter(move |settings| settings.config == config);
    let mut numbers: Vec<usize> = of().flat_map(|settings| settings.workloads.iter().copied()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut all: Vec<Component<'w>> = numbers
        .into_iter()
        .map(|number| Component {
            workload: Some(&world.workloads[number]),
            settings: of().filter(|settings| settings.workloads.contains(&number)).collect(),
        })
        .collect();
    all.extend(
        of().filter(|settings| settings.workloads.is_empty())
            .map(|settings| Component { workload: None, settings: vec![settings] }),
    );
    all
}

fn self_run<'w>(world: &'w World<'w>) -> impl Iterator<Item = Component<'w>> {
    components(world, Config::Elasticsearch).into_iter().filter(|component| !component.managed())
}

fn transport_clear<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in self_run(world) {
        let replicas = component
            .workload
            .and_then(|workload| workload.document.at("/spec/replicas")?.as_i64())
            .unwrap_or(1);
        let local = component
            .get("network.host")
            .is_none_or(|(_, host)| matches!(host.value.as_str(), "127.0.0.1" | "localhost" | "_local_"));
        let several = replicas > 1 || component.get("discovery.seed_hosts").is_some() || !local;
        let at = component.get("xpack.security.transport.ssl.enabled");
        if several
            && !component.is("xpack.security.transport.ssl.enabled", "true")
            && !component.is("discovery.type", "single-node")
        {
            let draft = component.say(
                found,
                at,
                "traffic between nodes is in clear: xpack.security.transport.ssl.enabled isn't true",
            );
            if let Some(at) = at.filter(|_| has_certificate(&component, "transport")) {
                turned(draft, at, "true");
            }
        }
    }
}

fn security_off<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Elasticsearch) {
        let off = component.get("xpack.security.enabled").filter(|(_, setting)| setting.value == "false");
        if let Some(at) = off {
            let message = "authentication is switched off: every request has all rights";
            turned(component.say(found, Some(at), message), at, "true");
        }
    }
}

fn transport_unverified<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Elasticsearch) {
        let Some((settings, mode)) = component.get("xpack.security.transport.ssl.verification_mode") else {
            continue;
        };
        let has_ca = component.get("xpack.security.transport.ssl.certificate_authorities").is_some()
            || component.ending("transport.ssl.truststore.path").is_some()
            || component.ending("transport.ssl.keystore.path").is_some();
        let message = match mode.value.as_str() {
            "none" => "a node with any certificate may join",
            "certificate" if !has_ca && !component.managed() => "no CA is given to verify other nodes with",
            _ => continue,
        };
        let draft = component.say(found, Some((settings, mode)), message);
        if has_ca {
            turned(draft, (settings, mode), "certificate");
        }
    }
}

fn http_clear<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in self_run(world) {
        let strict = component.workload.is_some_and(|workload| is_strict(world, workload, 9200));
        if !strict && !component.is("xpack.security.http.ssl.enabled", "true") {
            let at = component.get("xpack.security.http.ssl.enabled");
            let draft = component.say(
                found,
                at,
                "the HTTP port 9200 is in clear: xpack.security.http.ssl.enabled isn't true",
            );
            if let Some(at) = at.filter(|_| has_certificate(&component, "http")) {
                turned(draft, at, "true");
            }
        }
    }
}

/// The HTTP port of an Elastic kind.
pub(super) fn http_port(workload: &Workload<'_>) -> u16 {
    workload.implied_ports.first().map_or(9200, |(_, port)| *port)
}

/// Whether an Elastic kind has its own TLS switched off without another certificate.
pub(super) fn has_no_tls(workload: &Workload<'_>) -> bool {
    let disabled =
        workload.document.at("/spec/http/tls/selfSignedCertificate/disabled").and_then(Node::as_bool);
    disabled == Some(true) && workload.document.at("/spec/http/tls/certificate/secretName").is_none()
}

/// The Elastic kinds, each once.
pub(super) fn elastic<'w>(world: &'w World<'w>) -> impl Iterator<Item = &'w Workload<'w>> {
    world
        .workloads
        .iter()
        .enumerate()
        .filter(|(index, workload)| {
            let first = !world.workloads[..*index]
                .iter()
                .any(|before| std::ptr::eq(before.document, workload.document));
            workload.managed
                && first
                && matches!(&*workload.document.kind, "Elasticsearch" | "Kibana" | "ApmServer")
        })
        .map(|(_, workload)| workload)
}

fn tls_off<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in elastic(world).filter(|workload| has_no_tls(workload)) {
        let port = http_port(workload);
        if is_strict(world, workload, port) {
            continue;
        }
        let pointer = "/spec/http/tls/selfSignedCertificate/disabled";
        let reached = world.allows(End::Outside, End::Workload(workload.number), Protocol::Tcp, port);
        found
            .add(
                workload.document,
                pointer,
                format!(
                    "{} answers on {port} in clear text: TLS is off and no strict mTLS replaces it",
                    workload.document.kind
                ),
            )
            .raised_if(reached && super::isolation::is_exposed(world, workload))
            .becomes(json!(false));
    }
}

fn anonymous<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Elasticsearch) {
        let roles = component.ending("anonymous.roles");
        let enabled = ["elasticsearch.anonymous.enabled", "anonymous.enabled"]
            .iter()
            .find_map(|key| component.get(key))
            .filter(|(_, setting)| setting.value == "true");
        let Some(at) = roles.or(enabled).or_else(|| component.ending("authc.anonymous.username")) else {
            continue;
        };
        let role = roles.map_or("superuser", |(_, roles)| roles.value.as_str());
        let everything = role.split(',').any(|role| matches!(role.trim(), "superuser" | "all"));
        let draft = component.say(found, Some(at), format!("requests without credentials act as {role}"));
        if everything {
            draft.severity(Critical);
        }
        if let (None, Some(enabled)) = (roles, enabled) {
            turned(draft, enabled, "false");
        }
    }
}
