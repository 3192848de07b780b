//! `apm-server.yml`.

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{ApmServer, Application as _, Kind, StackVersion, names};

use super::{Association, ConfigError, Credentials, Yml};
use crate::{data, owned_meta};

/// The file's name, and its key in the Secret.
const FILE: &str = "apm-server.yml";
/// Where the pod finds its certificate.
const CERTIFICATES: &str = "/mnt/elastic-internal/http-certs";

/// What an APM Server's configuration is made of, besides its own resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApmServerInputs<'a> {
    /// Its Elasticsearch, if it has one.
    pub elasticsearch: Option<&'a Association<'a>>,
    /// Its Kibana, if it has one.
    pub kibana: Option<&'a Association<'a>>,
}

/// The configuration of an APM Server; the user's own wins.
pub fn apm_server(apm: &ApmServer, inputs: &ApmServerInputs<'_>) -> Result<Yml, ConfigError> {
    let version: StackVersion = apm.spec.version.parse()?;
    let mut ours = Yml::default();
    ours.set("apm-server.host", ":8200");
    let token =
        if version.at_least(8, 0, 0) { "apm-server.auth.secret_token" } else { "apm-server.secret_token" };
    ours.set(token, "${SECRET_TOKEN}");
    if apm.spec.http.tls_enabled() {
        ours.set("apm-server.ssl.enabled", true);
        ours.set("apm-server.ssl.certificate", format!("{CERTIFICATES}/tls.crt"));
        ours.set("apm-server.ssl.key", format!("{CERTIFICATES}/tls.key"));
    }
    if let Some(target) = inputs.elasticsearch {
        ours.set("output.elasticsearch.hosts", vec![target.conf.url.as_str()]);
        associate(&mut ours, "output.elasticsearch", "elasticsearch-certs", target);
    }
    if let Some(target) = inputs.kibana {
        ours.set("apm-server.kibana.enabled", true);
        ours.set("apm-server.kibana.host", target.conf.url.as_str());
        associate(&mut ours, "apm-server.kibana", "kibana-certs", target);
    }
    Ok(ours.merged(Yml::from_user(apm.spec.config.as_ref())?))
}

/// Who one is at `target`, and what its certificate is checked with. The path is relative to the server's home.
fn associate(yml: &mut Yml, prefix: &str, folder: &str, target: &Association<'_>) {
    if let Credentials::Password { username, password } = &target.credentials {
        yml.set(&format!("{prefix}.username"), username.as_str());
        yml.set(&format!("{prefix}.password"), password.as_str());
    }
    if target.conf.ca_cert_provided {
        yml.set(&format!("{prefix}.ssl.certificate_authorities"), vec![format!("config/{folder}/ca.crt")]);
    }
}

/// The Secret that carries the configuration: `<A>-apm-config`.
pub fn secret(apm: &ApmServer, config: &Yml, live: Option<&Secret>) -> Secret {
    let name = names::generated(Kind::ApmServer, apm.object_name(), &["config"]);
    let text = config.text_keeping(live.and_then(|live| data::text(live, FILE)).as_deref());
    data::secret(owned_meta(apm, name), [(FILE.to_owned(), text)])
}
