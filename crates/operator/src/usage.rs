//! What this installation is and how much it manages: the ConfigMaps `elastic-operator-uuid` and `elastic-licensing`.
//!
//! The reference writes the second one every two minutes. Here it is written as soon as what it says has changed and come
//! to rest: who changes nothing writes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{Amount, Kind, labels};
use tokio::time::{sleep, timeout};

use crate::cluster::{Cluster, ClusterError};
use crate::metrics::UsageMetrics;

/// The ConfigMap of the installation's UUID.
const UUID: &str = "elastic-operator-uuid";
/// The ConfigMap of what is managed.
const LICENSING: &str = "elastic-licensing";
/// How often it is looked whether the ConfigMap still says so (the reference's figure), and for how long changes may go on
/// before they are counted.
const EVERY: Duration = Duration::from_secs(120);
/// Changes are counted when none came for so long: a cluster that is made changes its StatefulSets many times.
const SETTLED: Duration = Duration::from_secs(1);
/// What is counted as one unit of an enterprise licence.
const UNIT: u128 = 64 * (1 << 30);
/// The level of a licence without a licence.
const LEVEL: &str = "basic";

/// The UUID of this installation: the one that there is, else a new one.
pub(crate) async fn uuid(cluster: &Cluster, namespace: &str) -> Result<String, ClusterError> {
    let found = cluster.fetch::<ConfigMap>(namespace, UUID).await?;
    if let Some(uuid) = found.and_then(|map| map.data?.remove("uuid")).filter(|uuid| !uuid.is_empty()) {
        return Ok(uuid);
    }
    let uuid = new_uuid();
    let data = BTreeMap::from([("uuid".to_owned(), uuid.clone())]);
    let labels = BTreeMap::from([(labels::WATCHED.to_owned(), "true".to_owned())]);
    write(cluster, config_map(namespace, UUID, labels, data)).await?;
    Ok(uuid)
}

/// Counts what is managed whenever it changes, for ever.
pub(crate) async fn report(cluster: Cluster, namespace: String, metrics: UsageMetrics) {
    let mut written = None;
    loop {
        let usage = Usage::count(&cluster);
        metrics.set(LEVEL, &usage);
        if written != Some(usage) {
            written = match usage.write(&cluster, &namespace, Timestamp::now()).await {
                Ok(()) => Some(usage),
                Err(error) => {
                    tracing::warn!(%error, "what is managed can't be written down");
                    None
                }
            };
        }
        tokio::select! {
            () = cluster.workloads_changed() => {
                let _ = timeout(EVERY, settled(&cluster)).await;
            }
            () = sleep(EVERY) => written = None,
        }
    }
}

/// Returns when nothing has changed for a while.
async fn settled(cluster: &Cluster) {
    while timeout(SETTLED, cluster.workloads_changed()).await.is_ok() {}
}

/// Memory that is managed, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    elasticsearch: u128,
    kibana: u128,
    apm: u128,
}

impl Usage {
    fn count(cluster: &Cluster) -> Self {
        let mut usage = Self::default();
        for set in cluster.all::<StatefulSet>() {
            let Some(spec) = &set.spec else { continue };
            if is_of(&set.metadata, Kind::Elasticsearch) {
                usage.elasticsearch += of_pods(spec.replicas, Some(&spec.template), "elasticsearch");
            }
        }
        for deployment in cluster.all::<Deployment>() {
            let Some(spec) = &deployment.spec else { continue };
            if is_of(&deployment.metadata, Kind::Kibana) {
                usage.kibana += of_pods(spec.replicas, Some(&spec.template), "kibana");
            } else if is_of(&deployment.metadata, Kind::ApmServer) {
                usage.apm += of_pods(spec.replicas, Some(&spec.template), "apm-server");
            }
        }
        usage
    }

    /// By their names in the ConfigMap and in metrics; nobody manages the last two here.
    pub(crate) fn parts(&self) -> [(&'static str, u128); 5] {
        [
            ("elasticsearch", self.elasticsearch),
            ("kibana", self.kibana),
            ("apm", self.apm),
            ("enterprise_search", 0),
            ("logstash", 0),
        ]
    }

    pub(crate) fn total(&self) -> u128 {
        self.elasticsearch + self.kibana + self.apm
    }

    pub(crate) fn units(&self) -> u128 {
        self.total().div_ceil(UNIT)
    }

    fn data(&self) -> BTreeMap<String, String> {
        let total = ("total_managed", self.total());
        let memory = self.parts().into_iter().chain([total]).flat_map(|(name, bytes)| {
            let whole = (format!("{name}_memory"), format!("{:.2}GiB", gibibytes(bytes)));
            [whole, (format!("{name}_memory_bytes"), bytes.to_string())]
        });
        let rest = [
            ("eck_license_level".to_owned(), LEVEL.to_owned()),
            ("enterprise_resource_units".to_owned(), self.units().to_string()),
        ];
        memory.chain(rest).collect()
    }

    async fn write(&self, cluster: &Cluster, namespace: &str, now: Timestamp) -> Result<(), ClusterError> {
        let mut data = self.data();
        if let Some(live) = cluster.fetch::<ConfigMap>(namespace, LICENSING).await? {
            let mut there = live.data.unwrap_or_default();
            there.remove("timestamp");
            if there == data {
                return Ok(());
            }
        }
        let second = now.as_second();
        let second = Timestamp::from_second(second).unwrap_or(now);
        data.insert("timestamp".to_owned(), second.to_string());
        let labels = BTreeMap::from([
            (labels::TYPE.to_owned(), "elastic-usage".to_owned()),
            (labels::WATCHED.to_owned(), "true".to_owned()),
        ]);
        write(cluster, config_map(namespace, LICENSING, labels, data)).await
    }
}

/// As metrics and people count memory.
pub(crate) fn gibibytes(bytes: u128) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn is_of(metadata: &ObjectMeta, kind: Kind) -> bool {
    let label = metadata.labels.as_ref().and_then(|all| all.get(labels::TYPE));
    label.is_some_and(|label| label == kind.type_label())
}

fn of_pods(replicas: Option<i32>, template: Option<&PodTemplateSpec>, main: &str) -> u128 {
    let containers = template.and_then(|template| template.spec.as_ref()).map(|spec| &spec.containers);
    let main = containers.into_iter().flatten().find(|container| container.name == main);
    let resources = main.and_then(|container| container.resources.as_ref());
    let limit = resources.and_then(|resources| resources.limits.as_ref()?.get("memory"));
    let request = resources.and_then(|resources| resources.requests.as_ref()?.get("memory"));
    let bytes = limit.or(request).map_or(0, |Quantity(text)| {
        text.parse::<Amount>().ok().and_then(|amount| u128::try_from(amount.units()).ok()).unwrap_or(0)
    });
    bytes.saturating_mul(replicas.map_or(1, |replicas| u128::try_from(replicas).unwrap_or(0)))
}

fn config_map(
    namespace: &str,
    name: &str,
    labels: BTreeMap<String, String>,
    data: BTreeMap<String, String>,
) -> ConfigMap {
    let metadata = ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
}

async fn write(cluster: &Cluster, map: ConfigMap) -> Result<(), ClusterError> {
    let replace = |live: &ConfigMap, desired: &ConfigMap| {
        (live.data != desired.data).then(|| ConfigMap { data: desired.data.clone(), ..live.clone() })
    };
    cluster.apply(&map, replace).await.map(drop)
}

/// A random one (RFC 9562, version 4).
pub(crate) fn new_uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_by_limit_and_replicas() {
        let template: PodTemplateSpec = serde_json::from_value(serde_json::json!({"spec": {"containers": [
            {"name": "sidecar", "resources": {"limits": {"memory": "9Gi"}}},
            {"name": "elasticsearch", "resources": {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi"}}},
        ]}}))
        .unwrap();
        assert_eq!(of_pods(Some(3), Some(&template), "elasticsearch"), 6 << 30);
        assert_eq!(of_pods(Some(3), Some(&template), "kibana"), 0);
        let usage = Usage { elasticsearch: 6 << 30, kibana: 1 << 30, apm: 1 << 29 };
        assert_eq!(usage.units(), 1);
        let data = usage.data();
        assert_eq!(data["elasticsearch_memory"], "6.00GiB");
        assert_eq!(data["elasticsearch_memory_bytes"], "6442450944");
        assert_eq!(data["total_managed_memory"], "7.50GiB");
        assert_eq!(data["enterprise_resource_units"], "1");
        assert_eq!(data["logstash_memory_bytes"], "0");
        assert_eq!(data.len(), 14);
    }

    #[test]
    fn a_uuid_looks_like_one() {
        let uuid = new_uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(uuid, new_uuid());
    }
}
