//! NetworkPolicies of managed applications: who may open connections to them.
//!
//! A policy names every peer that an application is known to have: its own nodes, the operator, whoever refers to it, and the
//! clients that its owner declares. Where nobody can say who the peers of a port are, it lets everybody in: ports of the user's
//! own containers, and the transport port of a cluster with nodes elsewhere. It covers incoming connections alone. What an application opens itself — repositories of
//! snapshots and plugins, directories of users, webhooks — can't be read from its resource, and a policy that cuts one of these is
//! worse than none.
//!
//! Probes come from the pod's own node, which policies don't concern; the readiness probe of Elasticsearch stays within the pod.

mod clients;
mod listeners;
#[cfg(test)]
mod never_cut;
mod peers;
mod policy;
mod referrers;
#[cfg(test)]
mod tests;

pub use clients::{CLIENTS, Clients, ClientsError};
pub use peers::OperatorPods;
pub use policy::{World, apm_server, elasticsearch, kibana, name};
pub use referrers::{Referrer, targets_of_apm_server, targets_of_elasticsearch, targets_of_kibana};

use crate::settings::NetworkPolicies;

/// Whether an application gets a policy: `is_new` if none of its workloads was there at its first pass, `exists` if it has one
/// already. What was there before has clients that nobody declared, and gets one only if asked for.
pub fn is_wanted(key: NetworkPolicies, is_new: bool, exists: bool) -> bool {
    match key {
        NetworkPolicies::New => is_new || exists,
        NetworkPolicies::All => true,
        NetworkPolicies::Off => false,
    }
}
