//! Istio as a layer over the policies of Kubernetes: what a workload's proxy lets through, per pair and port.
//!
//! The layer only takes away, only TCP, and only where a proxy stands in the way. Fields that only HTTP has are
//! undecided on ports that may speak HTTP (some requests pass: the connection counts as allowed, and nothing as denied),
//! and on ports declared as something else they work as Istio says: an ALLOW rule with them never matches, a DENY rule
//! ignores them. Routing, gateways' own policies, ServiceEntry and what an external authorizer answers aren't modelled.

mod captured;
mod rules;

use std::collections::HashMap;

use ipnet::IpNet;

use crate::matching::End;
use crate::model::mesh::{AuthorizationAction, Condition, Mesh, Sidecar, Text, TlsMode};
use crate::model::{Cluster, Pod, PortRef, Selector, Service};
use crate::portset::{PortSet, Protocol};
use captured::{captured, captured_outbound};

/// Names and `appProtocol`s of service ports that don't speak HTTP. Everything else may, because Istio looks for itself.
const NOT_HTTP: [&str; 8] = ["tcp", "tls", "https", "mongo", "mysql", "redis", "udp", "kafka"];

/// The mesh of one cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a> {
    cluster: &'a Cluster,
    mesh: &'a Mesh,
}

/// How a pod takes part in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Enrolment {
    /// No proxy.
    Outside,
    /// A proxy in the pod.
    Sidecar,
    /// The node's proxy.
    Ambient,
}

/// What of a pod, besides namespace and labels, the mesh's verdicts depend on; equal ones are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Traits {
    enrolment: Enrolment,
    account: String,
    captured: PortSet,
    captured_outbound: PortSet,
    not_http: PortSet,
    services: Vec<usize>,
}

impl<'a> Layer<'a> {
    /// None without anything of a mesh in the cluster.
    pub(crate) fn new(cluster: &'a Cluster) -> Option<Self> {
        (!cluster.mesh.is_empty()).then_some(Self { cluster, mesh: &cluster.mesh })
    }

    pub(crate) fn enrolment(&self, pod: &Pod) -> Enrolment {
        if pod.host_network {
            return Enrolment::Outside;
        }
        let namespace = self.cluster.namespace(&pod.namespace);
        let of_namespace = |key: &str| namespace.and_then(|namespace| namespace.labels.get(key));
        let own =
            |key: &str| pod.mesh_annotations.get(key).map(String::as_str).or_else(|| pod.labels.get(key));
        match own("sidecar.istio.io/inject") {
            Some("true") => return Enrolment::Sidecar,
            Some("false") => {
                return self.ambient(own("istio.io/dataplane-mode"), of_namespace("istio.io/dataplane-mode"));
            }
            _ => {}
        }
        let injected = own("sidecar.istio.io/status").is_some()
            || pod.labels.get("istio.io/rev").is_some()
            || of_namespace("istio-injection") == Some("enabled")
            || of_namespace("istio.io/rev").is_some() && of_namespace("istio-injection") != Some("disabled");
        if injected {
            return Enrolment::Sidecar;
        }
        self.ambient(own("istio.io/dataplane-mode"), of_namespace("istio.io/dataplane-mode"))
    }

    fn ambient(&self, own: Option<&str>, of_namespace: Option<&str>) -> Enrolment {
        if own.or(of_namespace) == Some("ambient") { Enrolment::Ambient } else { Enrolment::Outside }
    }

    pub(crate) fn traits(&self, pod: &Pod) -> Traits {
        let enrolment = self.enrolment(pod);
        let services: Vec<usize> = if enrolment == Enrolment::Outside && !self.knows_registries() {
            Vec::new()
        } else {
            let services = self.cluster.services.iter().enumerate();
            services.filter(|(_, service)| service.selects(pod)).map(|(index, _)| index).collect()
        };
        Traits {
            enrolment,
            account: pod.service_account.to_string(),
            captured: captured(pod),
            captured_outbound: captured_outbound(pod),
            not_http: self.not_http(pod),
            services,
        }
    }

    /// True if some proxy can be told to know nothing but its registry.
    fn knows_registries(&self) -> bool {
        self.mesh.sidecars.iter().any(|sidecar| sidecar.registry_only)
    }

    /// Blocks that rules compare sources with.
    pub(crate) fn source_blocks(&self) -> Vec<IpNet> {
        let mut blocks = Vec::new();
        for rule in self.mesh.authorization_policies.iter().flat_map(|policy| &policy.rules) {
            for from in &rule.from {
                blocks.extend(from.ip_blocks.any.iter().chain(&from.ip_blocks.not));
            }
            for condition in &rule.when {
                if let Condition::Address(addresses) = condition {
                    blocks.extend(addresses.any.iter().chain(&addresses.not));
                }
            }
        }
        blocks
    }

    /// Whether anything of the mesh stands between others and this pod.
    pub(crate) fn guards(&self, destination: &Pod) -> bool {
        self.enrolment(destination) != Enrolment::Outside
    }

    /// Whether the pod's proxy only lets it reach what its registry knows.
    pub(crate) fn confines(&self, source: &Pod) -> bool {
        self.enrolment(source) == Enrolment::Sidecar
            && self.sidecar_of(source).is_some_and(|s| s.registry_only)
    }

    /// What the destination's proxy lets through from this source.
    pub(crate) fn inbound(&self, source: End<'_>, destination: &Pod) -> PortSet {
        let enrolment = self.enrolment(destination);
        if enrolment == Enrolment::Outside {
            return PortSet::all();
        }
        let captured = captured(destination);
        let has_proxy = matches!(source, End::Pod(pod) if self.enrolment(pod) != Enrolment::Outside);
        let mut refused = PortSet::none();
        let mut identified = PortSet::none();
        for (ports, mode) in self.modes(destination, enrolment) {
            match (mode, has_proxy) {
                (TlsMode::Strict, false) => refused = refused.union(&ports),
                (TlsMode::Strict | TlsMode::Permissive, true) => identified = identified.union(&ports),
                (TlsMode::Permissive, false) | (TlsMode::Disable, _) => {}
            }
        }
        let matched = |action: AuthorizationAction| {
            let policies = self.policies(destination, action);
            policies.flat_map(|policy| &policy.rules).fold(PortSet::none(), |set, rule| {
                set.union(&self.rule_ports(rule, action, source, destination, &identified))
            })
        };
        refused = refused.union(&matched(AuthorizationAction::Deny));
        if self.policies(destination, AuthorizationAction::Allow).next().is_some() {
            refused = refused.union(&PortSet::all().difference(&matched(AuthorizationAction::Allow)));
        }
        PortSet::all().difference(&refused.intersection(&captured))
    }

    /// What the destination's proxy says to one connection, and why.
    pub(crate) fn inbound_explained(
        &self,
        source: End<'_>,
        destination: &Pod,
        (protocol, port): (Protocol, u16),
    ) -> (bool, Vec<String>) {
        let allowed = self.inbound(source, destination).contains(protocol, port);
        if protocol != Protocol::Tcp || !captured(destination).contains(protocol, port) {
            return (allowed, vec!["this port doesn't go through the destination's proxy".to_owned()]);
        }
        let has_proxy = matches!(source, End::Pod(pod) if self.enrolment(pod) != Enrolment::Outside);
        let modes = self.modes(destination, self.enrolment(destination));
        let mode = modes.iter().find(|(ports, _)| ports.contains(protocol, port)).map(|(_, mode)| *mode);
        let mode = mode.unwrap_or(TlsMode::Permissive);
        let mut reasons = vec![
            match (mode, has_proxy) {
                (TlsMode::Strict, false) => {
                    "mutual TLS is required, and the source has no proxy that speaks it"
                }
                (TlsMode::Strict | TlsMode::Permissive, true) => "mutual TLS tells who the source is",
                (TlsMode::Permissive, false) => "plain text is accepted; nothing tells who the source is",
                (TlsMode::Disable, _) => "mutual TLS is off; nothing tells who the source is",
            }
            .to_owned(),
        ];
        let identified = if has_proxy && mode != TlsMode::Disable { PortSet::all() } else { PortSet::none() };
        for (action, verb) in [(AuthorizationAction::Deny, "denies"), (AuthorizationAction::Allow, "allows")]
        {
            let mut any = false;
            let mut matched = false;
            for policy in self.policies(destination, action) {
                any = true;
                for (index, rule) in policy.rules.iter().enumerate() {
                    let ports = self.rule_ports(rule, action, source, destination, &identified);
                    if ports.contains(protocol, port) {
                        matched = true;
                        let (namespace, name) = (&policy.namespace, &policy.name);
                        reasons.push(format!(
                            "AuthorizationPolicy {namespace}/{name} rule {} {verb} it",
                            index + 1
                        ));
                    }
                }
            }
            if action == AuthorizationAction::Allow && any && !matched {
                reasons.push("there are ALLOW policies, and no rule of theirs matches".to_owned());
            }
        }
        if self.policies(destination, AuthorizationAction::Custom).next().is_some() {
            reasons.push("a CUSTOM policy asks an external authorizer, whose answer isn't known".to_owned());
        }
        (allowed, reasons)
    }

    /// What the source's proxy lets out to this destination.
    pub(crate) fn outbound(&self, source: &Pod, destination: End<'_>) -> PortSet {
        if !self.confines(source) {
            return PortSet::all();
        }
        let known = match (self.sidecar_of(source), destination) {
            (Some(sidecar), End::Pod(pod)) => self.known_ports(sidecar, source, pod),
            _ => PortSet::none(),
        };
        let refused = PortSet::range(Protocol::Tcp, 1, u16::MAX).difference(&known);
        PortSet::all().difference(&refused.intersection(&captured_outbound(source)))
    }

    fn in_scope(&self, namespace: &str, selector: Option<&Selector>, pod: &Pod) -> bool {
        let here = *namespace == *pod.namespace || *namespace == *self.mesh.root_namespace;
        here && selector.is_none_or(|selector| pod.matches(selector))
    }

    /// What a workload's proxy asks of clients, by port; disjoint and complete.
    pub(crate) fn modes(&self, pod: &Pod, enrolment: Enrolment) -> Vec<(PortSet, TlsMode)> {
        let all = self.mesh.peer_authentications.iter();
        let own = all.clone().find(|one| {
            one.namespace == pod.namespace
                && one.selector.as_ref().is_some_and(|selector| pod.matches(selector))
        });
        let wide = |namespace: &str| {
            all.clone()
                .find(|one| *one.namespace == *namespace && one.selector.is_none())
                .and_then(|one| one.mode)
        };
        let inherited = wide(&pod.namespace).or_else(|| wide(&self.mesh.root_namespace));
        let inherited = inherited.unwrap_or(TlsMode::Permissive);
        let general = own.and_then(|one| one.mode).unwrap_or(inherited);
        let honoured = |mode: TlsMode| match (mode, enrolment) {
            (TlsMode::Disable, Enrolment::Ambient) => TlsMode::Permissive,
            (mode, _) => mode,
        };
        let mut rest = PortSet::range(Protocol::Tcp, 1, u16::MAX);
        let mut modes = Vec::new();
        for (port, mode) in own.iter().flat_map(|one| &one.ports) {
            let one = PortSet::one(Protocol::Tcp, *port);
            rest = rest.difference(&one);
            modes.push((one, honoured(mode.unwrap_or(general))));
        }
        modes.push((rest, honoured(general)));
        modes
    }

    /// The container ports that services declare as something else than HTTP.
    fn not_http(&self, pod: &Pod) -> PortSet {
        let mut ports = PortSet::none();
        for service in self.cluster.services.iter().filter(|service| service.selects(pod)) {
            for port in &service.ports {
                let name = port.app_protocol.as_deref().or(port.name.as_deref()).unwrap_or_default();
                let word = name.split('-').next().unwrap_or_default();
                if NOT_HTTP.contains(&word) {
                    ports = ports.union(&target_ports(&port.target, Protocol::Tcp, pod));
                }
            }
        }
        ports
    }

    fn sidecar_of(&self, pod: &Pod) -> Option<&'a Sidecar> {
        let sidecars = self.mesh.sidecars.iter();
        let own = sidecars.clone().filter(|sidecar| sidecar.namespace == pod.namespace);
        own.clone()
            .find(|sidecar| sidecar.selector.as_ref().is_some_and(|selector| pod.matches(selector)))
            .or_else(|| own.clone().find(|sidecar| sidecar.selector.is_none()))
            .or_else(|| {
                let mut root = sidecars.filter(|sidecar| sidecar.namespace == self.mesh.root_namespace);
                root.find(|sidecar| sidecar.selector.is_none())
            })
    }

    fn known_ports(&self, sidecar: &Sidecar, source: &Pod, destination: &Pod) -> PortSet {
        let services = self.cluster.services.iter().filter(|service| service.selects(destination));
        let known = services.filter(|service| match &sidecar.hosts {
            None => true,
            Some(hosts) => hosts.iter().any(|host| host_matches(host, service, &source.namespace)),
        });
        known.flat_map(|service| &service.ports).fold(PortSet::none(), |set, port| {
            set.union(&target_ports(&port.target, port.protocol, destination))
        })
    }
}

/// A number for each kind of traits.
#[derive(Default)]
pub(crate) struct TraitTable {
    ids: HashMap<Traits, u32>,
}

impl TraitTable {
    pub(crate) fn id(&mut self, traits: Traits) -> u32 {
        let next = self.ids.len() as u32 + 1;
        *self.ids.entry(traits).or_insert(next)
    }
}

/// The numbers that a service's target port means at a pod.
pub(crate) fn target_ports(target: &PortRef, protocol: Protocol, pod: &Pod) -> PortSet {
    match target {
        PortRef::Number(port) => PortSet::one(protocol, *port),
        PortRef::Name(name) => crate::engine::resolve_name(Some(protocol), name, &pod.ports),
    }
}

/// A Sidecar's `namespace/name` pattern: `.` is its own namespace, `*` every one, `~` none.
fn host_matches(host: &str, service: &Service, own_namespace: &str) -> bool {
    let Some((namespace, name)) = host.split_once('/') else { return false };
    let there = match namespace {
        "*" => true,
        "~" => false,
        "." => *service.namespace == *own_namespace,
        other => *service.namespace == *other,
    };
    let full = format!("{}.{}.svc.cluster.local", service.name, service.namespace);
    there && Text::new(name).matches(&full)
}
