//! The objects that decide who can talk to whom, as plain values after defaulting.

pub mod mesh;
mod pod;
mod policy;
mod selector;

use std::sync::Arc;

pub use pod::{
    Backend, ContainerPort, EntryPoint, NAMESPACE_NAME_LABEL, Namespace, Pod, PortRef, Service, ServicePort,
    WorkloadRef,
};
pub use policy::{
    Action, AdminKind, AdminPeer, AdminPolicy, AdminRule, Block, Direction, NetworkPolicy, Peer, PolicyPort,
    Rule, Subject, Tier,
};
pub use selector::{LabelValue, Labels, Operator, Requirement, Selector};

/// Everything known of a cluster that decides who can talk to whom. [`Cluster::normalise`] sorts it, so that the order
/// in which objects were read never shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// By name.
    pub namespaces: Vec<Namespace>,
    /// By namespace, workload and name. A [`PodId`](crate::PodId) is an index into it.
    pub pods: Vec<Pod>,
    /// By namespace and name.
    pub services: Vec<Service>,
    /// By kind, namespace and name.
    pub entry_points: Vec<EntryPoint>,
    /// By namespace and name.
    pub network_policies: Vec<NetworkPolicy>,
    /// In the order of evaluation.
    pub admin_policies: Vec<AdminPolicy>,
    /// Istio's part.
    pub mesh: mesh::Mesh,
    /// By name.
    pub nodes: Vec<Node>,
    /// True if something could not be read, so that the truth may differ.
    pub incomplete: bool,
}

/// A node, for peers that select nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses.
    pub addresses: Vec<std::net::IpAddr>,
}

impl Cluster {
    /// Sorts everything, and adds the namespaces that something lives in but nothing declares.
    pub fn normalise(&mut self) {
        let named = self.pods.iter().map(|pod| &pod.namespace);
        let named = named.chain(self.network_policies.iter().map(|policy| &policy.namespace));
        let mut implied: Vec<Arc<str>> =
            named.chain(self.services.iter().map(|s| &s.namespace)).cloned().collect();
        implied.sort();
        implied.dedup();
        self.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
        for name in implied {
            if let Err(at) = self.namespaces.binary_search_by(|namespace| namespace.name.cmp(&name)) {
                let labels = Labels::from([(NAMESPACE_NAME_LABEL, &*name)]);
                self.namespaces.insert(at, Namespace { name, labels, declared: false });
            }
        }
        self.pods.sort_by(|a, b| pod_order(a).cmp(&pod_order(b)));
        self.services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        self.entry_points
            .sort_by(|a, b| (&a.kind, &a.namespace, &a.name).cmp(&(&b.kind, &b.namespace, &b.name)));
        self.network_policies.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        self.admin_policies.sort_by(|a, b| {
            (a.tier, a.priority, a.kind, &a.name).cmp(&(b.tier, b.priority, b.kind, &b.name))
        });
        self.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        self.mesh.normalise();
    }

    /// The namespace of this name.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        let at = self.namespaces.binary_search_by(|namespace| (*namespace.name).cmp(name)).ok()?;
        self.namespaces.get(at)
    }

    /// The pods that `subject` selects.
    pub fn selected<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = (usize, &'a Pod)> {
        self.pods.iter().enumerate().filter(|(_, pod)| {
            pod.matches(&subject.pods)
                && self
                    .namespace(&pod.namespace)
                    .is_some_and(|namespace| subject.namespaces.matches_labels(&namespace.labels))
        })
    }
}

type PodOrder<'a> = (&'a str, &'a str, &'a str, &'a str, &'a Labels, &'a [std::net::IpAddr]);

fn pod_order(pod: &Pod) -> PodOrder<'_> {
    (&pod.namespace, &pod.workload.name, &pod.workload.kind, &pod.name, &pod.labels, &pod.addresses)
}
