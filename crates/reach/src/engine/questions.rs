//! Questions about single connections, pods and classes.

use super::ports::PortsId;
use super::{AddressRange, Endpoint, PodId, Reachability};
use crate::model::{Cluster, Direction, NetworkPolicy};
use crate::options::Options;
use crate::portset::{PortSet, Protocol};

impl<'c> Reachability<'c> {
    /// The cluster that this is about (its NetworkPolicies as they were before edits).
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// The declared modes.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The NetworkPolicies in force, edits included.
    pub fn network_policies(&self) -> impl Iterator<Item = &NetworkPolicy> {
        self.policies.iter().flatten().map(|slot| &*slot.policy)
    }

    /// Whether `source` may open a connection to `destination` at this port.
    pub fn allowed(
        &self,
        source: impl Into<Endpoint>,
        destination: impl Into<Endpoint>,
        protocol: Protocol,
        port: u16,
    ) -> bool {
        self.connections(source, destination).contains(protocol, port)
    }

    /// Every port of `destination` that `source` may open a connection to.
    ///
    /// A pod and itself: everything, because that traffic never leaves the pod. An entry that stands for several
    /// replicas and itself: from one replica to another. Two addresses outside: everything, nobody here has a say.
    pub fn connections(&self, source: impl Into<Endpoint>, destination: impl Into<Endpoint>) -> PortSet {
        let (source, destination) = (source.into(), destination.into());
        if let (Endpoint::Pod(source), Endpoint::Pod(destination)) = (source, destination)
            && source == destination
            && self.cluster.pods[source.0].replicas == 1
        {
            return PortSet::all();
        }
        self.half(Direction::Egress, source, destination).intersection(self.half(
            Direction::Ingress,
            destination,
            source,
        ))
    }

    /// What `subject`'s own side allows in `direction`, with `peer` at the other end.
    pub fn half(&self, direction: Direction, subject: Endpoint, peer: Endpoint) -> &PortSet {
        let ports = match subject {
            Endpoint::Address(_) => PortsId::ALL,
            Endpoint::Pod(pod) => {
                let peer = match peer {
                    Endpoint::Pod(peer) => self.classes.of_pod[peer.0],
                    Endpoint::Address(address) => {
                        self.classes.len() + self.atoms(direction).of(address) as u32
                    }
                };
                self.side(direction).profile(self.classes.of_pod[pod.0]).ports(peer)
            }
        };
        self.ports.get(ports)
    }

    /// Whether some NetworkPolicy isolates the pod in `direction`.
    pub fn is_isolated(&self, pod: PodId, direction: Direction) -> bool {
        !self.side(direction).profile(self.classes.of_pod[pod.0]).key.policies.is_empty()
    }

    /// The NetworkPolicies that isolate the pod in `direction`.
    pub fn isolating(&self, pod: PodId, direction: Direction) -> impl Iterator<Item = &NetworkPolicy> {
        let slots = &self.side(direction).profile(self.classes.of_pod[pod.0]).key.policies;
        slots.iter().filter_map(|slot| self.policies[*slot as usize].as_ref()).map(|slot| &*slot.policy)
    }

    /// How many classes the pods fall into.
    pub fn class_count(&self) -> usize {
        self.classes.len() as usize
    }

    /// The class of a pod: pods of one class have the same verdicts.
    pub fn class_of(&self, pod: PodId) -> usize {
        self.classes.of_pod[pod.0] as usize
    }

    /// Ranges of outside addresses that sources (ingress) or destinations (egress) fall into, IPv4 first.
    pub fn external_ranges(&self, direction: Direction) -> Vec<AddressRange> {
        let atoms = self.atoms(direction);
        (0..atoms.len()).map(|atom| atoms.range(atom)).collect()
    }

    /// Pods that may open a connection to `destination` at this port, itself left out unless it has replicas.
    pub fn sources(&self, destination: PodId, protocol: Protocol, port: u16) -> Vec<PodId> {
        let mut verdicts: Vec<Option<bool>> = vec![None; self.class_count()];
        let mut sources = Vec::new();
        for (index, pod) in self.cluster.pods.iter().enumerate() {
            let source = PodId(index);
            if source == destination && pod.replicas == 1 {
                continue;
            }
            let verdict = &mut verdicts[self.class_of(source)];
            let allowed = *verdict.get_or_insert_with(|| {
                let (from, to) = (Endpoint::Pod(source), Endpoint::Pod(destination));
                self.half(Direction::Egress, from, to).contains(protocol, port)
                    && self.half(Direction::Ingress, to, from).contains(protocol, port)
            });
            if allowed {
                sources.push(source);
            }
        }
        sources
    }
}
