//! From Kubernetes objects (as JSON values) to the [`Cluster`]. Whatever can't be read is a [`Problem`] with the field's
//! place in the object; everything else is still analysed.
//!
//! The fail-closed rule: an element of a policy that the API server would refuse matches nobody, so it opens nothing;
//! a policy whose subject, type or tier can't be read is left out, since nobody knows whom it is about. Either way the
//! cluster is marked incomplete.

mod admin;
mod field;
mod mesh;
mod network_policy;
mod owners;
mod selector;
mod served;
mod service;
mod twice;
mod workload;

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::model::{Cluster, ContainerPort, Labels, NAMESPACE_NAME_LABEL, Namespace, Node, Pod};
use crate::operators::made_of;
use field::{Field, Notes};
use owners::Owners;
use served::{admin_kind, is_ours, note_gone, note_unserved};

/// How objects are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// For namespaced objects that name no namespace.
    pub default_namespace: String,
    /// Of two objects with the same kind, namespace and name, take the later one, as `kubectl apply` would.
    /// Otherwise the first one stays, and the second is an error.
    pub last_wins: bool,
    /// Istio's root namespace.
    pub mesh_root_namespace: String,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            default_namespace: "default".to_owned(),
            last_wins: false,
            mesh_root_namespace: "istio-system".to_owned(),
        }
    }
}

/// Which object a problem is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectRef {
    /// Its position among the objects that were handed in; for an element of a List, the List's.
    pub index: usize,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for cluster-wide kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server would refuse it, or it could not be read: the analysis is incomplete.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// Something in an object that can't be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// In which object.
    pub object: ObjectRef,
    /// JSON pointer of the field (which may be absent) in the object that was handed in.
    pub path: String,
    /// What is wrong, and often what to do.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

impl Cluster {
    /// Reads objects of every kind that matters here; other kinds are skipped. Lists are expanded.
    pub fn from_objects(
        objects: impl IntoIterator<Item = Value>,
        options: &DecodeOptions,
    ) -> (Self, Vec<Problem>) {
        let mut reader = Reader {
            options,
            cluster: Self::default(),
            problems: Vec::new(),
            seen: HashSet::new(),
            shared: Shared::default(),
            owners: Owners::default(),
            operated: Vec::new(),
        };
        reader.cluster.mesh.root_namespace = options.mesh_root_namespace.as_str().into();
        for (index, object) in objects.into_iter().enumerate() {
            reader.document(&object, "", index);
        }
        let Reader { mut cluster, mut problems, owners, operated, .. } = reader;
        owners.settle(&mut cluster.pods);
        add_operated(&mut cluster.pods, operated);
        cluster.normalise();
        cluster.incomplete = problems.iter().any(|problem| problem.severity == Severity::Error);
        problems.sort();
        (cluster, problems)
    }
}

/// Kinds without a namespace.
const CLUSTER_WIDE: [&str; 5] =
    ["Namespace", "Node", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"];

/// Lists in lists are refused: nothing writes them, and their depth would be a stranger's choice.
const LIST_SUFFIX: &str = "List";

struct Reader<'o> {
    options: &'o DecodeOptions,
    cluster: Cluster,
    problems: Vec<Problem>,
    /// Group, kind, namespace and name.
    seen: HashSet<(String, String, String, String)>,
    shared: Shared,
    owners: Owners,
    /// What operators make of their kinds, with the kind, namespace and name of the object.
    operated: Vec<([Arc<str>; 3], Pod)>,
}

/// Adds what operators make, but where the workload itself was read: then that one counts.
fn add_operated(pods: &mut Vec<Pod>, operated: Vec<([Arc<str>; 3], Pod)>) {
    let key = |pod: &Pod| {
        (Arc::clone(&pod.namespace), Arc::clone(&pod.workload.kind), Arc::clone(&pod.workload.name))
    };
    let known: HashSet<_> = pods.iter().map(key).collect();
    pods.extend(operated.into_iter().map(|(_, pod)| pod).filter(|pod| !known.contains(&key(pod))));
}

/// What pods have in common is kept once: a live cluster repeats it for each of a hundred thousand pods.
#[derive(Default)]
struct Shared {
    labels: HashSet<Labels>,
    ports: HashSet<Arc<[ContainerPort]>>,
    texts: HashSet<Arc<str>>,
}

impl Shared {
    fn share(&mut self, mut pod: Pod) -> Pod {
        pod.labels = one_of(&mut self.labels, pod.labels);
        pod.ports = one_of(&mut self.ports, pod.ports);
        for text in
            [&mut pod.namespace, &mut pod.workload.kind, &mut pod.workload.name, &mut pod.service_account]
        {
            *text = one_of(&mut self.texts, Arc::clone(text));
        }
        pod
    }
}

/// The first of equal values.
fn one_of<T: Clone + Eq + std::hash::Hash>(known: &mut HashSet<T>, value: T) -> T {
    match known.get(&value) {
        Some(first) => first.clone(),
        None => {
            known.insert(value.clone());
            value
        }
    }
}

impl Reader<'_> {
    fn document(&mut self, document: &Value, path: &str, index: usize) {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with(LIST_SUFFIX)
            && path.is_empty()
            && let Some(items) = document.get("items").and_then(Value::as_array)
        {
            for (position, item) in items.iter().enumerate() {
                let path = format!("/items/{position}");
                match (item.get("kind"), kind.strip_suffix(LIST_SUFFIX)) {
                    // The elements of a typed list may leave out what the list's kind tells.
                    (None, Some(kind)) if !kind.is_empty() && item.is_object() => {
                        let mut item = item.clone();
                        item["kind"] = Value::from(kind);
                        item["apiVersion"] = document.get("apiVersion").cloned().unwrap_or_default();
                        self.object(&item, &path, index);
                    }
                    _ => self.object(item, &path, index),
                }
            }
        } else if !document.is_null() {
            self.object(document, path, index);
        }
    }

    fn object(&mut self, object: &Value, path: &str, index: usize) {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let metadata = object.get("metadata");
        let text = |key: &str| metadata.and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or_default();
        let namespace = match text("namespace") {
            _ if CLUSTER_WIDE.contains(&kind) => "",
            "" => &self.options.default_namespace,
            namespace => namespace,
        };
        let name = match text("name") {
            "" => text("generateName"),
            name => name,
        };
        let reference = ObjectRef {
            index,
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let notes = Notes::new(reference);
        let field = Field::root(object, path, &notes);
        if field.is_map() {
            self.decode(&field, kind, namespace.into(), name.into());
        }
        self.problems.extend(notes.into_problems());
    }

    fn decode(&mut self, object: &Field<'_>, kind: &str, namespace: Arc<str>, name: Arc<str>) {
        let api_version = object.get("apiVersion").text().unwrap_or_default();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let made = object.value().map(|object| made_of(object, &namespace)).unwrap_or_default();
        if !is_ours(group, kind) && made.is_empty() {
            note_gone(object, group, kind);
            return;
        }
        note_unserved(object, api_version, kind);
        if name.is_empty() {
            let field = object.at(&["metadata", "name"]);
            // A name such as `n` or `1` is no text to YAML, and says so itself.
            if !field.is_present() || field.text().is_some() {
                field.error("the object has no name");
            }
            return;
        }
        if !selector::is_dns_subdomain(&name) && kind != "Pod" {
            object.at(&["metadata", "name"]).error(format!("{name:?} can't be the name of an object"));
        }
        if !self.is_first(object, group, kind, &namespace, &name) {
            return;
        }
        for made in &made {
            let of: [Arc<str>; 3] = [kind.into(), Arc::clone(&namespace), Arc::clone(&name)];
            let pods = workload::made(object, made, &namespace).into_iter();
            let pods = pods.map(|pod| (of.clone(), self.shared.share(pod)));
            self.operated.extend(pods);
        }
        let spec = object.get("spec");
        let cluster = &mut self.cluster;
        match kind {
            "Namespace" => cluster.namespaces.push(read_namespace(object, &name)),
            "Node" => cluster.nodes.push(node(object, name)),
            "Service" => cluster.services.push(service::service(&spec, namespace, name)),
            "NetworkPolicy" => match network_policy::network_policy(&spec, namespace, name) {
                Some(policy) => cluster.network_policies.push(policy),
                None => spec.error("the policy can't be evaluated and is left out"),
            },
            "AuthorizationPolicy" => {
                let policy = mesh::authorization_policy(&spec, namespace, name);
                cluster.mesh.authorization_policies.extend(policy);
            }
            "PeerAuthentication" => {
                let authentication = mesh::peer_authentication(object, namespace, name);
                cluster.mesh.peer_authentications.extend(authentication);
            }
            "Sidecar" => cluster.mesh.sidecars.extend(mesh::sidecar(&spec, namespace, name)),
            _ => {
                if let Some(kind) = admin_kind(kind) {
                    match admin::admin_policy(&spec, kind, name) {
                        Some(policy) => cluster.admin_policies.push(policy),
                        None => spec.error("the policy can't be evaluated and is left out"),
                    }
                } else if let Some(pods) = workload::pods(object, kind, &namespace, &name) {
                    let pods = pods.into_iter().map(|pod| self.shared.share(pod));
                    let (live, own): (Vec<_>, Vec<_>) =
                        pods.partition(|pod| kind == "Pod" && &*pod.workload.kind != "Pod");
                    cluster.pods.extend(own);
                    self.owners.live.extend(live);
                    if matches!(kind, "ReplicaSet" | "Job") {
                        self.owners.link(object, kind, &namespace, &name);
                    }
                } else {
                    cluster.entry_points.extend(service::entry_point(object, kind, &namespace, &name));
                }
            }
        }
    }
}

fn read_namespace(object: &Field<'_>, name: &Arc<str>) -> Namespace {
    let field = object.at(&["metadata", "labels"]);
    let labels = selector::labels(&field);
    if let Some(other) = labels.get(NAMESPACE_NAME_LABEL)
        && other != &**name
    {
        field
            .get(NAMESPACE_NAME_LABEL)
            .error(format!("the API server sets this label to {name:?}, whatever is written here"));
    }
    Namespace::new(name, &labels)
}

fn node(object: &Field<'_>, name: Arc<str>) -> Node {
    let addresses = object.at(&["status", "addresses"]).list();
    let ip = |field: &Field<'_>| match field.get("type").text() {
        Some("InternalIP" | "ExternalIP") => field.get("address").text()?.parse().ok(),
        _ => None,
    };
    Node {
        name,
        labels: selector::labels(&object.at(&["metadata", "labels"])),
        addresses: addresses.iter().filter_map(ip).collect(),
    }
}
