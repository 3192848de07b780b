//! The kinds of objects that are watched, and what of them is kept.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, PersistentVolumeClaim, Pod, PodSpec, Secret, Service,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana, Kind, labels};
use parapet_elastic::compare::{Difference, between, differences};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::cache::{Cache, Stored};
use super::custom::Custom;
use super::packed::Packed;

/// A kind of object, as in labels of metrics, in errors and for following.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// apps/v1.
    StatefulSet,
    /// apps/v1.
    Deployment,
    /// v1.
    Pod,
    /// v1.
    Service,
    /// v1.
    Secret,
    /// v1.
    ConfigMap,
    /// v1.
    PersistentVolumeClaim,
    /// policy/v1.
    PodDisruptionBudget,
    /// networking.k8s.io/v1.
    NetworkPolicy,
    /// v1; it has no namespace itself.
    Namespace,
    /// One of the kinds that are reconciled.
    Application(Kind),
}

impl Resource {
    /// As `kind:` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StatefulSet => "StatefulSet",
            Self::Deployment => "Deployment",
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Namespace => "Namespace",
            Self::Application(kind) => kind.name(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What any object here is.
pub trait Object:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Which kind.
    const RESOURCE: Resource;
}

/// A kind whose objects are kept in memory, those that carry the operator's labels.
pub trait Cached: Object + Stored {
    /// The label selectors of its watches. An object matches one of them at most.
    const SELECTORS: &'static [&'static str];

    /// Takes out what nobody reads. What could be written back stays.
    fn trim(&mut self) {}

    /// What differs between two of them, field by field; values of Secrets are hidden.
    fn differences(live: &Self, new: &Self) -> Vec<Difference>;

    #[doc(hidden)]
    fn cache(caches: &Caches) -> &Cache<Self>;
}

/// A kind that is reconciled.
pub trait Managed: Application + Object + PartialEq {
    #[doc(hidden)]
    fn cache(caches: &Caches) -> &Cache<Custom<Self>>;
}

/// All that is kept in memory.
#[derive(Debug, Default)]
pub struct Caches {
    stateful_sets: Cache<StatefulSet>,
    deployments: Cache<Deployment>,
    pods: Cache<Pod>,
    services: Cache<Service>,
    secrets: Cache<Secret>,
    config_maps: Cache<ConfigMap>,
    claims: Cache<PersistentVolumeClaim>,
    budgets: Cache<PodDisruptionBudget>,
    policies: Cache<NetworkPolicy>,
    elasticsearches: Cache<Custom<Elasticsearch>>,
    kibanas: Cache<Custom<Kibana>>,
    apm_servers: Cache<Custom<ApmServer>>,
}

/// How a kind's objects wait.
macro_rules! kept {
    (as they are) => {
        type Kept = Arc<Self>;

        fn keep(object: Arc<Self>) -> Arc<Self> {
            object
        }

        fn give(kept: &Arc<Self>) -> Arc<Self> {
            Arc::clone(kept)
        }
    };
    (packed) => {
        type Kept = Packed<Self>;

        fn keep(object: Arc<Self>) -> Packed<Self> {
            Packed::of(&object)
        }

        fn give(kept: &Packed<Self>) -> Arc<Self> {
            Arc::new(kept.unpacked())
        }
    };
}

/// What the operator makes carries it, copies of other applications' authorities excepted.
const OURS: &[&str] = &[labels::TYPE];

macro_rules! cached {
    ($($kind:ident: $field:ident, $kept:tt, $selectors:expr, $trim:expr, $between:expr;)*) => {$(
        impl Object for $kind {
            const RESOURCE: Resource = Resource::$kind;
        }
        impl Cached for $kind {
            const SELECTORS: &'static [&'static str] = $selectors;
            fn trim(&mut self) {
                let trim: fn(&mut Self) = $trim;
                trim(self);
            }
            fn differences(live: &Self, new: &Self) -> Vec<Difference> {
                let between: fn(&Self, &Self) -> Vec<Difference> = $between;
                between(live, new)
            }
            fn cache(caches: &Caches) -> &Cache<Self> {
                &caches.$field
            }
        }
        impl Stored for $kind {
            kept! $kept;

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }
        }
    )*};
}

cached! {
    StatefulSet: stateful_sets, (packed), OURS, |_| {}, differences;
    Deployment: deployments, (packed), OURS, |_| {}, differences;
    Pod: pods, (packed), OURS, trim_pod, of_metadata;
    Service: services, (packed), OURS, |_| {}, differences;
    // The copies of other applications' authorities have no type, but say which reference they are for.
    Secret: secrets, (as they are), &[
        labels::TYPE,
        "!common.k8s.elastic.co/type,kibanaassociation.k8s.elastic.co/name",
        "!common.k8s.elastic.co/type,apmassociation.k8s.elastic.co/name",
        "!common.k8s.elastic.co/type,esassociation.k8s.elastic.co/name",
    ], |_| {}, differences;
    ConfigMap: config_maps, (packed), OURS, |_| {}, differences;
    PersistentVolumeClaim: claims, (packed), &[labels::CLUSTER_NAME], |_| {}, differences;
    PodDisruptionBudget: budgets, (packed), OURS, |_| {}, differences;
    NetworkPolicy: policies, (packed), OURS, |_| {}, differences;
}

macro_rules! managed {
    ($($kind:ident: $field:ident;)*) => {$(
        impl Object for $kind {
            const RESOURCE: Resource = Resource::Application(Kind::$kind);
        }
        impl Managed for $kind {
            fn cache(caches: &Caches) -> &Cache<Custom<Self>> {
                &caches.$field
            }
        }
    )*};
}

managed! {
    Elasticsearch: elasticsearches;
    Kibana: kibanas;
    ApmServer: apm_servers;
}

/// Of a pod only the metadata is ever changed.
fn of_metadata(live: &Pod, new: &Pod) -> Vec<Difference> {
    let own = |pod: &Pod| {
        let meta = &pod.metadata;
        json!({"metadata": {"labels": meta.labels, "annotations": meta.annotations, "ownerReferences": meta.owner_references}})
    };
    between(&own(live), &own(new))
}

/// A pod is never written, only deleted or annotated: of its specification who it runs as, where, and in which
/// containers of which images is kept. Most of what it would take in memory is the rest.
fn trim_pod(pod: &mut Pod) {
    let Some(spec) = pod.spec.take() else { return };
    let container = |whole: Container| Container {
        name: whole.name,
        image: whole.image,
        restart_policy: whole.restart_policy,
        ..Container::default()
    };
    pod.spec = Some(PodSpec {
        containers: spec.containers.into_iter().map(container).collect(),
        init_containers: spec.init_containers.map(|all| all.into_iter().map(container).collect()),
        node_name: spec.node_name,
        service_account_name: spec.service_account_name,
        host_network: spec.host_network,
        ..PodSpec::default()
    });
}
