//! Where the masters are: `<X>-es-unicast-hosts`. Nodes read it anew without a restart.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use parapet_api::{Application as _, Elasticsearch, Kind, names};

use super::config_map;
use crate::owned_meta;
use crate::services::TRANSPORT_PORT;

/// On pods that may be elected: "true".
const MASTER: &str = "elasticsearch.k8s.elastic.co/node-master";

/// `<X>-es-unicast-hosts`.
pub fn unicast_hosts_name(es: &Elasticsearch) -> String {
    names::generated(Kind::Elasticsearch, es.object_name(), &["unicast-hosts"])
}

/// The addresses of those of `pods` that may be elected and have one, sorted.
pub fn unicast_hosts<'a>(es: &Elasticsearch, pods: impl IntoIterator<Item = &'a Pod>) -> ConfigMap {
    let mut hosts: Vec<String> =
        pods.into_iter().filter(|pod| may_be_elected(pod)).filter_map(address).collect();
    hosts.sort_unstable();
    config_map(owned_meta(es, unicast_hosts_name(es)), [("unicast_hosts.txt", hosts.join("\n"))])
}

fn may_be_elected(pod: &Pod) -> bool {
    pod.metadata.labels.as_ref().and_then(|labels| labels.get(MASTER)).is_some_and(|value| value == "true")
}

fn address(pod: &Pod) -> Option<String> {
    let ip: IpAddr = pod.status.as_ref()?.pod_ip.as_deref()?.parse().ok()?;
    Some(std::net::SocketAddr::from((ip, TRANSPORT_PORT)).to_string())
}
