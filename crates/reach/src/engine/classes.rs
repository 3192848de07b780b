//! Equivalence classes: pods that no policy of the cluster can tell apart.
//!
//! Pods are projected onto what policies mention: the values of the labels that some selector names, the named ports,
//! whether they share their node's network, and, where blocks of addresses cover pods, the address atoms. A class never
//! spans namespaces, because a NetworkPolicy's subject doesn't. Of a key whose values repeat, all values are kept, so
//! that a later policy may name another of them without new classes; of others only the mentioned values.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::address::Atoms;
use super::labels::LabelIndex;
use super::mentions::Mentions;
use crate::model::{Cluster, ContainerPort, LabelValue, Pod};

/// A key's values repeat if there are so many pods to a value on average.
const PODS_PER_REPEATED_VALUE: usize = 4;

/// One class.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// The first of its pods.
    pub(crate) example: u32,
    /// Index into [`Classes::port_maps`].
    pub(crate) ports: u32,
    /// How many pods it has, replicas counted.
    pub(crate) pods: u64,
    /// Atoms (as sources, as destinations) of its pods' addresses.
    pub(crate) atoms: Vec<(u32, u32)>,
}

/// All classes of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    pub(crate) all: Vec<Class>,
    /// By pod.
    pub(crate) of_pod: Vec<u32>,
    pub(crate) labels: LabelIndex,
    pub(crate) namespaces: LabelIndex,
    /// By namespace.
    pub(crate) of_namespace: Vec<RoaringBitmap>,
    pub(crate) host_network: RoaringBitmap,
    /// Named ports as policies see them, each once.
    pub(crate) port_maps: Vec<Arc<[ContainerPort]>>,
    /// By port map.
    pub(crate) of_port_map: Vec<RoaringBitmap>,
    /// The mentioned keys of pods' labels; true if every value of it was kept.
    keys: BTreeMap<String, bool>,
    /// Of keys that keep only some values: those.
    kept_values: HashSet<(String, String)>,
}

#[derive(PartialEq, Eq, Hash)]
struct Projection {
    namespace: u32,
    host_network: bool,
    ports: u32,
    labels: Vec<u32>,
    atoms: Vec<(u32, u32)>,
    mesh: u32,
}

/// What classes are made of besides labels.
pub(crate) struct Inputs<'a> {
    pub(crate) mentions: &'a Mentions,
    pub(crate) sources: &'a Atoms,
    pub(crate) destinations: &'a Atoms,
    /// Which addresses of a pod blocks can match; empty if none.
    pub(crate) addresses: &'a dyn Fn(&Pod) -> Vec<IpAddr>,
    /// A number for what the mesh sees of a pod besides its labels; equal numbers are alike.
    pub(crate) mesh: &'a mut dyn FnMut(&Pod) -> u32,
}

const ABSENT: u32 = 0;
const UNKNOWN: u32 = 1;
const OTHER: u32 = 2;
const FIRST_VALUE: u32 = 3;

impl Classes {
    pub(crate) fn new(cluster: &Cluster, inputs: Inputs<'_>) -> Self {
        let Inputs { mentions, sources, destinations, addresses, mesh } = inputs;
        let keys = mentioned_keys(cluster, mentions);
        let mut classes = Self {
            all: Vec::new(),
            of_pod: Vec::with_capacity(cluster.pods.len()),
            labels: LabelIndex::default(),
            namespaces: namespace_index(cluster),
            of_namespace: vec![RoaringBitmap::new(); cluster.namespaces.len()],
            host_network: RoaringBitmap::new(),
            port_maps: Vec::new(),
            of_port_map: Vec::new(),
            kept_values: kept_values(mentions, &keys),
            keys,
        };
        let mut port_maps: HashMap<Arc<[ContainerPort]>, u32> = HashMap::new();
        let mut values: HashMap<&str, u32> = HashMap::new();
        let mut ids: HashMap<Projection, u32> = HashMap::new();
        let mut namespace_of = NamespaceCursor::default();
        for (position, pod) in cluster.pods.iter().enumerate() {
            let mut labels = Vec::with_capacity(classes.keys.len());
            for (key, all_values) in &classes.keys {
                labels.push(match pod.label(key) {
                    LabelValue::Absent => ABSENT,
                    LabelValue::Unknown => UNKNOWN,
                    LabelValue::Known(value) if *all_values || mentions.has_value(key, value) => {
                        let next = FIRST_VALUE + values.len() as u32;
                        *values.entry(value).or_insert(next)
                    }
                    LabelValue::Known(_) => OTHER,
                });
            }
            let atoms: BTreeSet<(u32, u32)> = addresses(pod)
                .into_iter()
                .map(|address| (sources.of(address) as u32, destinations.of(address) as u32))
                .collect();
            let ports = named_ports(pod, mentions);
            let ports = match port_maps.get(&ports) {
                Some(id) => *id,
                None => {
                    let id = classes.port_maps.len() as u32;
                    classes.port_maps.push(Arc::clone(&ports));
                    classes.of_port_map.push(RoaringBitmap::new());
                    port_maps.insert(ports, id);
                    id
                }
            };
            let projection = Projection {
                namespace: namespace_of.index(cluster, pod),
                host_network: pod.host_network,
                ports,
                labels,
                atoms: atoms.into_iter().collect(),
                mesh: mesh(pod),
            };
            let class = match ids.get(&projection) {
                Some(class) => *class,
                None => {
                    let class = classes.add(&projection, position as u32, pod);
                    ids.insert(projection, class);
                    class
                }
            };
            classes.all[class as usize].pods += u64::from(pod.replicas);
            classes.of_pod.push(class);
        }
        classes
    }

    fn add(&mut self, projection: &Projection, example: u32, pod: &Pod) -> u32 {
        let class = self.all.len() as u32;
        let Projection { namespace, host_network, ports, atoms, .. } = projection;
        self.all.push(Class { example, ports: *ports, pods: 0, atoms: atoms.clone() });
        self.of_namespace[*namespace as usize].insert(class);
        self.of_port_map[*ports as usize].insert(class);
        if *host_network {
            self.host_network.insert(class);
        }
        self.labels.add(class);
        for (key, all_values) in &self.keys {
            let value = match pod.label(key) {
                LabelValue::Known(value)
                    if !all_values && !self.kept_values.contains(&(key.clone(), value.to_owned())) =>
                {
                    LabelValue::Unknown
                }
                value => value,
            };
            self.labels.add_label(class, key, value);
        }
        class
    }

    pub(crate) fn len(&self) -> u32 {
        self.all.len() as u32
    }

    /// Whether the classes are fine enough for what another policy mentions.
    pub(crate) fn are_fine_enough_for(&self, mentions: &Mentions) -> bool {
        mentions.port_names_known_to(self.port_names())
            && mentions.pod_labels().all(|(key, values)| match self.keys.get(key) {
                None => false,
                Some(true) => true,
                Some(false) => {
                    values.iter().all(|value| self.kept_values.contains(&(key.to_owned(), value.clone())))
                }
            })
    }

    fn port_names(&self) -> HashSet<&str> {
        let ports = self.port_maps.iter().flat_map(|ports| ports.iter());
        ports.filter_map(|port| port.name.as_deref()).collect()
    }
}

/// Pods are sorted by namespace, so that the next pod mostly has the previous one's.
#[derive(Default)]
struct NamespaceCursor {
    last: usize,
}

impl NamespaceCursor {
    fn index(&mut self, cluster: &Cluster, pod: &Pod) -> u32 {
        if cluster.namespaces.get(self.last).is_none_or(|namespace| namespace.name != pod.namespace) {
            self.last = cluster
                .namespaces
                .binary_search_by(|namespace| namespace.name.cmp(&pod.namespace))
                .expect("a normalised cluster has the namespace of each pod");
        }
        self.last as u32
    }
}

fn namespace_index(cluster: &Cluster) -> LabelIndex {
    let mut index = LabelIndex::default();
    for (position, namespace) in cluster.namespaces.iter().enumerate() {
        index.add(position as u32);
        for (key, value) in namespace.labels.iter() {
            index.add_label(position as u32, key, LabelValue::Known(value));
        }
    }
    index
}

/// The mentioned keys, and whether all their values are kept.
fn mentioned_keys(cluster: &Cluster, mentions: &Mentions) -> BTreeMap<String, bool> {
    let mut keys = BTreeMap::new();
    for (key, _) in mentions.pod_labels() {
        let mut pods = 0;
        let mut values: HashSet<&str> = HashSet::new();
        for pod in &cluster.pods {
            if let LabelValue::Known(value) = pod.label(key) {
                pods += 1;
                values.insert(value);
            }
        }
        keys.insert(key.to_owned(), values.len() * PODS_PER_REPEATED_VALUE <= pods);
    }
    keys
}

fn kept_values(mentions: &Mentions, keys: &BTreeMap<String, bool>) -> HashSet<(String, String)> {
    let partial = mentions.pod_labels().filter(|(key, _)| keys.get(*key) == Some(&false));
    partial
        .flat_map(|(key, values)| values.iter().map(move |value| (key.to_owned(), value.clone())))
        .collect()
}

/// The container ports whose names some policy mentions.
fn named_ports(pod: &Pod, mentions: &Mentions) -> Arc<[ContainerPort]> {
    let named = |port: &&ContainerPort| port.name.as_deref().is_some_and(|name| mentions.has_port_name(name));
    if pod.ports.iter().all(|port| named(&port)) {
        return Arc::clone(&pod.ports);
    }
    pod.ports.iter().filter(named).cloned().collect()
}
