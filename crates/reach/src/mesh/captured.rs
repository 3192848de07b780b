//! Which ports go through a pod's proxy: the rest is out of the mesh's reach.

use crate::model::Pod;
use crate::portset::{PortSet, Protocol};

/// The port that a proxy's own health and metrics use; never captured.
const PROXY_PORTS: [u16; 2] = [15020, 15090];

/// Inbound TCP ports that go through the pod's proxy.
pub(super) fn captured(pod: &Pod) -> PortSet {
    let annotation = |key: &str| pod.mesh_annotations.get(key).map(String::as_str);
    let all = PortSet::range(Protocol::Tcp, 1, u16::MAX);
    let included = match annotation("traffic.sidecar.istio.io/includeInboundPorts") {
        None | Some("*") => all,
        Some(list) => port_list(list),
    };
    let excluded =
        annotation("traffic.sidecar.istio.io/excludeInboundPorts").map(port_list).unwrap_or_default();
    let own = PROXY_PORTS.iter().fold(excluded, |set, port| set.union(&PortSet::one(Protocol::Tcp, *port)));
    included.difference(&own)
}

/// Outbound TCP ports that go through the pod's proxy.
pub(super) fn captured_outbound(pod: &Pod) -> PortSet {
    let excluded = pod.mesh_annotations.get("traffic.sidecar.istio.io/excludeOutboundPorts");
    let excluded = excluded.map(|list| port_list(list)).unwrap_or_default();
    PortSet::range(Protocol::Tcp, 1, u16::MAX).difference(&excluded)
}

fn port_list(list: &str) -> PortSet {
    let ports = list.split(',').filter_map(|port| port.trim().parse::<u16>().ok()).filter(|port| *port > 0);
    ports.fold(PortSet::none(), |set, port| set.union(&PortSet::one(Protocol::Tcp, port)))
}
