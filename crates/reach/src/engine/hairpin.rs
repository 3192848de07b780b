//! A pod that reaches itself through a Service. Its own address never leaves the pod, so that no policy has a say; through a
//! Service the packets may pass the node and come back, and there implementations differ: NetworkPolicy's API doesn't say,
//! ClusterNetworkPolicy's says that it applies. What is meant is a mode.

use super::{PodId, Reachability};
use crate::matching::{End, View, rule_ports};
use crate::mesh::{Layer, target_ports};
use crate::model::{Action, AdminKind, Direction, Tier};
use crate::options::Hairpin;
use crate::portset::PortSet;

impl Reachability<'_> {
    /// The pod's ports that Services forward to: where it can meet itself.
    pub fn ports_behind_services(&self, pod: PodId) -> PortSet {
        let pod = &self.cluster.pods[pod.0];
        // They are sorted by namespace.
        let all = &self.cluster.services;
        let first = all.partition_point(|service| service.namespace < pod.namespace);
        let here = all[first..].iter().take_while(|service| service.namespace == pod.namespace);
        let services = here.filter(|service| service.selects(pod));
        let ports = services.flat_map(|service| &service.ports);
        ports.fold(PortSet::none(), |all, port| all.union(&target_ports(&port.target, port.protocol, pod)))
    }

    /// Every port of the pod that it may itself connect to through a Service, whether there is one or not.
    pub fn through_service(&self, pod: PodId) -> PortSet {
        match self.options.hairpin {
            Hairpin::Subject => self.half(Direction::Egress, pod.into(), pod.into()).intersection(self.half(
                Direction::Ingress,
                pod.into(),
                pod.into(),
            )),
            Hairpin::Allowed => {
                let sides = Direction::BOTH.map(|direction| self.by_cluster_network_policies(pod, direction));
                sides[0].intersection(&sides[1]).intersection(&self.by_mesh(pod))
            }
        }
    }

    /// What is left where NetworkPolicies and the older kinds of administrators' policies leave such traffic alone.
    fn by_cluster_network_policies(&self, pod: PodId, direction: Direction) -> PortSet {
        let view = View { cluster: self.cluster, options: &self.options };
        let isolated = self.is_isolated(pod, direction);
        let pod = &self.cluster.pods[pod.0];
        let (mut open, mut allowed) = (PortSet::all(), PortSet::none());
        for tier in [Tier::Admin, Tier::Baseline] {
            // After the NetworkPolicies of an isolated pod the baseline has no say.
            if tier == Tier::Baseline && isolated {
                break;
            }
            let mut passed = PortSet::none();
            let policies = self.cluster.admin_policies.iter().filter(|policy| {
                policy.tier == tier
                    && policy.kind == AdminKind::ClusterNetworkPolicy
                    && view.in_subject(&policy.subject, policy.kind, pod)
            });
            for rule in policies.flat_map(|policy| policy.rules(direction)) {
                if !view.is_admin_peer(rule, AdminKind::ClusterNetworkPolicy, End::Pod(pod)) {
                    continue;
                }
                let ports = rule_ports(rule.ports.as_deref(), End::Pod(pod)).intersection(&open);
                open = open.difference(&ports);
                match rule.action {
                    Action::Allow => allowed = allowed.union(&ports),
                    Action::Pass => passed = passed.union(&ports),
                    Action::Deny => {}
                }
            }
            open = open.union(&passed);
        }
        allowed.union(&open)
    }

    /// The mesh isn't a policy of the cluster: its proxies decide as always.
    fn by_mesh(&self, pod: PodId) -> PortSet {
        let pod = &self.cluster.pods[pod.0];
        let Some(mesh) = Layer::new(self.cluster) else { return PortSet::all() };
        let inbound = if mesh.guards(pod) { mesh.inbound(End::Pod(pod), pod) } else { PortSet::all() };
        let outbound = if mesh.confines(pod) { mesh.outbound(pod, End::Pod(pod)) } else { PortSet::all() };
        inbound.intersection(&outbound)
    }
}
