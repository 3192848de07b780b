//! Elasticsearch's pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EnvVar, ExecAction, Lifecycle,
    LifecycleHandler, ObjectFieldSelector, PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec,
    Probe, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{
    Application as _, Elasticsearch, Kind, NodeSet, StackVersion, annotations, labels, names, volumes,
};

use super::environment::{downward, field, value};
use super::keystore::{self, Add, Keystore};
use super::mounts::Mounts;
use super::{PodInputs, apply_shorthand, exactly, security, zones};
use crate::template::{Ours, merge};

/// The main container.
pub(crate) const MAIN: &str = "elasticsearch";
const INIT_FILESYSTEM: &str = "elastic-internal-init-filesystem";
const INIT_SUSPEND: &str = "elastic-internal-suspend";
const HOME: &str = "/usr/share/elasticsearch";
const INTERNAL: &str = "/mnt/elastic-internal";
/// What a claim is called in the template; the StatefulSet's controller puts each pod's own there.
const CLAIM_PLACEHOLDER: &str = "claim-name-placeholder";
const TRANSPORT_PORT: i32 = 9300;
/// The user that asks whether a node answers.
const PROBE_USER: &str = "elastic-internal-probe";
/// The user that says that a node goes.
const PRE_STOP_USER: &str = "elastic-internal-pre-stop";
/// How long a node may take to move away what it has, in seconds: the reference's own.
const GRACE_SECONDS: i64 = 180;

/// The pods of a node set.
///
/// `roles` are the labels of the node set's roles, `true` and `false` alike: meshes and Services select by them.
pub fn elasticsearch(
    es: &Elasticsearch,
    node_set: &NodeSet,
    roles: &BTreeMap<String, String>,
    inputs: &PodInputs<'_>,
) -> PodTemplateSpec {
    let cluster = es.object_name();
    let stateful_set = names::stateful_set(cluster, &node_set.name);
    let mut user = node_set.pod_template.clone();
    apply_shorthand(&mut user, MAIN, node_set.resources.as_ref());
    mitigate_log4shell(&mut user, inputs.version);
    let zone_key = zones::zone_awareness(es, node_set);
    let mounts = mounts(es, node_set, &user, &stateful_set, zone_key.is_some(), inputs);
    let data_mounted = mounts_data(&user, &mounts);
    if let Some(key) = zone_key {
        require_zone(&mut user, node_set, cluster, key);
    }
    let main = Container {
        name: MAIN.to_owned(),
        image: Some(crate::image(
            inputs.settings,
            Kind::Elasticsearch,
            inputs.version,
            es.spec.image.as_deref(),
        )),
        env: Some(environment(es, &stateful_set, zone_key)),
        ports: Some(ports(es)),
        readiness_probe: Some(readiness_probe(inputs.version)),
        lifecycle: Some(lifecycle()),
        resources: Some(exactly(None, "2Gi")),
        security_context: Some(security::elasticsearch(inputs.version, data_mounted)),
        volume_mounts: Some(mounts.main()),
        ..Container::default()
    };
    let mut init = vec![Container {
        name: INIT_FILESYSTEM.to_owned(),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(script("prepare-fs.sh")),
        resources: Some(exactly(Some("100m"), "50Mi")),
        volume_mounts: Some(mounts.first_init()),
        ..Container::default()
    }];
    if inputs.keystore {
        init.push(keystore::container(&KEYSTORE, exactly(Some("500m"), "196Mi")));
    }
    init.push(Container {
        name: INIT_SUSPEND.to_owned(),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(script("suspend.sh")),
        ..Container::default()
    });
    let template = PodTemplateSpec {
        metadata: Some(metadata(es, &stateful_set, roles, inputs)),
        spec: Some(PodSpec {
            affinity: Some(zones::apart(cluster)),
            automount_service_account_token: Some(false),
            containers: vec![main],
            security_context: security::elasticsearch_pod(
                inputs.version,
                inputs.settings.default_security_context,
            ),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            topology_spread_constraints: zones::spread(node_set, cluster, &stateful_set).map(|one| vec![one]),
            volumes: Some(mounts.volumes()),
            ..PodSpec::default()
        }),
    };
    merge(user, Ours { template, init, init_env: downward(), share_env: true })
}

const KEYSTORE: Keystore = Keystore {
    create: "rm -f /usr/share/elasticsearch/config/elasticsearch.keystore\n\
             /usr/share/elasticsearch/bin/elasticsearch-keystore create",
    add: Add::Files("/usr/share/elasticsearch/bin/elasticsearch-keystore add-file"),
    flag: "/usr/share/elasticsearch/config/elastic-internal-init-keystore.ok",
};

fn metadata(
    es: &Elasticsearch,
    stateful_set: &str,
    roles: &BTreeMap<String, String>,
    inputs: &PodInputs<'_>,
) -> ObjectMeta {
    let version = inputs.version.to_string();
    let mut all = super::texts([
        (labels::TYPE, Kind::Elasticsearch.type_label()),
        (labels::CLUSTER_NAME, es.object_name()),
        (labels::STATEFULSET_NAME, stateful_set),
        (labels::ELASTICSEARCH_VERSION, version.as_str()),
        (labels::HTTP_SCHEME, es.spec.http.scheme()),
        (labels::WATCHED, "true"),
    ]);
    all.extend(roles.clone());
    let mut notes = super::texts([
        (annotations::LOGS_MODULE, "elasticsearch"),
        (annotations::ELASTICSEARCH_CONFIG_HASH, inputs.config_hash),
        (annotations::CONFIG_MOUNTS_HASH, ""),
    ]);
    let own_certificates = es.spec.transport.tls.self_signed_certificates.as_ref();
    if own_certificates.is_some_and(|own| own.disabled) {
        notes.insert(annotations::TRANSPORT_CERTIFICATES_DISABLED.to_owned(), "true".to_owned());
    }
    if let Some(trigger) = es.annotation(annotations::RESTART_TRIGGER).filter(|value| !value.is_empty()) {
        notes.insert(annotations::RESTART_TRIGGER.to_owned(), trigger.to_owned());
    }
    ObjectMeta { labels: Some(all), annotations: Some(notes), ..ObjectMeta::default() }
}

fn environment(es: &Elasticsearch, stateful_set: &str, zone_key: Option<&str>) -> Vec<EnvVar> {
    let mut all = downward();
    all.extend([
        value("HEADLESS_SERVICE_NAME", stateful_set),
        value("PROBE_PASSWORD_PATH", &format!("{INTERNAL}/pod-mounted-users/{PROBE_USER}")),
        value("PROBE_USERNAME", PROBE_USER),
        value("READINESS_PROBE_PROTOCOL", es.spec.http.scheme()),
        // Without it curl's library fills the kernel's cache with a look-up of a missing file per request.
        value("NSS_SDB_USE_CACHE", "no"),
    ]);
    if let Some(key) = zone_key {
        all.push(field("ZONE", &format!("metadata.annotations['{key}']")));
    }
    all
}

fn ports(es: &Elasticsearch) -> Vec<ContainerPort> {
    let port = |name: &str, number: i32| ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    vec![
        port(es.spec.http.scheme(), i32::from(Kind::Elasticsearch.http_port())),
        port("transport", TRANSPORT_PORT),
    ]
}

/// Newer nodes open a port once they are ready; older ones are asked over HTTP.
fn readiness_probe(version: &StackVersion) -> Probe {
    let file =
        if version.at_least(8, 2, 1) { "readiness-port-script.sh" } else { "readiness-probe-script.sh" };
    Probe {
        exec: Some(ExecAction { command: Some(script(file)) }),
        initial_delay_seconds: Some(10),
        period_seconds: Some(5),
        timeout_seconds: Some(5),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

fn lifecycle() -> Lifecycle {
    Lifecycle {
        pre_stop: Some(LifecycleHandler {
            exec: Some(ExecAction { command: Some(script("pre-stop-hook-script.sh")) }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    }
}

fn script(file: &str) -> Vec<String> {
    vec!["bash".to_owned(), "-c".to_owned(), format!("{INTERNAL}/scripts/{file}")]
}

fn mounts(
    es: &Elasticsearch,
    node_set: &NodeSet,
    user: &PodTemplateSpec,
    stateful_set: &str,
    zone_aware: bool,
    inputs: &PodInputs<'_>,
) -> Mounts {
    let generated = |part: &str| names::generated(Kind::Elasticsearch, es.object_name(), &[part]);
    let node_labels = es.annotation(annotations::DOWNWARD_NODE_LABELS).is_some_and(|list| !list.is_empty());
    let mut all = Mounts::default();
    all.volume(downward_api(zone_aware || node_labels), &format!("{INTERNAL}/downward-api"))
        .empty_dir("elastic-internal-elasticsearch-bin-local", &format!("{HOME}/bin"))
        .at_first("/mnt/elastic-internal/elasticsearch-bin-local")
        .secret(
            "elastic-internal-elasticsearch-config",
            &format!("{stateful_set}-es-config"),
            &format!("{INTERNAL}/elasticsearch-config"),
            &[],
        )
        .empty_dir("elastic-internal-elasticsearch-config-local", &format!("{HOME}/config"))
        .at_first("/mnt/elastic-internal/elasticsearch-config-local")
        .empty_dir("elastic-internal-elasticsearch-plugins-local", &format!("{HOME}/plugins"))
        .at_first("/mnt/elastic-internal/elasticsearch-plugins-local")
        .secret(
            "elastic-internal-http-certificates",
            &generated("http-certs-internal"),
            &format!("{HOME}/config/http-certs"),
            &[],
        )
        .secret(
            "elastic-internal-probe-user",
            &generated("internal-users"),
            &format!("{INTERNAL}/pod-mounted-users"),
            &[PROBE_USER, PRE_STOP_USER],
        )
        .secret(
            "elastic-internal-remote-certificate-authorities",
            &generated("remote-ca"),
            &format!("{HOME}/config/transport-remote-certs/"),
            &[],
        )
        .scripts("elastic-internal-scripts", &generated("scripts"), &format!("{INTERNAL}/scripts"))
        .secret(
            "elastic-internal-transport-certificates",
            &format!("{stateful_set}-es-transport-certs"),
            &format!("{HOME}/config/transport-certs"),
            &[],
        )
        .at_first("/mnt/elastic-internal/transport-certificates")
        .config_map(
            "elastic-internal-unicast-hosts",
            &generated("unicast-hosts"),
            &format!("{INTERNAL}/unicast-hosts"),
        )
        .secret(
            "elastic-internal-xpack-file-realm",
            &generated("xpack-file-realm"),
            &format!("{INTERNAL}/xpack-file-realm"),
            &[],
        )
        .empty_dir("elasticsearch-logs", &format!("{HOME}/logs"))
        .empty_dir("tmp-volume", "/tmp");
    // Settings from files came with 8.6.1.
    if inputs.version.at_least(8, 6, 1) {
        all.secret("file-settings", &generated("file-settings"), &format!("{HOME}/config/operator"), &[]);
    }
    if inputs.keystore {
        let secret = super::secure_settings_secret(Kind::Elasticsearch, es.object_name());
        keystore::volume(&mut all, &secret);
    }
    for claim in volumes::claim_templates(node_set) {
        all.unmounted(placeholder(claim.metadata.name.unwrap_or_default()));
    }
    if all.declares(volumes::DATA) || declares(user, volumes::DATA) {
        all.existing(volumes::DATA, &format!("{HOME}/data"));
    }
    all
}

fn placeholder(name: String) -> Volume {
    Volume {
        name,
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: CLAIM_PLACEHOLDER.to_owned(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

fn downward_api(with_annotations: bool) -> Volume {
    let item = |name: &str| DownwardAPIVolumeFile {
        path: name.to_owned(),
        field_ref: Some(ObjectFieldSelector { api_version: None, field_path: format!("metadata.{name}") }),
        ..DownwardAPIVolumeFile::default()
    };
    let mut items = vec![item("labels")];
    if with_annotations {
        items.push(item("annotations"));
    }
    Volume {
        name: "downward-api".to_owned(),
        downward_api: Some(DownwardAPIVolumeSource { items: Some(items), default_mode: None }),
        ..Volume::default()
    }
}

fn declares(user: &PodTemplateSpec, volume: &str) -> bool {
    let volumes = user.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.into_iter().any(|own| own.name == volume)
}

/// Whether the main container will have the data volume: by the user's mount, or by ours if the path is still free.
fn mounts_data(user: &PodTemplateSpec, ours: &Mounts) -> bool {
    let containers = user.spec.iter().flat_map(|spec| spec.containers.iter());
    let theirs: Vec<&VolumeMount> = containers
        .filter(|container| container.name == MAIN)
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .collect();
    theirs.iter().any(|mount| mount.name == volumes::DATA)
        || ours.main().iter().any(|mount| {
            mount.name == volumes::DATA && !theirs.iter().any(|taken| taken.mount_path == mount.mount_path)
        })
}

/// A pod of a zone-aware cluster must be where there is a zone, whatever else its user says of where it may be.
fn require_zone(user: &mut PodTemplateSpec, node_set: &NodeSet, cluster: &str, key: &str) {
    let spec = user.spec.get_or_insert_default();
    let affinity = spec.affinity.get_or_insert_with(|| zones::apart(cluster));
    let zones = node_set.zone_awareness.as_ref().and_then(|own| own.zones.as_deref());
    zones::require(affinity, key, zones);
}

/// Versions before 7.2 run a logging library that looks up what it logs (CVE-2021-44228); this switches it off.
fn mitigate_log4shell(user: &mut PodTemplateSpec, version: &StackVersion) {
    const VARIABLE: &str = "ES_JAVA_OPTS";
    const OPTION: &str = "-Dlog4j2.formatMsgNoLookups=true";
    if version.at_least(7, 2, 0) {
        return;
    }
    let spec = user.spec.get_or_insert_default();
    if !spec.containers.iter().any(|container| container.name == MAIN) {
        spec.containers.push(Container { name: MAIN.to_owned(), ..Container::default() });
    }
    for container in spec.containers.iter_mut().filter(|container| container.name == MAIN) {
        let env = container.env.get_or_insert_default();
        match env.iter_mut().find(|variable| variable.name == VARIABLE) {
            Some(variable) => {
                if let Some(options) = variable.value.as_mut().filter(|value| !value.contains(OPTION)) {
                    *options = format!("{OPTION} {options}");
                }
            }
            None => env.push(value(VARIABLE, OPTION)),
        }
    }
}
