//! Pods and what makes pods: whose template labels, ports and replicas count.

use std::net::IpAddr;
use std::sync::Arc;

use super::field::Field;
use super::network_policy::protocol;
use super::owners::controller;
use super::selector::{is_port_name, labels};
use crate::model::{ContainerPort, Pod, WorkloadRef};
use crate::operators::Made;
use crate::portset::Protocol;

/// Ordinals of one StatefulSet that become pods of their own; more of them stay one entry.
const MOST_ORDINALS: i64 = 64;

/// Annotations and labels by which Istio decides about a pod's proxy.
const MESH_KEYS: [&str; 7] = [
    "sidecar.istio.io/inject",
    "sidecar.istio.io/status",
    "istio.io/dataplane-mode",
    "ambient.istio.io/redirection",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
];

/// The pods of an object of one of the workload kinds, or None if `kind` isn't one.
pub(super) fn pods(
    object: &Field<'_>,
    kind: &str,
    namespace: &Arc<str>,
    name: &Arc<str>,
) -> Option<Vec<Pod>> {
    let template = match kind {
        "Pod" => return Some(bare_pod(object, namespace, name).into_iter().collect()),
        "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "DaemonSet" | "Job" => {
            object.at(&["spec", "template"])
        }
        "CronJob" => object.at(&["spec", "jobTemplate", "spec", "template"]),
        _ => return None,
    };
    if !template.is_map() {
        template.error(format!("a {kind} needs a pod template; its pods are missing from the analysis"));
        return Some(Vec::new());
    }
    let pod = of_template(&template, namespace, name);
    let replicas = match kind {
        // One pod per node: more than one, but nobody knows how many.
        "DaemonSet" => 2,
        "Job" => object.at(&["spec", "parallelism"]).integer().unwrap_or(1),
        "CronJob" => object.at(&["spec", "jobTemplate", "spec", "parallelism"]).integer().unwrap_or(1),
        _ => object.at(&["spec", "replicas"]).integer().unwrap_or(1),
    };
    Some(of_controller(pod, kind, name, replicas))
}

/// The pods of a workload that an operator makes of `object`.
pub(super) fn made(object: &Field<'_>, made: &Made, namespace: &Arc<str>) -> Vec<Pod> {
    let name: Arc<str> = made.name.as_str().into();
    let (metadata, spec) = (object.below(&made.metadata), object.below(&made.spec));
    let mut pod = of_parts(&metadata, &spec, namespace, &name);
    for (key, value) in &made.labels {
        pod.labels = pod.labels.with(key, value);
    }
    let mut ports: Vec<ContainerPort> = pod.ports.to_vec();
    ports.extend(made.ports.iter().map(|(name, port)| ContainerPort {
        name: Some((*name).into()),
        protocol: Protocol::Tcp,
        port: *port,
        host_port: None,
    }));
    // Where the operator's kind lists ports itself.
    ports.extend(spec.get("ports").list().iter().filter_map(|port| {
        Some(ContainerPort {
            name: port.get("name").text().map(Arc::from),
            protocol: protocol(&port.get("protocol"))?,
            port: port.get("port").port()?,
            host_port: None,
        })
    }));
    ports.sort();
    ports.dedup();
    pod.ports = ports.into();
    of_controller(pod, made.kind, &name, i64::from(made.replicas))
}

/// Pods as a controller of `kind` makes them of a template.
fn of_controller(mut pod: Pod, kind: &str, name: &Arc<str>, replicas: i64) -> Vec<Pod> {
    pod.workload = WorkloadRef { kind: kind.into(), name: Arc::clone(name) };
    let replicas = replicas.max(1);
    pod.replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
    pod.unknown_labels = unknown_labels(kind);
    if kind == "Job" {
        pod.labels = pod.labels.with("batch.kubernetes.io/job-name", name).with("job-name", name);
    }
    if kind == "StatefulSet" && replicas <= MOST_ORDINALS {
        return (0..replicas).map(|ordinal| replica_of_set(&pod, name, ordinal)).collect();
    }
    vec![pod]
}

/// What a controller adds to the template's labels without manifests telling the value.
fn unknown_labels(kind: &str) -> Arc<[Arc<str>]> {
    let keys: &[&str] = match kind {
        "Deployment" => &["pod-template-hash"],
        "StatefulSet" | "DaemonSet" => &["controller-revision-hash"],
        "Job" => &["batch.kubernetes.io/controller-uid", "controller-uid"],
        "CronJob" => &[
            "batch.kubernetes.io/controller-uid",
            "batch.kubernetes.io/job-name",
            "controller-uid",
            "job-name",
        ],
        _ => &[],
    };
    keys.iter().map(|key| Arc::from(*key)).collect()
}

/// One ordinal: its name and number are labels, so that policies can aim at it.
fn replica_of_set(template: &Pod, set: &str, ordinal: i64) -> Pod {
    let name = format!("{set}-{ordinal}");
    let labels = template
        .labels
        .with("statefulset.kubernetes.io/pod-name", &name)
        .with("apps.kubernetes.io/pod-index", &ordinal.to_string());
    Pod { name: name.into(), labels, replicas: 1, ..template.clone() }
}

/// A Pod object: finished ones have no traffic any more.
fn bare_pod(object: &Field<'_>, namespace: &Arc<str>, name: &Arc<str>) -> Option<Pod> {
    let status = object.get("status");
    if let Some("Succeeded" | "Failed") = status.get("phase").text() {
        return None;
    }
    let mut pod = of_template(object, namespace, name);
    pod.workload = WorkloadRef { kind: "Pod".into(), name: Arc::clone(name) };
    if let Some(owner) = controller(object) {
        pod.workload = owner;
    }
    pod.addresses = addresses(&status, "podIPs", "podIP");
    pod.node_addresses = addresses(&status, "hostIPs", "hostIP");
    Some(pod)
}

fn addresses(status: &Field<'_>, list: &str, single: &str) -> Vec<IpAddr> {
    let mut texts: Vec<&str> =
        status.get(list).list().iter().filter_map(|entry| entry.get("ip").text()).collect();
    texts.extend(status.get(single).text());
    let mut addresses: Vec<IpAddr> = texts.into_iter().filter_map(|text| text.parse().ok()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// What a pod template (or a Pod, which has the same shape) says.
fn of_template(template: &Field<'_>, namespace: &Arc<str>, name: &Arc<str>) -> Pod {
    let pod = of_parts(&template.get("metadata"), &template.get("spec"), namespace, name);
    if pod.labels.is_empty() {
        template
            .at(&["metadata", "labels"])
            .warn("no labels: only policies for all pods of the namespace select it");
    }
    pod
}

fn of_parts(metadata: &Field<'_>, spec: &Field<'_>, namespace: &Arc<str>, name: &Arc<str>) -> Pod {
    let mut pod = Pod::new(namespace, name, labels(&metadata.get("labels")));
    pod.host_network = spec.get("hostNetwork").flag().unwrap_or(false);
    let account = spec.get("serviceAccountName").text().or_else(|| spec.get("serviceAccount").text());
    if let Some(account) = account.filter(|account| !account.is_empty()) {
        pod.service_account = account.into();
    }
    let mut ports = Vec::new();
    for container in spec.get("containers").list() {
        ports.extend(container.get("ports").list().iter().filter_map(container_port));
    }
    for container in spec.get("initContainers").list() {
        // Only restartable init containers stay and serve.
        if container.get("restartPolicy").text() == Some("Always") {
            ports.extend(container.get("ports").list().iter().filter_map(container_port));
        }
    }
    ports.sort();
    ports.dedup();
    pod.ports = ports.into();
    let annotations = metadata.get("annotations");
    let mesh = MESH_KEYS.iter().filter_map(|key| {
        let value = annotations.get(key).text().or_else(|| pod.labels.get(key))?;
        Some(((*key).to_owned(), value.to_owned()))
    });
    pod.mesh_annotations = Arc::new(mesh.collect());
    pod
}

fn container_port(field: &Field<'_>) -> Option<ContainerPort> {
    let number = field.get("containerPort");
    if !number.is_present() {
        number.error("containerPort is missing");
    }
    let port = number.port()?;
    let name_field = field.get("name");
    let name = name_field.text().filter(|name| {
        let fits = is_port_name(name);
        if !fits {
            name_field.error(format!("{name:?} can't be a port's name"));
        }
        fits
    });
    let host_port = match field.get("hostPort").integer() {
        None | Some(0) => None,
        Some(_) => field.get("hostPort").port(),
    };
    Some(ContainerPort {
        name: name.map(Arc::from),
        protocol: protocol(&field.get("protocol"))?,
        port,
        host_port,
    })
}
