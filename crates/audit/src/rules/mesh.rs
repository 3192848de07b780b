//! Istio in front of the Elastic stack: OBS-MESH-01 to 19.

mod authorization;
mod peers;
mod sidecar;

pub(super) use peers::is_strict;
pub(crate) use sidecar::same_cluster;

use authorization::{no_authorization, rule_cannot_match};
use peers::{
    client_mode, destination_host, keys_under_strict, old_kinds, operator_outside, operator_without_proxy,
    strict_with_tls,
};
use sidecar::{
    asymmetric, inbound_ports, init_blocked, no_istiod, permanent_bypass, probes, token_for_nothing,
    token_missing, transport_captured, transport_unguarded,
};

use crate::rule::Needs::{Live, Manifests, Option as Opt, Reach};
use crate::rule::Severity::{High, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Mesh, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-MESH-01",
        High,
        Manifests,
        "Strict mTLS in front of a component that still serves its own TLS",
        "Clients and the operator then speak TLS inside of TLS, which those outside of the mesh can't, and the proxies don't expect.",
        "Disable the self-signed certificate, or make 9200 PERMISSIVE.",
        strict_with_tls,
    ),
    rule(
        "OBS-MESH-02",
        Medium,
        Manifests,
        "API keys are used under strict mTLS",
        "Elasticsearch issues them only over its own TLS, which strict mode and its clients don't get along with.",
        "Set portLevelMtls 9200 PERMISSIVE and keep Elasticsearch's TLS.",
        keys_under_strict,
    ),
    rule(
        "OBS-MESH-03",
        High,
        Manifests,
        "The mesh captures Elasticsearch's transport",
        "Nodes speak TLS of their own on 9300 and to pods, not Services. Through the proxy it is encrypted twice and the cluster doesn't form.",
        "Exclude 9300 in both directions.",
        transport_captured,
    ),
    rule(
        "OBS-MESH-04",
        Medium,
        Manifests,
        "9300 is excluded from the mesh in one direction only",
        "One node's proxy speaks mTLS to another's bare port.",
        "Exclude it in both.",
        asymmetric,
    ),
    rule(
        "OBS-MESH-05",
        Medium,
        Reach,
        "9300 is outside of the mesh and no policy guards it",
        "What the mesh doesn't see only a NetworkPolicy protects; there is none, so others reach the transport port.",
        "Add a policy that admits only the cluster's own nodes.",
        transport_unguarded,
    ),
    rule(
        "OBS-MESH-06",
        Low,
        Manifests,
        "Inbound ports may bypass the proxy",
        "Where only declared ports are captured, the operator's containers declare what they please.",
        "Set traffic.sidecar.istio.io/includeInboundPorts to \"*\".",
        inbound_ports,
    ),
    rule(
        "OBS-MESH-07",
        Medium,
        Manifests,
        "An init container needs the network before the proxy runs",
        "With Istio's CNI plugin its traffic is sent to a proxy that hasn't started: it fails.",
        "Exclude the port, run it as user 1337, or use native sidecars.",
        init_blocked,
    ),
    rule(
        "OBS-MESH-08",
        Medium,
        Manifests,
        "443 bypasses the mesh for no reason",
        "The exclusion outlives the init container it was for: everything the pod sends to 443 escapes egress control.",
        "Remove 443 from excludeOutboundPorts.",
        permanent_bypass,
    ),
    rule(
        "OBS-MESH-09",
        Medium,
        Manifests,
        "The operator is outside of the mesh that its clusters are in",
        "Under strict mTLS it can't connect to Elasticsearch and so can't manage it.",
        "Label the operator's namespace istio-injection=enabled.",
        operator_outside,
    ),
    rule(
        "OBS-MESH-10",
        Low,
        Live,
        "The operator's pod has no proxy yet",
        "Injection happens when a pod is made; this one is older than its namespace's label.",
        "Restart the operator.",
        operator_without_proxy,
    ),
    rule(
        "OBS-MESH-11",
        Medium,
        Manifests,
        "A DestinationRule for a host that doesn't exist",
        "Without a rule that matches, and with automatic mTLS off, the operator gets 503.",
        "Use <name>-es-http.<namespace>.svc.cluster.local.",
        destination_host,
    ),
    rule(
        "OBS-MESH-12",
        High,
        Manifests,
        "Clients are told not to use mTLS with a strict workload",
        "Every connection is reset.",
        "Use ISTIO_MUTUAL.",
        client_mode,
    ),
    rule(
        "OBS-MESH-13",
        Medium,
        Manifests,
        "Probes can't get through strict mTLS",
        "The kubelet has no certificate: its HTTP probes fail and the pod never gets ready.",
        "Annotate sidecar.istio.io/rewriteAppHTTPProbers: \"true\".",
        probes,
    ),
    rule(
        "OBS-MESH-14",
        Medium,
        Manifests,
        "A service account's token is mounted without need",
        "It is needed only where the cluster has no bound tokens for the mesh; elsewhere it gives whoever enters the pod an identity at the API server.",
        "Remove automountServiceAccountToken: true.",
        token_for_nothing,
    ),
    rule(
        "OBS-MESH-15",
        High,
        Opt,
        "The proxy has no token to identify itself with",
        "On a cluster without bound tokens it uses the mounted one; without it the proxy gets no certificate.",
        "Set automountServiceAccountToken: true.",
        token_missing,
    ),
    rule(
        "OBS-MESH-16",
        Medium,
        Manifests,
        "A kind or version of Istio's that is gone",
        "MeshPolicy and Policy have had no effect since 1.6: what they promise isn't enforced.",
        "Use PeerAuthentication, and networking.istio.io/v1.",
        old_kinds,
    ),
    rule(
        "OBS-MESH-17",
        Medium,
        Manifests,
        "Identities are known and not used",
        "Strict mTLS tells who is calling. Without an AuthorizationPolicy everybody in the mesh may.",
        "Allow by principal.",
        no_authorization,
    ),
    rule(
        "OBS-MESH-18",
        High,
        Manifests,
        "An AuthorizationPolicy's rule can't match",
        "Principals exist only under mTLS, and HTTP fields only on HTTP ports: an ALLOW with them admits nobody, a DENY blocks nothing.",
        "Use STRICT, or drop the field.",
        rule_cannot_match,
    ),
    rule(
        "OBS-MESH-19",
        Medium,
        Manifests,
        "A policy keeps the proxy from its control plane",
        "Without istiod on 15012 (and DNS) the proxy gets no certificate and the pod doesn't start.",
        "Allow egress to istio-system on 15012.",
        no_istiod,
    ),
];
