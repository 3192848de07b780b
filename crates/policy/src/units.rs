//! The workloads of a cluster as policies can name them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parapet_reach::model::{Cluster, Labels, Pod, WorkloadRef};

/// A workload: an index into [`Units`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub usize);

/// A workload and its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where it lives.
    pub namespace: Arc<str>,
    /// What it is.
    pub workload: WorkloadRef,
    /// Its entries in [`Cluster::pods`], ascending.
    pub pods: Vec<usize>,
    /// Labels that all its pods have with the same values.
    pub labels: Labels,
    /// All labels of its pods, each combination once: those of a roll-out that isn't over differ.
    pub variants: Vec<Labels>,
    /// Policies can't see it: it is in its node's network.
    pub host_network: bool,
}

/// `namespace/name[Kind]`.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.namespace, self.workload.name, self.workload.kind)
    }
}

/// All workloads of a cluster, by namespace, name and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    all: Vec<Unit>,
    of_pod: Vec<UnitId>,
}

impl Units {
    /// The workloads of `cluster`.
    pub fn of(cluster: &Cluster) -> Self {
        let mut by_name: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
        for (index, pod) in cluster.pods.iter().enumerate() {
            by_name.entry((&pod.namespace, &pod.workload.name, &pod.workload.kind)).or_default().push(index);
        }
        let mut of_pod = vec![UnitId(0); cluster.pods.len()];
        let mut all = Vec::with_capacity(by_name.len());
        for pods in by_name.into_values() {
            pods.iter().for_each(|pod| of_pod[*pod] = UnitId(all.len()));
            let members: Vec<&Pod> = pods.iter().map(|pod| &cluster.pods[*pod]).collect();
            let first = members[0];
            let shared = first
                .labels
                .iter()
                .filter(|(key, value)| members.iter().all(|pod| pod.labels.get(key) == Some(value)));
            let mut variants: Vec<Labels> = members.iter().map(|pod| pod.labels.clone()).collect();
            variants.sort();
            variants.dedup();
            all.push(Unit {
                namespace: Arc::clone(&first.namespace),
                workload: first.workload.clone(),
                labels: shared.collect(),
                variants,
                host_network: members.iter().all(|pod| pod.host_network),
                pods,
            });
        }
        Self { all, of_pod }
    }

    /// By id.
    pub fn get(&self, id: UnitId) -> &Unit {
        &self.all[id.0]
    }

    /// The workload of a pod.
    pub fn of_pod(&self, pod: usize) -> UnitId {
        self.of_pod[pod]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (UnitId, &Unit)> {
        self.all.iter().enumerate().map(|(index, unit)| (UnitId(index), unit))
    }
}
