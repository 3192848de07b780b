//! APM Server's pods.

use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, PodSpec, PodTemplateSpec, SecretKeySelector,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{ApmServer, Application as _, Kind, annotations, labels, names};

use super::environment::downward;
use super::keystore::{self, Add, Keystore};
use super::kibana::{port, readiness_probe};
use super::mounts::Mounts;
use super::{PodInputs, apply_shorthand, exactly, security};
use crate::template::{Ours, merge};

/// The main container.
const MAIN: &str = "apm-server";
const HOME: &str = "/usr/share/apm-server";

/// What APM Server's pods need besides.
#[derive(Clone, Copy, Debug)]
pub struct ApmServerInputs<'a> {
    /// As for every pod.
    pub pod: PodInputs<'a>,
    /// The Secret with the authority of the Elasticsearch that it writes to, if that has one.
    pub elasticsearch_ca: Option<&'a str>,
    /// The Secret with the authority of the Kibana that it asks, if that has one.
    pub kibana_ca: Option<&'a str>,
}

/// The pods of an APM Server.
pub fn apm_server(apm: &ApmServer, inputs: &ApmServerInputs<'_>) -> PodTemplateSpec {
    let pod = &inputs.pod;
    let mut user = apm.spec.pod_template.clone();
    apply_shorthand(&mut user, MAIN, apm.spec.resources.as_ref());
    let mounts = mounts(apm, inputs);
    let mut env = downward();
    env.push(secret_token(apm.object_name()));
    let main = Container {
        name: MAIN.to_owned(),
        image: Some(crate::image(pod.settings, Kind::ApmServer, pod.version, apm.spec.image.as_deref())),
        args: Some(vec!["-c".to_owned(), "config/config-secret/apm-server.yml".to_owned()]),
        env: Some(env),
        ports: Some(vec![port(apm.spec.http.scheme(), Kind::ApmServer)]),
        readiness_probe: Some(readiness_probe(apm.spec.http.scheme(), Kind::ApmServer, "/")),
        resources: Some(exactly(None, "512Mi")),
        volume_mounts: Some(mounts.main()),
        ..Container::default()
    };
    let mut init = Vec::new();
    if pod.keystore {
        init.push(keystore::container(&KEYSTORE, exactly(Some("100m"), "128Mi")));
    }
    let version = pod.version.to_string();
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(super::texts([
                (labels::TYPE, Kind::ApmServer.type_label()),
                (labels::APM_NAME, apm.object_name()),
                (labels::APM_VERSION, version.as_str()),
            ])),
            annotations: Some(super::texts([(annotations::APM_CONFIG_HASH, pod.config_hash)])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            containers: vec![main],
            security_context: pod.settings.default_security_context.then(security::apm_server_pod),
            volumes: Some(mounts.volumes()),
            ..PodSpec::default()
        }),
    };
    merge(user, Ours { template, init, init_env: downward(), share_env: false })
}

const KEYSTORE: Keystore = Keystore {
    create: "/usr/share/apm-server/apm-server keystore create --force",
    add: Add::Stdin("/usr/share/apm-server/apm-server keystore add --force"),
    flag: "/usr/share/apm-server/data/elastic-internal-init-keystore.ok",
};

/// The token by which agents are let in; the configuration refers to the variable.
fn secret_token(owner: &str) -> EnvVar {
    EnvVar {
        name: "SECRET_TOKEN".to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: names::generated(Kind::ApmServer, owner, &["token"]),
                key: "secret-token".to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn mounts(apm: &ApmServer, inputs: &ApmServerInputs<'_>) -> Mounts {
    let generated = |part: &str| names::generated(Kind::ApmServer, apm.object_name(), &[part]);
    let mut all = Mounts::default();
    all.empty_dir("config-volume", &format!("{HOME}/config"))
        .secret("config", &generated("config"), &format!("{HOME}/config/config-secret"), &[])
        .empty_dir("apmserver-data", &format!("{HOME}/data"));
    if let Some(secret) = inputs.elasticsearch_ca {
        all.secret("elasticsearch-certs", secret, &format!("{HOME}/config/elasticsearch-certs"), &[]);
    }
    if let Some(secret) = inputs.kibana_ca {
        all.secret("kibana-certs", secret, &format!("{HOME}/config/kibana-certs"), &[]);
    }
    if apm.spec.http.tls_enabled() {
        all.secret(
            "elastic-internal-http-certificates",
            &generated("http-certs-internal"),
            "/mnt/elastic-internal/http-certs",
            &[],
        );
    }
    if inputs.pod.keystore {
        keystore::volume(&mut all, &super::secure_settings_secret(Kind::ApmServer, apm.object_name()));
    }
    all
}
