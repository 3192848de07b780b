//! The rights that the chart gives are enough: the operator works with exactly its ServiceAccount, and is refused nothing.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::DynamicObject;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Config, Resource};
use parapet_operator::settings::Validity;
use parapet_operator::webhook::certificates::Keeper;
use parapet_testbed::Cluster;
use serde::de::DeserializeOwned;

use crate::world::{
    OPERATOR, Operator, Start, What, chart, helm, profile, shared, text_of, wait_until_allowed,
};

const SET: &str = "elastic-istio-es-default";

/// Starts an operator as the ServiceAccount of `system`, with the configuration that is installed there, and gives it the
/// applications of source document 002 in a namespace that it looks after.
pub(crate) async fn works_with_what_is_installed(cluster: &Cluster, system: &str, applications: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await.unwrap(), system);
    let file = maps.get(OPERATOR).await.unwrap().data.unwrap().remove("eck.yaml").unwrap();
    let kubeconfig = cluster.kubeconfig_of(system, OPERATOR).await.unwrap();
    let name = format!("{system}-operator");
    let start = Start { cluster, name: &name, kubeconfig: &kubeconfig, file: &file, flags: &[] };
    let operator = Operator::start(start).await;
    let within = Within { client: cluster.client().await.unwrap(), namespace: applications };

    for manifest in ["elasticsearch", "kibana", "apm-server"] {
        cluster.apply(&text_of(&format!("examples/elastic/{manifest}.yaml")), applications).await.unwrap();
    }
    within.until::<StatefulSet>(SET, |_| true).await;
    within.until::<Deployment>("elastic-istio-kb", |_| true).await;
    within.until::<Deployment>("elastic-istio-apm-server", |_| true).await;
    within.until::<Secret>("elastic-istio-es-elastic-user", |_| true).await;
    within.until::<PodDisruptionBudget>(SET, |_| true).await;
    for (group, kind, plural) in [
        ("elasticsearch.k8s.elastic.co", "Elasticsearch", "elasticsearches"),
        ("kibana.k8s.elastic.co", "Kibana", "kibanas"),
        ("apm.k8s.elastic.co", "ApmServer", "apmservers"),
    ] {
        within.has_a_status(group, kind, plural).await;
    }
    // Something is changed, and something goes.
    cluster.apply(&text_of("examples/elastic/elasticsearch-plugins.yaml"), applications).await.unwrap();
    within.until::<StatefulSet>(SET, has_plugins).await;
    operator.was_refused_nothing().await;

    // The webhook's certificate, which the operator looks after too, is kept with the same rights.
    if file.contains("manage-webhook-certs: true") {
        let keeper = Keeper {
            client: client(&kubeconfig).await,
            namespace: system.to_owned(),
            secret: "elastic-webhook-server-cert".to_owned(),
            configuration: "elastic-webhook.k8s.elastic.co".to_owned(),
            validity: Validity {
                lifetime: Duration::from_secs(8760 * 3600),
                rotate_before: Duration::from_secs(86400),
            },
        };
        keeper.keep(Timestamp::now()).await.unwrap();
    }
    assert!(operator.process.stop().unwrap().success(), "it ends as it should");
}

#[tokio::test]
async fn an_operator_of_some_namespaces_has_no_rights_elsewhere_and_misses_none() {
    let Some(cluster) = shared().await else { return };
    let (system, applications) = ("rights-system", "rights-applications");
    cluster.namespace(system).await.unwrap();
    cluster.namespace(applications).await.unwrap();
    let namespaces = format!("--set=managedNamespaces={{{applications}}}");
    let namespace = format!("--namespace={system}");
    let chart = chart();
    let restricted = profile("restricted");
    helm(cluster, &["install", OPERATOR, &chart, &namespace, &restricted, &namespaces]).await.unwrap();
    let account = account(system, OPERATOR);
    for what in [
        What::CreateIn(system, "coordination.k8s.io", "leases"),
        What::CreateIn(applications, "apps", "statefulsets"),
    ] {
        wait_until_allowed(cluster, &account, what).await;
    }
    works_with_what_is_installed(cluster, system, applications).await;

    // Elsewhere it may not even look.
    let kubeconfig = cluster.kubeconfig_of(system, OPERATOR).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(client(&kubeconfig).await, "kube-system");
    let refused = secrets.list(&Default::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");
    helm(cluster, &["uninstall", OPERATOR, &namespace]).await.unwrap();
}

#[tokio::test]
async fn of_the_mesh_it_may_read_what_it_reads_by_name_and_nothing_else() {
    let Some(cluster) = shared().await else { return };
    let (system, applications, name) = ("mesh-rights-system", "mesh-rights-applications", "mesh-rights");
    cluster.namespace(system).await.unwrap();
    cluster.namespace(applications).await.unwrap();
    let (namespace, chart) = (format!("--namespace={system}"), chart());
    let namespaces = format!("--set=managedNamespaces={{{applications}}}");
    let own = ["--set=fullnameOverride=mesh-rights", "--set=webhook.enabled=false"];
    helm(cluster, &[&["install", name, &chart, &namespace, &namespaces], &own[..]].concat()).await.unwrap();
    let client = client(&cluster.kubeconfig_of(system, name).await.unwrap()).await;
    wait_until_allowed(cluster, &account(system, name), What::ReadMap("istio-system", "istio")).await;
    // Nobody is refused what isn't there.
    let code = |error: kube::Error| match error {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    };
    let maps = |namespace: &str| Api::<ConfigMap>::namespaced(client.clone(), namespace);
    for map in ["istio", "istio-sidecar-injector"] {
        assert_eq!(code(maps("istio-system").get(map).await.unwrap_err()), 404, "{map}");
    }
    assert_eq!(code(maps("istio-system").list(&Default::default()).await.unwrap_err()), 403);
    assert_eq!(code(maps("kube-system").get("kube-root-ca.crt").await.unwrap_err()), 403);
    let sets = Api::<DaemonSet>::namespaced(client.clone(), "kube-system");
    assert_eq!(code(sets.get("istio-cni-node").await.unwrap_err()), 404);
    assert_eq!(code(sets.get("kube-proxy").await.unwrap_err()), 403);
    helm(cluster, &["uninstall", name, &namespace]).await.unwrap();
}

fn account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let file = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn has_plugins(set: &StatefulSet) -> bool {
    let pod = set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let init = pod.and_then(|pod| pod.init_containers.as_ref());
    init.into_iter().flatten().any(|container| container.name == "install-plugins")
}

/// The objects of a namespace.
struct Within<'a> {
    client: Client,
    namespace: &'a str,
}

impl Within<'_> {
    /// Waits until an object is as it should be.
    async fn until<K>(&self, name: &str, is_so: impl Fn(&K) -> bool)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        await_condition(api, name, |object: Option<&K>| object.is_some_and(&is_so)).await.unwrap();
    }

    async fn has_a_status(&self, group: &str, kind: &str, plural: &str) {
        let kind = GroupVersionKind::gvk(group, "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let all: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), self.namespace, &resource);
        let has_one = |object: Option<&DynamicObject>| {
            object.is_some_and(|object| !object.data["status"]["observedGeneration"].is_null())
        };
        await_condition(all, "elastic-istio", has_one).await.unwrap();
    }
}
