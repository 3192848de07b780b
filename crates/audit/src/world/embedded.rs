//! Files inside of ConfigMaps and of operators' fields.

use parapet_manifest::{Document, Limits, Node, embedded};

use super::Workload;

/// Bytes of one embedded file: etcd takes no object above 1.5 MiB.
const LIMITS: fn() -> Limits = || Limits { nodes: 200_000, ..Limits::default() };

/// The mapping that a field is, or that its text holds.
pub(super) fn mapping(field: &Node) -> Option<Node> {
    if field.entries().is_empty() { embedded(field, &LIMITS()) } else { Some(field.clone()) }
}

/// Numbers of the workloads that use a ConfigMap or a Secret: by volume, by `envFrom` or by a variable.
pub(super) fn users(document: &Document, namespace: &str, workloads: &[Workload<'_>]) -> Vec<usize> {
    let name = &*document.name;
    let names = |node: &Node, pointers: &[&str]| {
        pointers.iter().any(|pointer| node.at(pointer).and_then(Node::as_str) == Some(name))
    };
    workloads
        .iter()
        .filter(|workload| workload.namespace == namespace)
        .filter(|workload| {
            let volume = workload
                .volumes()
                .iter()
                .any(|(_, volume)| names(volume, &["/configMap/name", "/secret/secretName"]));
            volume
                || workload.containers.iter().any(|container| {
                    let sources = container.node.get("envFrom").map_or(&[] as &[Node], Node::items);
                    sources.iter().any(|source| names(source, &["/configMapRef/name", "/secretRef/name"]))
                        || container.env().any(|(_, entry)| {
                            names(entry, &["/valueFrom/configMapKeyRef/name", "/valueFrom/secretKeyRef/name"])
                        })
                })
        })
        .map(|workload| workload.number)
        .collect()
}
