//! Kibana's pods.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, HTTPGetAction, PodSpec, PodTemplateSpec, Probe,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::{Application as _, Kibana, Kind, annotations, labels, names};
use serde_json::{Map, Value};

use super::environment::downward;
use super::keystore::{self, Add, Keystore};
use super::mounts::Mounts;
use super::{PodInputs, apply_shorthand, exactly, security};
use crate::template::{Ours, merge};

/// The main container.
pub(crate) const MAIN: &str = "kibana";
/// The container that prepares the configuration.
pub(crate) const INIT: &str = "elastic-internal-init";
/// The volume of its script.
pub(crate) const SCRIPTS: &str = "kibana-scripts";
/// The volumes that Kibana's pods got with release 2.16 of the reference.
pub(crate) const ADDED_VOLUMES: [&str; 4] = [SCRIPTS, "kibana-plugins", "kibana-logs", "temp-volume"];
const HOME: &str = "/usr/share/kibana";
const INTERNAL: &str = "/mnt/elastic-internal";

/// What Kibana's pods need besides.
#[derive(Clone, Copy, Debug)]
pub struct KibanaInputs<'a> {
    /// As for every pod.
    pub pod: PodInputs<'a>,
    /// The Secret with the authority of the Elasticsearch that it shows, if that has one.
    pub elasticsearch_ca: Option<&'a str>,
}

/// The pods of a Kibana.
pub fn kibana(kb: &Kibana, inputs: &KibanaInputs<'_>) -> PodTemplateSpec {
    let pod = &inputs.pod;
    let mut user = kb.spec.pod_template.clone();
    apply_shorthand(&mut user, MAIN, kb.spec.resources.as_ref());
    // With 7.10 the image runs on a file system that can't be written.
    let hardened = pod.version.at_least(7, 10, 0);
    let contexts = hardened && pod.settings.default_security_context;
    let mounts = mounts(kb, inputs, hardened);
    let main = Container {
        name: MAIN.to_owned(),
        image: Some(crate::image(pod.settings, Kind::Kibana, pod.version, kb.spec.image.as_deref())),
        ports: Some(vec![port(kb.spec.http.scheme(), Kind::Kibana)]),
        readiness_probe: Some(readiness_probe(
            kb.spec.http.scheme(),
            Kind::Kibana,
            &probe_path(kb, &user, pod),
        )),
        resources: Some(exactly(None, "2Gi")),
        security_context: contexts.then(security::kibana),
        volume_mounts: Some(mounts.main()),
        ..Container::default()
    };
    let mut init = Vec::new();
    if pod.keystore {
        init.push(keystore::container(&KEYSTORE, exactly(Some("100m"), "128Mi")));
    }
    init.push(Container {
        name: INIT.to_owned(),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["bash".to_owned(), "-c".to_owned(), format!("{INTERNAL}/scripts/init.sh")]),
        resources: Some(exactly(Some("100m"), "50Mi")),
        volume_mounts: Some(mounts.first_init()),
        ..Container::default()
    });
    let version = pod.version.to_string();
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(super::texts([
                (labels::TYPE, Kind::Kibana.type_label()),
                (labels::KIBANA_NAME, kb.object_name()),
                (labels::KIBANA_VERSION, version.as_str()),
                (labels::WATCHED, "true"),
            ])),
            annotations: Some(super::texts([
                (annotations::LOGS_MODULE, "kibana"),
                (annotations::KIBANA_CONFIG_HASH, pod.config_hash),
            ])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            containers: vec![main],
            security_context: contexts.then(security::kibana_pod),
            volumes: Some(mounts.volumes()),
            ..PodSpec::default()
        }),
    };
    merge(user, Ours { template, init, init_env: downward(), share_env: false })
}

const KEYSTORE: Keystore = Keystore {
    create: "rm -f /usr/share/kibana/config/kibana.keystore /usr/share/kibana/data/kibana.keystore\n\
             /usr/share/kibana/bin/kibana-keystore create",
    add: Add::Stdin("/usr/share/kibana/bin/kibana-keystore add"),
    flag: "/usr/share/kibana/config/elastic-internal-init-keystore.ok",
};

/// The one port of an application's HTTP endpoint.
pub(super) fn port(scheme: &str, kind: Kind) -> ContainerPort {
    ContainerPort {
        name: Some(scheme.to_owned()),
        container_port: i32::from(kind.http_port()),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// A probe of an application's HTTP endpoint.
pub(super) fn readiness_probe(scheme: &str, kind: Kind, path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(kind.http_port())),
            scheme: Some(scheme.to_uppercase()),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(10),
        period_seconds: Some(10),
        timeout_seconds: Some(5),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

fn mounts(kb: &Kibana, inputs: &KibanaInputs<'_>, hardened: bool) -> Mounts {
    let generated = |part: &str| names::generated(Kind::Kibana, kb.object_name(), &[part]);
    let mut all = Mounts::default();
    all.empty_dir("kibana-data", &format!("{HOME}/data"))
        .empty_dir("elastic-internal-kibana-config-local", &format!("{HOME}/config"))
        .at_first("/mnt/elastic-internal/kibana-config-local")
        .secret(
            "elastic-internal-kibana-config",
            &generated("config"),
            &format!("{INTERNAL}/kibana-config"),
            &[],
        )
        .scripts(SCRIPTS, &generated("scripts"), &format!("{INTERNAL}/scripts"));
    if hardened {
        all.empty_dir("kibana-plugins", &format!("{HOME}/plugins"))
            .at_first("/mnt/elastic-internal/kibana-plugins-local")
            .empty_dir("kibana-logs", &format!("{HOME}/logs"))
            .empty_dir("temp-volume", "/tmp");
    }
    if kb.spec.http.tls_enabled() {
        all.secret(
            "elastic-internal-http-certificates",
            &generated("http-certs-internal"),
            &format!("{INTERNAL}/http-certs"),
            &[],
        );
    }
    if let Some(secret) = inputs.elasticsearch_ca {
        all.secret("elasticsearch-certs", secret, &format!("{HOME}/config/elasticsearch-certs"), &[]);
    }
    if inputs.pod.keystore {
        keystore::volume(&mut all, &super::secure_settings_secret(Kind::Kibana, kb.object_name()));
    }
    all
}

/// The path that says whether Kibana is ready, under the base path that it is told by its variables or its configuration.
fn probe_path(kb: &Kibana, user: &PodTemplateSpec, pod: &PodInputs<'_>) -> String {
    // Since 8.16 the status answers without a login.
    let page = if pod.version.at_least(8, 16, 0) { "/api/status" } else { "/login" };
    base_path_of(kb, user).unwrap_or_default() + page
}

/// The path that a Kibana answers under, if not at the root.
pub fn base_path(kb: &Kibana) -> Option<String> {
    base_path_of(kb, &kb.spec.pod_template)
}

fn base_path_of(kb: &Kibana, user: &PodTemplateSpec) -> Option<String> {
    base_path_of_environment(user).or_else(|| base_path_of_config(kb.spec.config.as_ref()?))
}

fn base_path_of_environment(user: &PodTemplateSpec) -> Option<String> {
    let main = user.spec.as_ref()?.containers.iter().find(|container| container.name == MAIN)?;
    let variable = |name: &str| {
        let found: Option<&EnvVar> = main.env.iter().flatten().find(|variable| variable.name == name);
        found.and_then(|variable| variable.value.as_deref())
    };
    (variable("SERVER_REWRITEBASEPATH")? == "true").then(|| variable("SERVER_BASEPATH").map(str::to_owned))?
}

fn base_path_of_config(config: &Map<String, Value>) -> Option<String> {
    let rewrite = match setting(config, "server.rewriteBasePath")? {
        Value::Bool(rewrite) => *rewrite,
        other => other.as_str() == Some("true"),
    };
    rewrite.then(|| setting(config, "server.basePath")?.as_str().map(str::to_owned))?
}

/// A setting by its dotted name, however much of the name is written nested.
fn setting<'a>(config: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    config.iter().find_map(|(key, value)| {
        let rest = name.strip_prefix(key.as_str())?;
        match rest.strip_prefix('.') {
            None => rest.is_empty().then_some(value),
            Some(rest) => setting(value.as_object()?, rest),
        }
    })
}
