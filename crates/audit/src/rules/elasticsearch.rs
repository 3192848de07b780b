//! Elasticsearch, Kibana, APM Server, Logstash and their clients: OBS-ES-01 to 14.

use parapet_manifest::Node;
use serde_json::json;

use super::isolation::ingress_backends;
use super::mesh::is_strict;
use crate::finding::{Draft, Findings};
use crate::reach::{End, Protocol};
use crate::rule::Needs::{Manifests, Reach};
use crate::rule::Severity::{Critical, High, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Config, Role, Setting, Settings, Workload, World};

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
            component.say(
                found,
                at,
                "traffic between nodes is in clear: xpack.security.transport.ssl.enabled isn't true",
            );
        }
    }
}

fn security_off<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Elasticsearch) {
        if component.is("xpack.security.enabled", "false") {
            component.say(
                found,
                component.get("xpack.security.enabled"),
                "authentication is switched off: every request has all rights",
            );
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
        component.say(found, Some((settings, mode)), message);
    }
}

fn http_clear<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in self_run(world) {
        let strict = component.workload.is_some_and(|workload| is_strict(world, workload, 9200));
        if !strict && !component.is("xpack.security.http.ssl.enabled", "true") {
            let at = component.get("xpack.security.http.ssl.enabled");
            component.say(
                found,
                at,
                "the HTTP port 9200 is in clear: xpack.security.http.ssl.enabled isn't true",
            );
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

/// Kibana settings that issue API keys.
const NEED_API_KEYS: &[&str] = &["alerting", "actions", "fleet", "reporting"];

/// Kibana's first setting that needs API keys.
pub(super) fn needs_api_keys<'w>(
    world: &'w World<'w>,
    elasticsearch: &Workload<'_>,
) -> Option<(&'w Settings<'w>, &'w Setting)> {
    components(world, Config::Kibana).into_iter().find_map(|kibana| {
        let workload = kibana.workload?;
        let refers = workload.document.at("/spec/elasticsearchRef/name").and_then(Node::as_str)
            == Some(&*elasticsearch.document.name);
        let found = kibana.settings.iter().find_map(|settings| {
            let setting = settings.values.iter().find(|setting| {
                setting.value != "false" && NEED_API_KEYS.iter().any(|feature| setting.key.contains(feature))
            })?;
            Some((*settings, setting))
        });
        found.filter(|_| refers)
    })
}

fn api_keys<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in
        elastic(world).filter(|workload| &*workload.document.kind == "Elasticsearch" && has_no_tls(workload))
    {
        if let Some((settings, setting)) = needs_api_keys(world, workload) {
            found
                .add_at(
                    settings.document,
                    setting.pointer.clone(),
                    setting.span,
                    format!("{} needs API keys, which Elasticsearch issues only over TLS", setting.key),
                )
                .related(
                    workload.document,
                    "/spec/http/tls/selfSignedCertificate/disabled",
                    "where TLS is switched off",
                );
        }
    }
}

const CLIENTS: &[Config] = &[Config::Kibana, Config::Logstash, Config::Beat, Config::Apm];

fn client_unverified<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let served_with_tls = elastic(world)
        .any(|workload| &*workload.document.kind == "Elasticsearch" && !has_no_tls(workload))
        || self_run(world).any(|component| component.is("xpack.security.http.ssl.enabled", "true"));
    for component in CLIENTS.iter().flat_map(|config| components(world, *config)) {
        for suffix in ["ssl.verification_mode", "ssl.verificationmode"] {
            if let Some(at) =
                component.ending(suffix).filter(|(_, mode)| mode.value.eq_ignore_ascii_case("none"))
            {
                component.say(
                    found,
                    Some(at),
                    "the client accepts any certificate and sends it its password",
                );
            }
        }
        if let Some(at) = component
            .ending("elasticsearch.hosts")
            .filter(|(_, hosts)| served_with_tls && hosts.value.contains("http://"))
        {
            component.say(found, Some(at), "the client speaks http to an Elasticsearch that serves TLS");
        }
    }
}

fn superuser<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in CLIENTS.iter().flat_map(|config| components(world, *config)) {
        let user = ["elasticsearch.username", "output.elasticsearch.username"]
            .iter()
            .find_map(|key| component.ending(key));
        if let Some(at) = user.filter(|(_, user)| user.value == "elastic") {
            component.say(found, Some(at), "the client logs in as the superuser `elastic`");
        }
    }
}

fn encryption_keys<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Kibana) {
        match component.ending("encryptionkey") {
            Some(at) if !at.1.value.is_empty() && !at.1.value.starts_with("${") => {
                component.say(found, Some(at), "an encryption key is written into the manifest");
            }
            Some(_) => {}
            None => {
                let replicas =
                    component.workload.and_then(|workload| workload.document.at("/spec/replicas")?.as_i64());
                let by_secret = component.workload.is_some_and(|workload| {
                    workload.containers.iter().any(|container| {
                        container.env().any(|(_, entry)| {
                            entry
                                .get("name")
                                .and_then(Node::as_str)
                                .is_some_and(|name| name.to_lowercase().ends_with("encryptionkey"))
                        })
                    })
                });
                if replicas.is_some_and(|replicas| replicas > 1) && !component.managed() && !by_secret {
                    component.say(
                        found,
                        None,
                        "several replicas without a common encryption key: each makes its own",
                    );
                }
            }
        }
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
    }
}

fn ingress_clear<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for ingress in world.kind("Ingress").chain(world.kind("Route")) {
        if ingress.at("/spec/tls").is_some() {
            continue;
        }
        for (pointer, name) in ingress_backends(ingress) {
            let by_service = world.find("Service", world.namespace(ingress), name).is_some_and(|service| {
                world
                    .backends(service)
                    .iter()
                    .any(|backend| backend.has_role(Role::Elasticsearch) || backend.has_role(Role::Kibana))
            });
            if by_service || name.ends_with("-es-http") || name.ends_with("-kb-http") {
                found.add(ingress, pointer, format!("{name} is reached from outside without TLS"));
            }
        }
    }
}

fn apm_open<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Apm) {
        let Some(workload) = component.workload else { continue };
        if !world.allows(End::Outside, End::Workload(workload.number), Protocol::Tcp, 8200) {
            continue;
        }
        let anonymous =
            component.ending("auth.anonymous.enabled").filter(|(_, setting)| setting.value == "true");
        let token = ["secret_token", "auth.secret_token", "auth.api_key.enabled"]
            .iter()
            .any(|key| component.ending(key).is_some());
        if anonymous.is_some() || (!token && !component.managed()) {
            component.say(
                found,
                anonymous,
                format!("{workload} takes data without a token from any address outside of the cluster"),
            );
        }
    }
}

fn plain_hop<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::Memcached]) {
        let sources = world.sources(workload, Protocol::Tcp, 11211, |from| from.has_role(Role::Logstash));
        if !sources.is_empty() {
            found
                .add(
                    workload.document,
                    "/metadata/name",
                    format!("memcached answers {} without authentication", sources.words()),
                )
                .evidence(sources.evidence());
        }
    }
    for document in world.kind("ConfigMap") {
        for entry in document.root.get("data").map_or(&[] as &[_], Node::entries) {
            let text = entry.value.as_str().unwrap_or("");
            let Some(at) = text.find("beats {").or_else(|| text.find("beats{")) else { continue };
            let block = text[at..].split('}').next().unwrap_or("");
            let compact: String = block.chars().filter(|character| !character.is_whitespace()).collect();
            if compact.contains("ssl=>true") || compact.contains("ssl_enabled=>true") {
                continue;
            }
            let open = world.of(&[Role::Logstash]).find_map(|workload| {
                let sources =
                    world.sources(workload, Protocol::Tcp, 5044, |from| from.has_role(Role::Filebeat));
                (!sources.is_empty()).then(|| sources.words())
            });
            if let Some(who) = open {
                let pointer = parapet_manifest::pointer(["data", &*entry.key.name]);
                found.add(
                    document,
                    pointer,
                    format!("the Beats input is in clear text and reached by {who}"),
                );
            }
        }
    }
}

fn insights_unverified<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::ApiBuilder]) {
        for variable in workload.containers.iter().flat_map(|container| container.variables()) {
            let name = variable.name.to_uppercase();
            let off = (name.contains("VERIFICATIONMODE") || name.contains("VERIFICATION_MODE"))
                && variable.value.eq_ignore_ascii_case("none")
                || name.contains("VALIDATE") && variable.value.eq_ignore_ascii_case("false");
            if off {
                found.add_pod(
                    workload,
                    variable.pointer.clone(),
                    format!("{} switches the verification of its peer off", variable.name),
                );
            }
        }
    }
}
