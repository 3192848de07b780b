//! `kibana.yml`.

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Kibana, Kind, StackVersion, names};

use super::{Association, ConfigError, Credentials, Yml};
use crate::random::{Random, alphanumeric};
use crate::{IpFamily, Settings, data, owned_meta};

/// The file's name, and its key in the Secret.
const FILE: &str = "kibana.yml";
/// Where the pod finds its certificate.
const CERTIFICATES: &str = "/mnt/elastic-internal/http-certs";
/// Where the pod finds the authority of its Elasticsearch.
const ELASTICSEARCH_CA: &str = "/usr/share/kibana/config/elasticsearch-certs/ca.crt";

/// The keys that Kibana encrypts with. Who loses them can't read saved alerts and connectors any more, so they are kept
/// for as long as the Secret lives.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKeys {
    security: String,
    reporting: String,
    saved_objects: String,
}

impl std::fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncryptionKeys(…)")
    }
}

impl EncryptionKeys {
    /// Those of the live configuration, and new ones for what it lacks.
    pub fn kept_or_made(live: Option<&Secret>, random: Random<'_>) -> Self {
        /// As long as the reference's; Kibana asks for 32 characters at least.
        const LENGTH: usize = 64;
        let live = live.and_then(|secret| Yml::parse(&data::text(secret, FILE)?).ok());
        let mut key = |path: &str| {
            let kept = live.as_ref().and_then(|live| live.text_at(path)).filter(|key| !key.is_empty());
            kept.unwrap_or_else(|| alphanumeric(LENGTH, random))
        };
        Self {
            security: key("xpack.security.encryptionKey"),
            reporting: key("xpack.reporting.encryptionKey"),
            saved_objects: key("xpack.encryptedSavedObjects.encryptionKey"),
        }
    }
}

/// What Kibana's configuration is made of, besides its own resource.
#[derive(Clone, Copy, Debug)]
pub struct KibanaInputs<'a> {
    /// Its Elasticsearch, if it has one.
    pub elasticsearch: Option<&'a Association<'a>>,
    /// What it encrypts with.
    pub keys: &'a EncryptionKeys,
}

/// The configuration of a Kibana; the user's own wins.
pub fn kibana(kibana: &Kibana, inputs: &KibanaInputs<'_>, settings: &Settings) -> Result<Yml, ConfigError> {
    let version: StackVersion = kibana.spec.version.parse()?;
    let mut ours = Yml::default();
    let any = match settings.ip_family {
        Some(IpFamily::V6) => "::",
        Some(IpFamily::V4) | None => "0.0.0.0",
    };
    ours.set("server.host", any);
    let container = if version.at_least(7, 16, 0) {
        "monitoring.ui.container.elasticsearch.enabled"
    } else {
        "xpack.monitoring.ui.container.elasticsearch.enabled"
    };
    ours.set(container, true);
    ours.set("xpack.security.encryptionKey", inputs.keys.security.as_str());
    ours.set("xpack.reporting.encryptionKey", inputs.keys.reporting.as_str());
    if version.at_least(7, 6, 0) {
        ours.set("xpack.license_management.ui.enabled", false);
        ours.set("xpack.encryptedSavedObjects.encryptionKey", inputs.keys.saved_objects.as_str());
    }
    if kibana.spec.http.tls_enabled() {
        ours.set("server.ssl.enabled", true);
        ours.set("server.ssl.certificate", format!("{CERTIFICATES}/tls.crt"));
        ours.set("server.ssl.key", format!("{CERTIFICATES}/tls.key"));
    }
    if let Some(target) = inputs.elasticsearch {
        associate(&mut ours, target);
    }
    monitor(&mut ours, kibana);
    Ok(ours.merged(Yml::from_user(kibana.spec.config.as_ref())?))
}

/// Metricbeat asks for what Kibana would send by itself, and Filebeat reads files that Kibana writes beside what it prints. Whether
/// there is an audit log is the user's to say; if there is, it is written to a file.
fn monitor(yml: &mut Yml, kibana: &Kibana) {
    const LOGS: &str = "/usr/share/kibana/logs";
    let Some(monitoring) = &kibana.spec.monitoring else { return };
    if monitoring.metrics.cluster().is_some() {
        yml.set("monitoring.kibana.collection.enabled", false);
    }
    if monitoring.logs.cluster().is_none() {
        return;
    }
    for (appender, file) in [
        ("logging.appenders.rolling-file", "kibana.json"),
        ("xpack.security.audit.appender", "kibana_audit.json"),
    ] {
        yml.set(&format!("{appender}.type"), "rolling-file");
        yml.set(&format!("{appender}.fileName"), format!("{LOGS}/{file}"));
        yml.set(&format!("{appender}.layout.type"), "json");
        yml.set(&format!("{appender}.policy.type"), "size-limit");
        yml.set(&format!("{appender}.policy.size"), "50mb");
    }
    yml.set("logging.root.appenders", vec!["default", "rolling-file"]);
}

fn associate(yml: &mut Yml, target: &Association<'_>) {
    yml.set("elasticsearch.hosts", vec![target.conf.url.as_str()]);
    yml.set("elasticsearch.ssl.verificationMode", "certificate");
    if target.conf.ca_cert_provided {
        yml.set("elasticsearch.ssl.certificateAuthorities", ELASTICSEARCH_CA);
    }
    match &target.credentials {
        Credentials::None => {}
        Credentials::Token(token) => yml.set("elasticsearch.serviceAccountToken", token.as_str()),
        Credentials::Password { username, password } => {
            yml.set("elasticsearch.username", username.as_str());
            yml.set("elasticsearch.password", password.as_str());
        }
    }
}

/// The Secret that carries the configuration: `<K>-kb-config`. What else `live` holds is kept: usage reports are put there by others.
pub fn secret(kibana: &Kibana, config: &Yml, live: Option<&Secret>) -> Secret {
    /// Written by who reports usage; Kibana reads it beside its own file.
    const TELEMETRY: &str = "telemetry.yml";
    let name = names::generated(Kind::Kibana, kibana.object_name(), &["config"]);
    let text = config.text_keeping(live.and_then(|live| data::text(live, FILE)).as_deref());
    let telemetry =
        live.and_then(|live| data::text(live, TELEMETRY)).map(|text| (TELEMETRY.to_owned(), text));
    data::secret(owned_meta(kibana, name), [(FILE.to_owned(), text)].into_iter().chain(telemetry))
}
