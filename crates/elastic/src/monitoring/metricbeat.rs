//! `metricbeat.yml`.

use parapet_api::{Application, Kind, StackVersion};

use super::{Output, kind_of, processors};
use crate::config::{Credentials, Node, Yml};

/// What Metricbeat asks: the application that it runs beside.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Who it is there.
    pub credentials: &'a Credentials,
    /// Whether the application's public certificates name an authority.
    pub authority: bool,
    /// The path that Kibana answers under, if not at the root.
    pub base_path: Option<&'a str>,
}

/// Where Metricbeat finds the authority of the application that it asks.
pub(crate) fn local_folder<K: Application>(owner: &K) -> String {
    let (namespace, name) = (owner.object_namespace(), owner.object_name());
    format!("/mnt/elastic-internal/{}/{namespace}/{name}/certs", kind_of::<K>().label())
}

/// The volume with that authority.
pub(crate) fn local_volume<K: Application>() -> String {
    format!("{}-local-ca", kind_of::<K>().label())
}

/// The configuration, in each of the ways in which the reference spelled it; ours is the first. Releases after 3.5 ask Elasticsearch
/// by the pod's address.
pub fn metricbeat<K: Application>(
    owner: &K,
    source: &Source<'_>,
    output: &Output<'_>,
    version: &StackVersion,
) -> Vec<Yml> {
    let hosts: &[&str] = match K::KIND {
        Kind::Elasticsearch => &["localhost", "${POD_IP}"],
        Kind::Kibana | Kind::ApmServer => &["localhost"],
    };
    hosts.iter().map(|host| asking(owner, host, source, output, version)).collect()
}

fn asking<K: Application>(
    owner: &K,
    host: &str,
    source: &Source<'_>,
    output: &Output<'_>,
    version: &StackVersion,
) -> Yml {
    let mut module = Yml::default();
    let (scheme, port) = (owner.http().scheme(), K::KIND.http_port());
    module.set("module", K::KIND.type_label());
    module.set("metricsets", metricsets(K::KIND, version));
    module.set("period", "10s");
    module.set("xpack.enabled", true);
    module.set("hosts", vec![format!("{scheme}://{host}:{port}")]);
    if let Credentials::Password { username, password } = source.credentials {
        module.set("username", username.as_str());
        module.set("password", password.as_str());
    }
    if let Some(path) = source.base_path.filter(|path| !path.is_empty()) {
        module.set("basepath", path);
    }
    let tls = owner.http().tls_enabled();
    module.set("ssl.enabled", tls);
    // No certificate is issued for localhost; who signed it is checked.
    module.set("ssl.verification_mode", "certificate");
    if tls && source.authority {
        module.set("ssl.certificate_authorities", vec![format!("{}/ca.crt", local_folder(owner))]);
    }
    let mut yml = Yml::default();
    yml.set("metricbeat.modules", Node::List(vec![module.into_node()]));
    yml.set("processors", processors());
    // What Elasticsearch says of itself has more fields than an index takes by default.
    if K::KIND == Kind::Elasticsearch && version.at_least(8, 15, 0) {
        yml.set("setup.template.settings.index.mapping.total_fields.limit", 12_500);
    }
    output.write::<K>(&mut yml, version);
    yml
}

fn metricsets(kind: Kind, version: &StackVersion) -> Vec<&'static str> {
    match kind {
        Kind::Elasticsearch => {
            let all = [
                "ccr",
                "cluster_stats",
                "enrich",
                "index",
                "index_recovery",
                "index_summary",
                "ingest_pipeline",
                "ml_job",
                "node",
                "node_stats",
                "pending_tasks",
                "shard",
            ];
            let is_known = |set: &&str| *set != "ingest_pipeline" || version.at_least(8, 7, 0);
            all.into_iter().filter(is_known).collect()
        }
        Kind::Kibana | Kind::ApmServer => vec!["stats", "status"],
    }
}
