//! Which kinds matter, and which versions of them an API server of today offers.

use super::field::Field;
use crate::model::AdminKind;

pub(super) fn admin_kind(kind: &str) -> Option<AdminKind> {
    [AdminKind::AdminNetworkPolicy, AdminKind::BaselineAdminNetworkPolicy, AdminKind::ClusterNetworkPolicy]
        .into_iter()
        .find(|one| one.name() == kind)
}

/// Kinds by API group: another group's kind of the same name means something else.
pub(super) fn is_ours(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(kind, "Namespace" | "Node" | "Pod" | "ReplicationController" | "Service"),
        "apps" => matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet"),
        "batch" => matches!(kind, "Job" | "CronJob"),
        "networking.k8s.io" => matches!(kind, "NetworkPolicy" | "Ingress"),
        "policy.networking.k8s.io" => admin_kind(kind).is_some(),
        "route.openshift.io" => kind == "Route",
        "gateway.networking.k8s.io" => {
            matches!(kind, "HTTPRoute" | "GRPCRoute" | "TCPRoute" | "TLSRoute" | "UDPRoute")
        }
        "security.istio.io" => matches!(kind, "AuthorizationPolicy" | "PeerAuthentication"),
        "networking.istio.io" => kind == "Sidecar",
        _ => false,
    }
}

/// Says so of objects that once had an effect and have none in clusters of today.
pub(super) fn note_gone(object: &Field<'_>, group: &str, kind: &str) {
    let gone = match (group, kind) {
        ("extensions", "NetworkPolicy") => "gone since Kubernetes 1.16; use networking.k8s.io/v1",
        ("extensions", "Ingress" | "Deployment" | "DaemonSet" | "ReplicaSet") => {
            "gone since Kubernetes 1.22 at the latest"
        }
        ("authentication.istio.io", _) => "gone since Istio 1.6; use PeerAuthentication",
        ("rbac.istio.io", _) => "gone since Istio 1.6; use AuthorizationPolicy",
        _ => return,
    };
    object
        .get("apiVersion")
        .error(format!("{kind} of {group} isn't served any more and has no effect: {gone}"));
}

/// Versions of our groups that no server offers.
pub(super) fn note_unserved(object: &Field<'_>, api_version: &str, kind: &str) {
    let served = match (api_version.split_once('/').map_or(("", api_version), |pair| pair), kind) {
        (("" | "apps" | "networking.k8s.io", version), _) => version == "v1",
        (("batch", version), _) => matches!(version, "v1" | "v1beta1"),
        (("policy.networking.k8s.io", version), "ClusterNetworkPolicy") => version == "v1alpha2",
        (("policy.networking.k8s.io", version), _) => version == "v1alpha1",
        _ => true,
    };
    if !served {
        object
            .get("apiVersion")
            .error(format!("no server offers {kind} in {api_version}; it is read as the current version"));
    }
}
