//! Services: most of their fields are assigned by the API server, and some can't be changed.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::defaults;

/// `desired`, with what the API server assigned to `live` wherever it leaves that open.
pub(super) fn onto(live: &Service, desired: &Service) -> Service {
    let mut wanted = desired.clone();
    let (Some(live), Some(spec)) = (&live.spec, &mut wanted.spec) else { return wanted };
    keep(&mut spec.type_, &live.type_);
    let same_type = spec.type_ == live.type_;
    if spec.cluster_ip.as_deref().is_none_or(str::is_empty) && !turns_external(live, spec) {
        spec.cluster_ip.clone_from(&live.cluster_ip);
        spec.cluster_ips.clone_from(&live.cluster_ips);
    } else {
        keep(&mut spec.cluster_ips, &live.cluster_ips.clone().filter(|_| spec.cluster_ip == live.cluster_ip));
    }
    keep(&mut spec.session_affinity, &live.session_affinity);
    if spec.session_affinity == live.session_affinity {
        keep(&mut spec.session_affinity_config, &live.session_affinity_config);
    }
    keep(&mut spec.internal_traffic_policy, &live.internal_traffic_policy);
    keep(&mut spec.ip_families, &live.ip_families);
    keep(&mut spec.ip_family_policy, &live.ip_family_policy);
    keep(&mut spec.traffic_distribution, &live.traffic_distribution);
    if same_type {
        keep(&mut spec.external_traffic_policy, &live.external_traffic_policy);
        keep(&mut spec.health_check_node_port, &live.health_check_node_port);
        keep(&mut spec.allocate_load_balancer_node_ports, &live.allocate_load_balancer_node_ports);
        keep(&mut spec.load_balancer_class, &live.load_balancer_class);
    }
    for port in spec.ports.iter_mut().flatten() {
        let found = live.ports.iter().flatten().find(|own| own.port == port.port && same_protocol(own, port));
        if let Some(own) = found {
            keep(&mut port.protocol, &own.protocol);
            keep(&mut port.target_port, &own.target_port);
            if same_type {
                keep(&mut port.node_port, &own.node_port);
            }
        }
    }
    wanted
}

/// Whether `live` can only become `desired` by being made anew: the API server never changes an address, a family of
/// addresses, or the class of a load balancer.
pub fn must_recreate(live: &Service, desired: &Service) -> bool {
    let (Some(live), Some(desired)) = (&live.spec, &desired.spec) else { return false };
    let differs = |live: Option<&str>, desired: Option<&str>| {
        desired.filter(|wanted| !wanted.is_empty()).is_some_and(|wanted| live != Some(wanted))
    };
    let is_load_balancer = |spec: &ServiceSpec| spec.type_.as_deref() == Some("LoadBalancer");
    differs(live.cluster_ip.as_deref(), desired.cluster_ip.as_deref())
        || desired.ip_families.as_ref().is_some_and(|wanted| {
            let first = live.ip_families.as_ref().and_then(|families| families.first());
            !wanted.is_empty() && first != wanted.first()
        })
        || (is_load_balancer(live)
            && is_load_balancer(desired)
            && desired.load_balancer_class.is_some()
            && live.load_balancer_class != desired.load_balancer_class)
}

/// Fields that the API server fills in where the type asks for them.
pub(super) fn normalise(object: &mut Value) {
    defaults::fill(object, "spec", "type", &json!("ClusterIP"));
    defaults::fill(object, "spec", "sessionAffinity", &json!("None"));
    defaults::fill(object, "spec", "internalTrafficPolicy", &json!("Cluster"));
    defaults::fill(object, "spec", "publishNotReadyAddresses", &json!(false));
    defaults::fill(object, "spec.ports[]", "protocol", &json!("TCP"));
    super::normal::each(object, "spec.ports[]", &mut |port| {
        let number = port.get("port").cloned().unwrap_or_default();
        port.entry("targetPort").or_insert(number);
    });
    super::normal::each(object, "spec", &mut |spec| {
        let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "LoadBalancer" || kind == "NodePort" {
            spec.entry("externalTrafficPolicy").or_insert(json!("Cluster"));
        }
        if kind == "LoadBalancer" {
            spec.entry("allocateLoadBalancerNodePorts").or_insert(json!(true));
        }
    });
}

fn turns_external(live: &ServiceSpec, desired: &ServiceSpec) -> bool {
    let external = |spec: &ServiceSpec| spec.type_.as_deref() == Some("ExternalName");
    external(desired) && !external(live)
}

fn same_protocol(a: &ServicePort, b: &ServicePort) -> bool {
    let protocol = |port: &ServicePort| port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
    protocol(a) == protocol(b)
}

fn keep<T: Clone + IsUnset>(desired: &mut Option<T>, live: &Option<T>) {
    if desired.as_ref().is_none_or(IsUnset::is_unset) {
        desired.clone_from(live);
    }
}

/// Values that say no more than their absence.
trait IsUnset {
    fn is_unset(&self) -> bool;
}

impl IsUnset for String {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl IsUnset for i32 {
    fn is_unset(&self) -> bool {
        *self == 0
    }
}

impl IsUnset for bool {
    fn is_unset(&self) -> bool {
        false
    }
}

impl<T> IsUnset for Vec<T> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl IsUnset for IntOrString {
    fn is_unset(&self) -> bool {
        matches!(self, Self::Int(0))
    }
}

impl IsUnset for k8s_openapi::api::core::v1::SessionAffinityConfig {
    fn is_unset(&self) -> bool {
        self.client_ip.is_none()
    }
}
