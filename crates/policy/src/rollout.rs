//! In which order policies go in, and what they cut, before anything is applied.

use parapet_reach::model::{Cluster, NetworkPolicy};
use parapet_reach::{Options, PodId, PortSet, Reachability};
use serde::Serialize;

use crate::needs::{End, Needs};
use crate::plan::DEFAULT_DENY;
use crate::proof::{Tuple, locked};
use crate::units::Units;

/// What applying policies does to a cluster as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// `namespace/name` of the policies in the order in which they go in: what allows first, what denies last.
    pub order: Vec<String>,
    /// Connections that somebody is known to use and that end: look at these before anything else.
    pub known: Vec<Cut>,
    /// For each workload that loses clients on a port that it declares: how many.
    pub by_server: Vec<(String, PortSet, usize)>,
}

/// A connection that ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cut {
    /// Which.
    pub tuple: Tuple,
    /// How it is known, as its flow's reason says.
    pub known_by: String,
}

impl Rollout {
    /// Compares `cluster` as it is with `policies` in force. `known` are the needs that manifests or observations show.
    pub fn of(
        cluster: &Cluster,
        units: &Units,
        needs: &Needs,
        policies: &[NetworkPolicy],
        known: Option<&Needs>,
    ) -> Self {
        let mut order: Vec<&NetworkPolicy> = policies.iter().collect();
        order.sort_by_key(|policy| (&*policy.name == DEFAULT_DENY, &policy.namespace, &policy.name));
        let order = order.into_iter().map(|policy| format!("{}/{}", policy.namespace, policy.name)).collect();
        let locked = locked(cluster, policies, needs);
        let before = Reachability::compute(cluster, &Options::default());
        let after = Reachability::compute(&locked, &Options::default());
        // Both clusters have the same pods in the same order.
        let first = |unit: crate::UnitId| PodId(units.get(unit).pods[0]);
        let mut rollout = Self { order, ..Self::default() };
        for need in known.iter().flat_map(|known| &known.all) {
            let (End::Unit(from), End::Unit(to)) = (&need.from, &need.to) else { continue };
            let (source, destination) = (first(*from), first(*to));
            let cut = need
                .ports
                .intersection(&before.connections(source, destination))
                .difference(&after.connections(source, destination));
            if !cut.is_empty() {
                let flow = need.flows.first().and_then(|flow| known?.flows.get(*flow));
                rollout.known.push(Cut {
                    tuple: Tuple {
                        from: units.get(*from).to_string(),
                        to: units.get(*to).to_string(),
                        ports: cut,
                    },
                    known_by: flow.map(|flow| flow.reason.clone()).unwrap_or_default(),
                });
            }
        }
        rollout.known.sort();
        for (server, unit) in units.iter() {
            let declared = unit
                .pods
                .iter()
                .flat_map(|pod| cluster.pods[*pod].ports.iter())
                .fold(PortSet::none(), |all, port| all.union(&PortSet::one(port.protocol, port.port)));
            let mut lost = PortSet::none();
            let mut clients = 0;
            for (client, _) in units.iter().filter(|(client, _)| *client != server) {
                let (source, destination) = (first(client), first(server));
                let cut = declared
                    .intersection(&before.connections(source, destination))
                    .difference(&after.connections(source, destination));
                if !cut.is_empty() {
                    lost = lost.union(&cut);
                    clients += 1;
                }
            }
            if clients > 0 {
                rollout.by_server.push((unit.to_string(), lost, clients));
            }
        }
        rollout
    }
}
