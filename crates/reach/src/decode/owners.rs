//! Whose pods a Pod, a ReplicaSet and a Job are, where their controllers were read, too: nothing is counted twice.
//!
//! A live cluster shows one Deployment as a Deployment, its ReplicaSets of today and before, and its Pods. What counts is
//! the workload's name with the Pods that there are: they have addresses, and the labels that admission gave them. The
//! template stands for the replicas that have no Pod.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::field::Field;
use crate::model::{Pod, WorkloadRef};

/// Controllers above each other: Pod, Job, CronJob, and an operator's.
const CHAIN: usize = 4;

/// A workload: namespace, kind, name.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// The Pods and the links of owners, until everything is read.
#[derive(Default)]
pub(super) struct Owners {
    /// Pods that a controller owns.
    pub live: Vec<Pod>,
    /// The controllers of ReplicaSets and Jobs.
    links: HashMap<Key, WorkloadRef>,
}

impl Owners {
    /// Remembers whose this workload is.
    pub(super) fn link(&mut self, object: &Field<'_>, kind: &str, namespace: &Arc<str>, name: &Arc<str>) {
        if let Some(owner) = controller(object) {
            self.links.insert((Arc::clone(namespace), kind.into(), Arc::clone(name)), owner);
        }
    }

    /// Takes out of `pods` what is counted under another name, and puts the Pods in.
    pub(super) fn settle(self, pods: &mut Vec<Pod>) {
        let Self { mut live, links } = self;
        let known: HashSet<Key> = pods.iter().map(key).collect();
        let top = |namespace: &Arc<str>, start: &WorkloadRef| {
            let mut top = start.clone();
            for _ in 0..CHAIN {
                let at = (Arc::clone(namespace), Arc::clone(&top.kind), Arc::clone(&top.name));
                match links.get(&at) {
                    Some(owner)
                        if known.contains(&(
                            Arc::clone(namespace),
                            Arc::clone(&owner.kind),
                            Arc::clone(&owner.name),
                        )) =>
                    {
                        top = owner.clone();
                    }
                    _ => break,
                }
            }
            top
        };
        pods.retain(|pod| top(&pod.namespace, &pod.workload) == pod.workload);
        let mut replicas: HashMap<Key, u32> = HashMap::new();
        let mut names: HashSet<(Arc<str>, Arc<str>)> = HashSet::new();
        for pod in &mut live {
            pod.workload = top(&pod.namespace, &pod.workload);
            *replicas.entry(key(pod)).or_default() += 1;
            names.insert((Arc::clone(&pod.namespace), Arc::clone(&pod.name)));
        }
        pods.retain_mut(|template| {
            let Some(running) = replicas.get(&key(template)) else { return true };
            match &*template.workload.kind {
                // Nobody knows how many nodes there are; there is a Pod on each.
                "DaemonSet" => false,
                // An ordinal of its own.
                "StatefulSet" if template.name != template.workload.name => {
                    !names.contains(&(Arc::clone(&template.namespace), Arc::clone(&template.name)))
                }
                _ => {
                    template.replicas = template.replicas.saturating_sub(*running);
                    template.replicas > 0
                }
            }
        });
        pods.append(&mut live);
    }
}

fn key(pod: &Pod) -> Key {
    (Arc::clone(&pod.namespace), Arc::clone(&pod.workload.kind), Arc::clone(&pod.workload.name))
}

/// The controller among an object's owners; without one, the first that isn't a node.
pub(super) fn controller(object: &Field<'_>) -> Option<WorkloadRef> {
    let owners = object.at(&["metadata", "ownerReferences"]).list();
    let owner = owners.iter().find(|owner| owner.get("controller").flag() == Some(true)).or(owners.first())?;
    let (kind, name) = (owner.get("kind").text()?, owner.get("name").text()?);
    (kind != "Node").then(|| WorkloadRef { kind: kind.into(), name: name.into() })
}
