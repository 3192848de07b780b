//! What the operator is told, by flags, environment and a file, in this order of precedence.
//!
//! The keys are the reference's ([`KEYS`]). What the file has besides is ignored with a warning, as files of adopters may
//! have keys that this version doesn't know; what looks like a known key written wrongly is an error.

mod error;
mod file;
mod keys;
mod reader;
mod reload;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;
use parapet_elastic::IpFamily;
use parapet_pki::KeyKind;
use regex::Regex;

pub use error::{Origin, Place, SettingsError, Warning};
pub use keys::{Effect, KEYS, Key, find};
pub use reload::{LOOK_EVERY, changed};

use crate::elasticsearch::Dialling;
use file::Written;
use reader::Reader;

/// What was given, before it is understood.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Flags by their key.
    pub flags: BTreeMap<&'static str, String>,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// The file's path and text.
    pub file: Option<(PathBuf, String)>,
}

impl Given {
    /// Reads the file, if there is to be one.
    pub fn read(
        flags: BTreeMap<&'static str, String>,
        environment: BTreeMap<String, String>,
        file: Option<&Path>,
    ) -> Result<Self, SettingsError> {
        let read = |path: &Path| {
            let text =
                read_bounded(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
            Ok((path.to_owned(), text))
        };
        Ok(Self { flags, environment, file: file.map(read).transpose()? })
    }
}

/// What the operator goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// -2 errors, -1 warnings, 0 normal, more: debugging.
    pub log_verbosity: i8,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<MetricsSettings>,
    /// Where probes are answered, if anywhere; the same address as that of the metrics is served once, for both.
    pub probes: Option<SocketAddr>,
    /// Images and what else decides the contents of objects. The security context still depends on the cluster
    /// ([`Settings::security_context`]).
    pub elastic: parapet_elastic::Settings,
    /// Whether pods get a default security context.
    pub security_context: SecurityContext,
    /// Passes at the same time, for each kind.
    pub max_concurrent_reconciles: usize,
    /// Where the authority for everything is, if there is one.
    pub ca_dir: Option<PathBuf>,
    /// Of new authorities.
    pub ca_validity: Validity,
    /// Of new certificates.
    pub certificate_validity: Validity,
    /// Of new authorities.
    pub certificate_key: KeyKind,
    /// Whether a changed file ends the process.
    pub watch_config: bool,
    /// For each call of the API server.
    pub kube_client_timeout: Duration,
    /// For each call of Elasticsearch.
    pub elasticsearch_client_timeout: Duration,
    /// By which names Elasticsearch is called.
    pub dialling: Dialling,
    /// Between looks at each cluster's health; none: only while something changes.
    pub observation_interval: Option<Duration>,
    /// Free text.
    pub distribution_channel: String,
    /// Whether a volume's class is asked if it may grow.
    pub validate_storage_class: bool,
    /// The webhook, if it is served.
    pub webhook: Option<WebhookSettings>,
    /// Where the operator runs.
    pub operator_namespace: String,
    /// The labels of the operator's own pods.
    pub operator_labels: BTreeMap<String, String>,
    /// The namespaces that are looked after; empty: all.
    pub namespaces: BTreeSet<String>,
    /// The labels of namespaces that are looked after, as the API server takes them.
    pub namespace_selector: Option<String>,
    /// Whether a lease is taken.
    pub leader_election: bool,
    /// Whether references need the right to get their target.
    pub enforce_rbac_on_refs: bool,
    /// For the first listing.
    pub cache_startup_timeout: Option<Duration>,
    /// Whether the service mesh around applications is looked at.
    pub mesh_checks: bool,
    /// Where the mesh itself is installed.
    pub mesh_namespace: String,
    /// For which applications NetworkPolicies are made.
    pub network_policies: NetworkPolicies,
    /// What is odd.
    pub warnings: Vec<Warning>,
}

/// Where metrics are served, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Where. Port 0 stands for any; it can't be asked for by the key.
    pub address: SocketAddr,
    /// How.
    pub security: MetricsSecurity,
}

/// Who may read metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsSecurity {
    /// Whoever reaches the socket, in clear text: for loopback, behind a gate.
    Plain,
    /// Whom the API server lets, with TLS by the folder's `tls.crt` and `tls.key`, self-signed without.
    Guarded(Option<PathBuf>),
}

/// How long something is valid, and when it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From now.
    pub lifetime: Duration,
    /// Before its end.
    pub rotate_before: Duration,
}

/// `set-default-security-context`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityContext {
    /// As written.
    Set(bool),
    /// Unless the cluster has OpenShift's security context constraints.
    AutoDetect,
}

/// `network-policies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkPolicies {
    /// None is made; those that were made stay.
    Off,
    /// For applications that have none of their objects yet.
    New,
    /// For all.
    All,
}

/// The webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Of the ValidatingWebhookConfiguration.
    pub name: String,
    /// Where it is served, on all addresses.
    pub port: u16,
    /// The Secret of its certificate.
    pub secret: Option<String>,
    /// Where the Secret is mounted.
    pub cert_dir: PathBuf,
    /// Whether the operator makes the certificate.
    pub manage_certs: bool,
}

impl Settings {
    /// Understands what was given.
    pub fn resolve(given: &Given) -> Result<Self, SettingsError> {
        let mut reader = Reader::default();
        if let Some((path, text)) = &given.file {
            reader.file(file::parse(text, path)?)?;
        }
        reader.environment(|name| given.environment.get(name).cloned());
        reader.flags(given.flags.clone());
        let mut settings = Self::read(&mut reader)?;
        settings.warnings = reader.warnings;
        Ok(settings)
    }

    fn read(from: &mut Reader) -> Result<Self, SettingsError> {
        let operator_namespace = from.text("operator-namespace")?;
        if operator_namespace.is_empty() {
            let key = "operator-namespace";
            return Err(SettingsError::Missing { key, variable: "OPERATOR_NAMESPACE".to_owned() });
        }
        let ip_family = ip_family(from)?;
        let elastic = parapet_elastic::Settings {
            container_registry: from.text("container-registry")?.trim_end_matches('/').to_owned(),
            container_repository: from.text("container-repository")?,
            container_suffix: from.text("container-suffix")?,
            ubi_only: from.flag("ubi-only")?,
            default_security_context: true,
            ip_family,
            exposed_node_labels: from.regexes("exposed-node-labels")?,
            operator_namespace: operator_namespace.clone(),
            password_length: password_length(from)?,
        };
        if elastic.ubi_only && !elastic.container_suffix.is_empty() {
            return Err(
                from.clash("container-suffix", "not together with ubi-only, which has a suffix of its own")
            );
        }
        let metrics = metrics(from, ip_family)?;
        let workers: usize = from.parsed("max-concurrent-reconciles", "no number from 1 on")?;
        if workers == 0 {
            return Err(from.wrong("max-concurrent-reconciles", "0", "no number from 1 on"));
        }
        let observation = from.duration("elasticsearch-observation-interval")?;
        let startup = from.duration("cache-startup-timeout")?;
        Ok(Self {
            log_verbosity: from.parsed("log-verbosity", "no number from -2 to 2")?,
            probes: probes(from, metrics.as_ref(), ip_family)?,
            metrics,
            elastic,
            security_context: security_context(from)?,
            max_concurrent_reconciles: workers,
            ca_dir: Some(from.text("ca-dir")?).filter(|path| !path.is_empty()).map(PathBuf::from),
            ca_validity: validity(from, "ca-cert-validity", "ca-cert-rotate-before")?,
            certificate_validity: validity(from, "cert-validity", "cert-rotate-before")?,
            certificate_key: certificate_key(from)?,
            watch_config: !from.flag("disable-config-watch")?,
            kube_client_timeout: timeout(from, "kube-client-timeout")?,
            elasticsearch_client_timeout: timeout(from, "elasticsearch-client-timeout")?,
            dialling: dialling(from)?,
            observation_interval: (!observation.is_zero()).then_some(observation),
            distribution_channel: from.text("distribution-channel")?,
            validate_storage_class: from.flag("validate-storage-class")?,
            webhook: webhook(from)?,
            namespaces: from.list("namespaces")?.into_iter().collect(),
            namespace_selector: namespace_selector(from)?,
            leader_election: from.flag("enable-leader-election")?,
            enforce_rbac_on_refs: from.flag("enforce-rbac-on-refs")?,
            cache_startup_timeout: (!startup.is_zero()).then_some(startup),
            mesh_checks: from.flag("mesh-checks")?,
            mesh_namespace: mesh_namespace(from)?,
            operator_labels: operator_labels(from)?,
            network_policies: network_policies(from)?,
            operator_namespace,
            warnings: Vec::new(),
        })
    }
}

fn ip_family(from: &mut Reader) -> Result<Option<IpFamily>, SettingsError> {
    let text = from.text("ip-family")?;
    match text.as_str() {
        "" => Ok(None),
        "IPv4" => Ok(Some(IpFamily::V4)),
        "IPv6" => Ok(Some(IpFamily::V6)),
        _ => Err(from.wrong("ip-family", &text, "neither IPv4 nor IPv6")),
    }
}

fn any(family: Option<IpFamily>) -> IpAddr {
    match family {
        Some(IpFamily::V6) => Ipv6Addr::UNSPECIFIED.into(),
        Some(IpFamily::V4) | None => Ipv4Addr::UNSPECIFIED.into(),
    }
}

fn metrics(from: &mut Reader, family: Option<IpFamily>) -> Result<Option<MetricsSettings>, SettingsError> {
    let port: u16 = from.parsed("metrics-port", "no port from 0 to 65535")?;
    let host = from.text("metrics-host")?;
    let host = match host.as_str() {
        "" | "0.0.0.0" => any(family),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        text => text.parse().map_err(|_| from.wrong("metrics-host", text, "no address such as 127.0.0.1"))?,
    };
    let folder = Some(from.text("metrics-cert-dir")?).filter(|path| !path.is_empty()).map(PathBuf::from);
    let security = match from.flag("metrics-secure")? {
        true => MetricsSecurity::Guarded(folder),
        false => MetricsSecurity::Plain,
    };
    if port == 0 {
        return Ok(None);
    }
    let address = SocketAddr::new(host, port);
    if security == MetricsSecurity::Plain && !host.is_loopback() {
        let place = from.place("metrics-host").or_else(|| from.place("metrics-port"));
        let place = place.unwrap_or(Place { origin: Origin::Flag, key: "metrics-host".to_owned() });
        let message = format!(
            "whoever reaches {address} reads the metrics in clear text; set metrics-secure, or metrics-host: 127.0.0.1 beside a gate"
        );
        from.warnings.push(Warning { place, message });
    }
    Ok(Some(MetricsSettings { address, security }))
}

/// The default address gives way to metrics on the same port; one that was asked for doesn't, and clashes only if one of
/// the two would answer for the other in another way.
fn probes(
    from: &mut Reader,
    metrics: Option<&MetricsSettings>,
    family: Option<IpFamily>,
) -> Result<Option<SocketAddr>, SettingsError> {
    let name = "probes-bind-address";
    let text = from.text(name)?;
    let wanted = "no address such as :8081 or 127.0.0.1:8081";
    let address = match text.as_str() {
        "" | "0" => return Ok(None),
        text => match text.strip_prefix(':') {
            Some(port) => {
                SocketAddr::new(any(family), port.parse().map_err(|_| from.wrong(name, text, wanted))?)
            }
            None => text.parse().map_err(|_| from.wrong(name, text, wanted))?,
        },
    };
    let Some(metrics) = metrics.filter(|metrics| overlap(metrics.address, address)) else {
        return Ok(Some(address));
    };
    if from.place(name).is_none() {
        // The reference's own default clashes with the manifests that it documented before it had probes.
        return Ok(None);
    }
    if metrics.security == MetricsSecurity::Plain {
        return Ok(Some(address));
    }
    Err(from.clash(name, format!("metrics are served at {} already, to those with a token", metrics.address)))
}

/// Whether two sockets can't be bound at the same time.
fn overlap(one: SocketAddr, two: SocketAddr) -> bool {
    let (a, b) = (one.ip(), two.ip());
    one.port() == two.port() && one.port() != 0 && (a == b || a.is_unspecified() || b.is_unspecified())
}

fn security_context(from: &mut Reader) -> Result<SecurityContext, SettingsError> {
    match from.text("set-default-security-context")?.as_str() {
        "" | "auto-detect" => Ok(SecurityContext::AutoDetect),
        "true" => Ok(SecurityContext::Set(true)),
        "false" => Ok(SecurityContext::Set(false)),
        text => Err(from.wrong("set-default-security-context", text, "none of true, false and auto-detect")),
    }
}

fn validity(
    from: &mut Reader,
    lifetime: &'static str,
    rotate_before: &'static str,
) -> Result<Validity, SettingsError> {
    let validity =
        Validity { lifetime: from.duration(lifetime)?, rotate_before: from.duration(rotate_before)? };
    if validity.lifetime.is_zero() {
        return Err(from.wrong(lifetime, "0", "too short"));
    }
    if validity.rotate_before > validity.lifetime {
        let message =
            format!("it is longer than {lifetime}, so that everything would be renewed all the time");
        return Err(from.clash(rotate_before, message));
    }
    Ok(validity)
}

fn certificate_key(from: &mut Reader) -> Result<KeyKind, SettingsError> {
    match from.text("certificate-key-type")?.as_str() {
        "ecdsa" => Ok(KeyKind::EcdsaP256),
        "rsa" => Ok(KeyKind::Rsa2048),
        text => Err(from.wrong("certificate-key-type", text, "neither ecdsa nor rsa")),
    }
}

fn timeout(from: &mut Reader, name: &'static str) -> Result<Duration, SettingsError> {
    let timeout = from.duration(name)?;
    if timeout.is_zero() {
        return Err(from.wrong(name, "0", "too short"));
    }
    Ok(timeout)
}

fn webhook(from: &mut Reader) -> Result<Option<WebhookSettings>, SettingsError> {
    let port: u16 = from.parsed("webhook-port", "no port from 1 to 65535")?;
    let settings = WebhookSettings {
        name: from.text("webhook-name")?,
        port,
        secret: Some(from.text("webhook-secret")?).filter(|name| !name.is_empty()),
        cert_dir: from.text("webhook-cert-dir")?.into(),
        manage_certs: from.flag("manage-webhook-certs")?,
    };
    if !from.flag("enable-webhook")? {
        return Ok(None);
    }
    if port == 0 {
        return Err(from.wrong("webhook-port", "0", "no port from 1 to 65535"));
    }
    Ok(Some(settings))
}

fn namespace_selector(from: &mut Reader) -> Result<Option<String>, SettingsError> {
    let name = "namespace-selector";
    match from.written(name) {
        Written::Nothing => Ok(None),
        Written::One(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Written::Many(terms) => Ok(Some(terms.join(",")).filter(|text| !text.is_empty())),
        Written::Mapping(mapping) => {
            let wanted = "no selector with matchLabels and matchExpressions";
            let text = serde_json::Value::Object(mapping.clone()).to_string();
            let unknown = mapping.keys().any(|key| key != "matchLabels" && key != "matchExpressions");
            let selector: Result<LabelSelector, _> = serde_json::from_value(mapping.into());
            let selector =
                selector.ok().filter(|_| !unknown).and_then(|selector| Selector::try_from(selector).ok());
            let selector = selector.ok_or_else(|| from.wrong(name, &text, wanted))?;
            Ok((!selector.selects_all()).then(|| selector.to_string()))
        }
    }
}

fn password_length(from: &mut Reader) -> Result<usize, SettingsError> {
    // Elasticsearch takes 6 or more; bcrypt reads no more than 72 bytes.
    let wanted = "no number from 6 to 72";
    let length = from.parsed("password-length", wanted)?;
    match (6..=72).contains(&length) {
        true => Ok(length),
        false => Err(from.wrong("password-length", &length.to_string(), wanted)),
    }
}

fn dialling(from: &mut Reader) -> Result<Dialling, SettingsError> {
    match from.text("elasticsearch-dialling")?.as_str() {
        "pods" => Ok(Dialling::Pods),
        "service" => Ok(Dialling::Service),
        text => Err(from.wrong("elasticsearch-dialling", text, "neither pods nor service")),
    }
}

/// In the manifests that other manifests are made for it is one.
fn operator_labels(from: &mut Reader) -> Result<BTreeMap<String, String>, SettingsError> {
    let name = "operator-labels";
    let label = |text: &String| {
        let is_word = |word: &str| {
            let first = word.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
            first && word.chars().all(|one| one.is_ascii_alphanumeric() || "-_./".contains(one))
        };
        let (label, value) =
            text.split_once('=').filter(|(label, value)| is_word(label) && is_word(value))?;
        Some((label.to_owned(), value.to_owned()))
    };
    let texts = from.list(name)?;
    if texts.is_empty() {
        return Ok([("control-plane".to_owned(), "elastic-operator".to_owned())].into());
    }
    let labels = texts.iter().map(|text| label(text).ok_or_else(|| from.wrong(name, text, "no LABEL=VALUE")));
    labels.collect()
}

/// It becomes part of paths.
fn mesh_namespace(from: &mut Reader) -> Result<String, SettingsError> {
    let name = from.text("mesh-namespace")?;
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // RFC 1123, as Kubernetes has it.
    match (1..=63).contains(&name.len()) && name.bytes().all(is_label) {
        true => Ok(name),
        false => Err(from.wrong("mesh-namespace", &name, "no name of a namespace")),
    }
}

fn network_policies(from: &mut Reader) -> Result<NetworkPolicies, SettingsError> {
    match from.text("network-policies")?.as_str() {
        "off" | "false" => Ok(NetworkPolicies::Off),
        "new" => Ok(NetworkPolicies::New),
        "all" | "true" => Ok(NetworkPolicies::All),
        text => Err(from.wrong("network-policies", text, "none of off, new and all")),
    }
}

/// Reads a file that may not be larger than a ConfigMap.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(file::MAX_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > file::MAX_BYTES {
        true => Err(std::io::Error::other("it is larger than 1 MiB")),
        false => Ok(text),
    }
}

/// Whether a label may be shown to pods by `exposed-node-labels`.
pub fn is_exposed(label: &str, exposed: &[Regex]) -> bool {
    exposed.iter().any(|regex| regex.is_match(label))
}

#[cfg(test)]
mod tests;
