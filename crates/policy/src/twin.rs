//! Whether policies of another kind do what the NetworkPolicies of a plan do: read back from their documents and computed.
//!
//! Each kind has less to say than NetworkPolicy. What it leaves open is told connection by connection, and why.

use std::sync::Arc;

use parapet_reach::model::{Cluster, Direction};
use parapet_reach::{DecodeOptions, Endpoint, PortSet, Protocol};
use serde::Serialize;
use serde_json::Value;

use crate::needs::Needs;
use crate::proof::{Allowed, Tuple};
use crate::render::MOST_PORTS;
use crate::units::{UnitId, Units};

/// Ports of Istio's proxies themselves: what comes there doesn't pass through them.
const PROXY_PORTS: [u16; 2] = [15020, 15090];
/// By which a pod is told to have a proxy, or not to.
const INJECT: &str = "sidecar.istio.io/inject";

/// What was found about documents of another kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Twin {
    /// Declared, but not allowed.
    pub missing: Vec<Tuple>,
    /// Allowed, but not declared.
    pub wider: Vec<Wider>,
    /// Pairs of workloads, and of workloads and ranges of addresses, that were computed.
    pub pairs: u64,
}

/// A connection that the kind can't tell from others, or could and doesn't.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Wider {
    /// Which.
    pub tuple: Tuple,
    /// Why.
    pub why: WiderReason,
}

/// Why a twin allows something that nobody declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WiderReason {
    /// The client has the labels of another one that may.
    SameLabels,
    /// The client has the service account of another one that may.
    SameAccount,
    /// The client may use some ports, and so many that their kind lists none.
    ManyPorts,
    /// The documents are wider than need be.
    Unexplained,
}

impl WiderReason {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SameLabels => "the same labels as one that may",
            Self::SameAccount => "the same service account as one that may",
            Self::ManyPorts => "ranges of ports have no form in this kind",
            Self::Unexplained => "nobody declared it",
        }
    }
}

impl Twin {
    /// Everything declared is allowed, and what isn't has a reason that the kind can't avoid.
    pub fn holds(&self) -> bool {
        self.missing.is_empty() && self.wider.iter().all(|wider| wider.why != WiderReason::Unexplained)
    }

    /// ClusterNetworkPolicies in force instead of the scope's NetworkPolicies. Clients outside have no form in this kind and
    /// aren't looked at.
    pub fn of_cluster_network_policies(
        cluster: &Cluster,
        units: &Units,
        needs: &Needs,
        documents: &[Value],
    ) -> Self {
        let (twins, _) = Cluster::from_objects(documents.iter().cloned(), &DecodeOptions::default());
        let mut locked = without_policies(cluster, needs);
        locked.admin_policies.extend(twins.admin_policies);
        locked.normalise();
        let allowed = Allowed::new(&locked, units, needs);
        let seen = PortSet::all();
        let of_others = |from: &[UnitId], to: &[UnitId]| {
            let declared = needs.between();
            let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
            let ports = pairs.filter_map(|pair| declared.get(&pair).copied());
            ports.fold(PortSet::none(), |all, ports| all.union(ports))
        };
        let alike = allowed.selected_with();
        let why = |from: UnitId, to: UnitId, ports: &PortSet| {
            if ports.is_subset(&of_others(&alike[from.0], &alike[to.0])) {
                WiderReason::SameLabels
            } else {
                WiderReason::Unexplained
            }
        };
        let mut twin = Self { missing: allowed.missing(), ..Self::default() };
        twin.inside(&allowed, units, needs, &seen, Direction::BOTH.as_slice(), why);
        twin.outside(&allowed, units, needs, &seen, Direction::Egress);
        twin.wider.sort();
        twin
    }

    /// Istio's AuthorizationPolicies in force instead of the scope's NetworkPolicies. Every pod that isn't told otherwise is
    /// taken to have a proxy; what those don't see (other protocols than TCP, what goes out) isn't looked at.
    pub fn of_authorization_policies(
        cluster: &Cluster,
        units: &Units,
        needs: &Needs,
        documents: &[Value],
    ) -> Self {
        let (twins, _) = Cluster::from_objects(documents.iter().cloned(), &DecodeOptions::default());
        let mut locked = without_policies(cluster, needs);
        locked.mesh.authorization_policies.retain(|policy| !needs.scope.contains(&*policy.namespace));
        locked.mesh.authorization_policies.extend(twins.mesh.authorization_policies);
        for pod in locked.pods.iter_mut().filter(|pod| !pod.host_network) {
            if pod.labels.get(INJECT).is_none() && !pod.mesh_annotations.contains_key(INJECT) {
                Arc::make_mut(&mut pod.mesh_annotations).insert(INJECT.to_owned(), "true".to_owned());
            }
        }
        locked.normalise();
        let allowed = Allowed::new(&locked, units, needs);
        let proxys = PROXY_PORTS
            .iter()
            .fold(PortSet::none(), |all, port| all.union(&PortSet::one(Protocol::Tcp, *port)));
        let seen = PortSet::range(Protocol::Tcp, 1, u16::MAX).difference(&proxys);
        let account = |unit: UnitId| {
            let pod = &cluster.pods[units.get(unit).pods[0]];
            (&pod.namespace, &pod.service_account)
        };
        let declared = needs.between();
        let alike = allowed.selected_with();
        let why = |from: UnitId, to: UnitId, ports: &PortSet| {
            let mine = account(from);
            let sharing: Vec<UnitId> =
                units.iter().map(|(id, _)| id).filter(|other| account(*other) == mine).collect();
            let may = |clients: &[UnitId]| {
                let pairs = clients.iter().flat_map(|from| alike[to.0].iter().map(move |to| (*from, *to)));
                let ports = pairs.filter_map(|pair| declared.get(&pair).copied());
                ports.fold(PortSet::none(), |all, ports| all.union(ports))
            };
            let (own, shared) = (may(&[from]), may(&sharing));
            if ports.is_subset(&own) {
                WiderReason::SameLabels
            } else if ports.is_subset(&shared) {
                WiderReason::SameAccount
            } else if has_no_form(&shared) {
                WiderReason::ManyPorts
            } else {
                WiderReason::Unexplained
            }
        };
        let mut twin = Self { missing: allowed.missing(), ..Self::default() };
        twin.inside(&allowed, units, needs, &seen, &[Direction::Ingress], why);
        twin.outside(&allowed, units, needs, &seen, Direction::Ingress);
        twin.wider.sort();
        twin
    }

    /// Pairs of workloads of which the documents decide in one of `directions`; only `seen` ports count.
    fn inside(
        &mut self,
        allowed: &Allowed<'_>,
        units: &Units,
        needs: &Needs,
        seen: &PortSet,
        directions: &[Direction],
        why: impl Fn(UnitId, UnitId, &PortSet) -> WiderReason,
    ) {
        let declared = needs.between();
        let nothing = PortSet::none();
        let in_scope = |unit: UnitId| needs.scope.contains(&*units.get(unit).namespace);
        let visible: Vec<UnitId> =
            units.iter().filter(|(_, unit)| !unit.host_network).map(|(id, _)| id).collect();
        for &from in &visible {
            for &to in &visible {
                let decided = |direction: &Direction| match direction {
                    Direction::Egress => in_scope(from),
                    Direction::Ingress => in_scope(to),
                };
                if !directions.iter().any(decided) {
                    continue;
                }
                self.pairs += 1;
                let known = declared.get(&(from, to)).copied().unwrap_or(&nothing);
                let ports = allowed.allowed(from, to).difference(known).intersection(seen);
                if !ports.is_empty() {
                    let why = why(from, to, &ports);
                    let (from, to) = (units.get(from).to_string(), units.get(to).to_string());
                    self.wider.push(Wider { tuple: Tuple { from, to, ports }, why });
                }
            }
        }
    }

    /// Workloads of the scope and addresses outside, in the direction that the documents decide.
    fn outside(
        &mut self,
        allowed: &Allowed<'_>,
        units: &Units,
        needs: &Needs,
        seen: &PortSet,
        direction: Direction,
    ) {
        let in_scope = |unit: &crate::Unit| !unit.host_network && needs.scope.contains(&*unit.namespace);
        let alike = allowed.selected_with();
        for (id, unit) in units.iter().filter(|(_, unit)| in_scope(unit)) {
            for range in allowed.external_ranges(direction) {
                self.pairs += 1;
                let open = unit.pods.iter().fold(PortSet::none(), |open, pod| {
                    let (pod, address) =
                        (Endpoint::Pod(parapet_reach::PodId(*pod)), Endpoint::Address(range.first));
                    open.union(allowed.half(direction, pod, address))
                });
                let known = allowed.declared_at(id, range.first, direction);
                let ports = open.difference(&known).intersection(seen);
                if ports.is_empty() {
                    continue;
                }
                let of_others = alike[id.0].iter().fold(PortSet::none(), |all, other| {
                    all.union(&allowed.declared_at(*other, range.first, direction))
                });
                let why = match () {
                    () if ports.is_subset(&of_others) => WiderReason::SameLabels,
                    () if direction == Direction::Ingress && has_no_form(&of_others) => {
                        WiderReason::ManyPorts
                    }
                    () => WiderReason::Unexplained,
                };
                let (unit, range) = (unit.to_string(), range.to_string());
                let (from, to) = match direction {
                    Direction::Egress => (unit, range),
                    Direction::Ingress => (range, unit),
                };
                self.wider.push(Wider { tuple: Tuple { from, to, ports }, why });
            }
        }
    }
}

/// Whether an AuthorizationPolicy says "every port" for these.
fn has_no_form(ports: &PortSet) -> bool {
    ports.count() > MOST_PORTS
}

fn without_policies(cluster: &Cluster, needs: &Needs) -> Cluster {
    let mut locked = cluster.clone();
    locked.network_policies.retain(|policy| !needs.scope.contains(&*policy.namespace));
    locked
}
