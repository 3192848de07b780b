//! `elasticsearch.yml`.

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, Kind, NodeSet, StackVersion, labels, names};

use super::{ConfigError, Node, Yml};
use crate::services::has_remote_cluster_server;
use crate::{IpFamily, Settings, data, owned_meta};

/// Where the image keeps its home.
const HOME: &str = "/usr/share/elasticsearch";

/// The configuration of one group of nodes: base, zones, security, monitoring, and the user's own over them. It is without
/// `cluster.initial_master_nodes`; [`Yml::with_initial_masters`] adds that while a cluster forms.
pub fn elasticsearch(es: &Elasticsearch, set: &NodeSet, settings: &Settings) -> Result<Yml, ConfigError> {
    let version: StackVersion = es.spec.version.parse()?;
    let mut ours = Yml::default();
    base(&mut ours, es, &version, settings);
    security(&mut ours, es, &version);
    if es.spec.monitoring.as_ref().is_some_and(|monitoring| monitoring.metrics.cluster().is_some()) {
        // What the cluster says of itself is Metricbeat's to send; what others say of themselves through it stays possible.
        ours.set("xpack.monitoring.collection.enabled", true);
        ours.set("xpack.monitoring.elasticsearch.collection.enabled", false);
    }
    Ok(ours.merged(Yml::from_user(set.config.as_ref())?))
}

/// The Secret that carries the configuration of a group: `<S>-es-config`. What `live` holds is kept to the byte if it says the same.
pub fn secret(es: &Elasticsearch, set: &NodeSet, config: &Yml, live: Option<&Secret>) -> Secret {
    /// The key in the Secret, and the file's name.
    const FILE: &str = "elasticsearch.yml";
    let stateful_set = names::stateful_set(es.object_name(), &set.name);
    let name = names::generated(Kind::Elasticsearch, &stateful_set, &["config"]);
    let mut metadata = owned_meta(es, name);
    metadata.labels.get_or_insert_default().insert(labels::STATEFULSET_NAME.to_owned(), stateful_set);
    let text = config.text_keeping(live.and_then(|live| data::text(live, FILE)).as_deref());
    data::secret(metadata, [(FILE.to_owned(), text)])
}

fn base(yml: &mut Yml, es: &Elasticsearch, version: &StackVersion, settings: &Settings) {
    /// A node's name in the cluster's DNS; short, so that it holds for any cluster domain.
    const DNS_NAME: &str = "${POD_NAME}.${HEADLESS_SERVICE_NAME}.${NAMESPACE}.svc";
    let zones = es.spec.node_sets.iter().any(|set| set.zone_awareness.is_some());
    let address = match settings.ip_family {
        Some(IpFamily::V6) => "[${POD_IP}]",
        Some(IpFamily::V4) | None => "${POD_IP}",
    };
    yml.set("node.name", "${POD_NAME}");
    yml.set("cluster.name", es.object_name());
    yml.set("network.host", "0");
    yml.set("network.publish_host", address);
    yml.set("http.publish_host", DNS_NAME);
    yml.set("path.data", format!("{HOME}/data"));
    yml.set("path.logs", format!("{HOME}/logs"));
    yml.set("discovery.seed_providers", "file");
    yml.set("discovery.seed_hosts", Vec::<Node>::new());
    let awareness = if zones { "k8s_node_name,zone" } else { "k8s_node_name" };
    yml.set("cluster.routing.allocation.awareness.attributes", awareness);
    yml.set("node.attr.k8s_node_name", "${NODE_NAME}");
    if zones {
        yml.set("node.attr.zone", "${ZONE}");
    }
    if version.at_least(8, 2, 0) {
        yml.set("readiness.port", "8080");
    }
    if has_remote_cluster_server(es) {
        yml.set("remote_cluster_server.enabled", "true");
        yml.set("remote_cluster.publish_host", DNS_NAME);
        yml.set("remote_cluster.host", "0");
    }
}

fn security(yml: &mut Yml, es: &Elasticsearch, version: &StackVersion) {
    let own_authorities = [
        format!("{HOME}/config/transport-certs/ca.crt"),
        format!("{HOME}/config/transport-remote-certs/ca.crt"),
    ];
    let peer = |yml: &mut Yml, prefix: &str| {
        yml.set(&format!("{prefix}.key"), format!("{HOME}/config/transport-certs/${{POD_NAME}}.tls.key"));
        yml.set(
            &format!("{prefix}.certificate"),
            format!("{HOME}/config/transport-certs/${{POD_NAME}}.tls.crt"),
        );
        yml.set(&format!("{prefix}.certificate_authorities"), own_authorities.to_vec());
    };
    yml.set("xpack.security.enabled", "true");
    yml.set("xpack.security.authc.reserved_realm.enabled", "false");
    yml.set("xpack.security.authc.realms.file.file1.order", -100);
    yml.set("xpack.security.authc.realms.native.native1.order", -99);
    // The paths stand there without TLS too: nothing reads them then, and they need no change when it is switched on.
    yml.set("xpack.security.http.ssl.enabled", es.spec.http.tls_enabled());
    yml.set("xpack.security.http.ssl.key", format!("{HOME}/config/http-certs/tls.key"));
    yml.set("xpack.security.http.ssl.certificate", format!("{HOME}/config/http-certs/tls.crt"));
    yml.set("xpack.security.http.ssl.certificate_authorities", format!("{HOME}/config/http-certs/ca.crt"));
    yml.set("xpack.security.transport.ssl.enabled", "true");
    yml.set("xpack.security.transport.ssl.verification_mode", "certificate");
    peer(yml, "xpack.security.transport.ssl");
    if has_remote_cluster_server(es) {
        peer(yml, "xpack.security.remote_cluster_server.ssl");
    }
    if version.at_least(7, 8, 1) {
        yml.set("xpack.license.upload.types", vec!["trial", "enterprise"]);
    }
}
