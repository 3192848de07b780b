//! Objects built of manifests, as the operator builds them.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use parapet_api::{ApmServer, Elasticsearch, Kibana, NodeSet};
use parapet_elastic::pod::{self, ApmServerInputs, KibanaInputs, PodInputs};
use parapet_elastic::{Settings, config, deployment, stateful_set};
use serde::de::DeserializeOwned;

/// Every manifest of this folder, by name.
pub(crate) const MANIFESTS: [(&str, &str); 16] = [
    ("elasticsearch-mesh", include_str!("manifests/elasticsearch-mesh.yaml")),
    ("elasticsearch-mesh-plugin", include_str!("manifests/elasticsearch-mesh-plugin.yaml")),
    ("kibana-mesh", include_str!("manifests/kibana-mesh.yaml")),
    ("apm-server-mesh", include_str!("manifests/apm-server-mesh.yaml")),
    ("elasticsearch-7.17", include_str!("manifests/elasticsearch-7.17.yaml")),
    ("elasticsearch-8.2", include_str!("manifests/elasticsearch-8.2.yaml")),
    ("elasticsearch-8.15", include_str!("manifests/elasticsearch-8.15.yaml")),
    ("elasticsearch-9.1", include_str!("manifests/elasticsearch-9.1.yaml")),
    ("elasticsearch-zones", include_str!("manifests/elasticsearch-zones.yaml")),
    ("elasticsearch-named-init", include_str!("manifests/elasticsearch-named-init.yaml")),
    ("elasticsearch-sidecar", include_str!("manifests/elasticsearch-sidecar.yaml")),
    ("elasticsearch-empty-dir", include_str!("manifests/elasticsearch-empty-dir.yaml")),
    ("elasticsearch-roles", include_str!("manifests/elasticsearch-roles.yaml")),
    ("kibana-tls", include_str!("manifests/kibana-tls.yaml")),
    ("apm-server-tls", include_str!("manifests/apm-server-tls.yaml")),
    ("elasticsearch-user-transport", include_str!("manifests/elasticsearch-user-transport.yaml")),
];

/// The UID of every custom resource of these tests.
pub(crate) const UID: &str = "9f0c6a3e-5f6b-4a39-9a61-0d3a1d9c1b11";

/// A custom resource from YAML, as an API server gives it: with a UID.
pub(crate) fn resource<K: DeserializeOwned + kube::Resource>(manifest: &str) -> K {
    let mut resource: K = serde_saphyr::from_str(manifest).unwrap();
    resource.meta_mut().uid = Some(UID.to_owned());
    resource
}

/// An Elasticsearch of one node set with this in its specification, and this in its pod template's.
pub(crate) fn elasticsearch(version: &str, spec: &str, node_set: &str) -> Elasticsearch {
    resource(&format!(
        "{{apiVersion: elasticsearch.k8s.elastic.co/v1, kind: Elasticsearch, metadata: {{name: x, namespace: n}}, \
         spec: {{version: {version}, {spec} nodeSets: [{{name: s, count: 1, {node_set}}}]}}}}"
    ))
}

/// The pods of a node set, with the settings given.
pub(crate) fn node_set_with(es: &Elasticsearch, set: &NodeSet, settings: &Settings) -> PodTemplateSpec {
    let version = es.spec.version.parse().unwrap();
    let yml = config::elasticsearch(es, set, settings).unwrap();
    let roles = config::node_roles(&yml, &version).labels(&version);
    let keystore = es.spec.secure_settings.is_some();
    pod::elasticsearch(
        es,
        set,
        &roles,
        &PodInputs { settings, version: &version, config_hash: "1234567890", keystore },
    )
}

/// The pods of the first node set.
pub(crate) fn first(es: &Elasticsearch) -> PodTemplateSpec {
    node_set_with(es, &es.spec.node_sets[0], &Settings::default())
}

/// The StatefulSets of a cluster.
pub(crate) fn stateful_sets(es: &Elasticsearch) -> Vec<StatefulSet> {
    let of = |set: &NodeSet| stateful_set(es, set, node_set_with(es, set, &Settings::default()), set.count);
    es.spec.node_sets.iter().map(of).collect()
}

/// The pods of a Kibana, which knows its Elasticsearch's authority if it refers to one.
pub(crate) fn kibana_pods(kibana: &Kibana, settings: &Settings) -> PodTemplateSpec {
    let version = kibana.spec.version.parse().unwrap();
    let ca = format!("{}-kb-es-ca", kibana.metadata.name.as_deref().unwrap());
    let keystore = kibana.spec.secure_settings.is_some();
    let pod = PodInputs { settings, version: &version, config_hash: "1234567890", keystore };
    let elasticsearch_ca = kibana.spec.elasticsearch_ref.target.is_set().then_some(ca.as_str());
    pod::kibana(kibana, &KibanaInputs { pod, elasticsearch_ca })
}

/// The Deployment of a Kibana.
pub(crate) fn kibana(kibana: &Kibana) -> Deployment {
    deployment::kibana(kibana, kibana_pods(kibana, &Settings::default()), deployment::Replacement::Rolling)
}

/// The pods of an APM Server.
pub(crate) fn apm_server_pods(apm: &ApmServer, settings: &Settings) -> PodTemplateSpec {
    let version = apm.spec.version.parse().unwrap();
    let name = apm.metadata.name.as_deref().unwrap();
    let (es, kibana) = (format!("{name}-apm-es-ca"), format!("{name}-apm-kibana-ca"));
    let keystore = apm.spec.secure_settings.is_some();
    let inputs = ApmServerInputs {
        pod: PodInputs { settings, version: &version, config_hash: "1234567890", keystore },
        elasticsearch_ca: apm.spec.elasticsearch_ref.target.is_set().then_some(es.as_str()),
        kibana_ca: apm.spec.kibana_ref.is_set().then_some(kibana.as_str()),
    };
    pod::apm_server(apm, &inputs)
}

/// The Deployment of an APM Server.
pub(crate) fn apm_server(apm: &ApmServer) -> Deployment {
    deployment::apm_server(apm, apm_server_pods(apm, &Settings::default()))
}

/// A container by its name, init containers included.
pub(crate) fn container<'a>(template: &'a PodTemplateSpec, name: &str) -> &'a Container {
    let spec = template.spec.as_ref().unwrap();
    let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    all.find(|container| container.name == name).unwrap_or_else(|| panic!("there is no container {name}"))
}
