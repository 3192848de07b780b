//! Taking over what the reference's chart or manifests installed, by the steps of docs/operator.md: the commands are read there.

use std::pin::pin;
use std::process::Command;

use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, Secret, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use parapet_operator::settings::Validity;
use parapet_operator::webhook::certificates::Keeper;
use parapet_testbed::Cluster;
use serde_json::{Value, json};

use crate::rights::{client, works_with_what_is_installed};
use crate::world::{
    OPERATOR, Operator, SYSTEM, Start, WORKING, What, chart, helm, own, repository, text_of,
    wait_until_allowed,
};

/// Where the applications are.
const NAMESPACE: &str = "elastic";
const APPLICATIONS: &str = "
{apiVersion: elasticsearch.k8s.elastic.co/v1, kind: Elasticsearch, metadata: {name: quickstart},
  spec: {version: 8.15.3, nodeSets: [{name: default, count: 1}]}}
---
{apiVersion: agent.k8s.elastic.co/v1alpha1, kind: Agent, metadata: {name: quickstart}, spec: {version: 8.15.3}}
";
const SET: &str = "quickstart-es-default";
/// The page's words for what differs from installation to installation.
const IMAGE: (&str, &str) = ("registry.example/parapet-operator", "0.0.0");

/// The words after `program` of a command of the page that begins so.
fn documented(program: &str, beginning: &str) -> Vec<String> {
    let page = text_of("docs/operator.md").replace("\\\n", " ");
    let command = format!("{program} {beginning}");
    let mut lines = page.lines().map(str::trim).filter(|line| line.starts_with(&command));
    let line = lines.next().unwrap_or_else(|| panic!("docs/operator.md has no {command}"));
    assert_eq!(lines.next(), None, "there is one such command");
    let words = line.strip_prefix(program).expect("it begins so").split_whitespace();
    words.take_while(|word| *word != "#").map(str::to_owned).collect()
}

/// Runs helm as the page has it; what the page leaves to its reader is put in.
async fn documented_helm(cluster: &Cluster, beginning: &str, exchanged: &[(&str, &str)]) {
    let words = documented("helm", beginning)
        .into_iter()
        .map(|word| exchanged.iter().fold(word, |word, (page, here)| word.replace(page, here)));
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--wait", "--timeout=120s"]).collect();
    helm(cluster, &words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"));
}

/// Does what `kubectl delete` does, and waits as it does.
async fn documented_delete(cluster: &Cluster, beginning: &str) {
    let words = documented("kubectl", &format!("delete {beginning}"));
    let parameters = match words.iter().any(|word| word == "--cascade=foreground") {
        true => DeleteParams::foreground(),
        false => DeleteParams::background(),
    };
    let client = cluster.client().await.unwrap();
    for (kind, name) in words.iter().filter_map(|word| word.split_once('/')) {
        let (group, version, kind, plural) = match kind {
            "statefulset" => ("apps", "v1", "StatefulSet", "statefulsets"),
            "service" => ("", "v1", "Service", "services"),
            "configmap" => ("", "v1", "ConfigMap", "configmaps"),
            "secret" => ("", "v1", "Secret", "secrets"),
            "serviceaccount" => ("", "v1", "ServiceAccount", "serviceaccounts"),
            "clusterrole" => ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles"),
            "clusterrolebinding" => {
                ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings")
            }
            "validatingwebhookconfiguration" => (
                "admissionregistration.k8s.io",
                "v1",
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
            ),
            other => panic!("the page deletes a {other}"),
        };
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let all: Api<DynamicObject> = match words.iter().any(|word| word == "-n") {
            true => Api::namespaced_with(client.clone(), SYSTEM, &resource),
            false => Api::all_with(client.clone(), &resource),
        };
        let uid = all.get(name).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}")).uid().unwrap();
        all.delete(name, &parameters).await.unwrap();
        await_condition(all, name, conditions::is_deleted(&uid)).await.unwrap();
    }
}

/// What must not go, by UID: definitions, applications, and what was made for them.
async fn belongings(cluster: &Cluster) -> Vec<(String, String)> {
    let client = cluster.client().await.unwrap();
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut all = Vec::new();
    for kind in kinds.list(&ListParams::default()).await.unwrap().items {
        assert_eq!(kind.metadata.deletion_timestamp, None);
        let (name, uid) = (kind.name_any(), kind.uid().unwrap());
        let version = &kind.spec.versions[0].name;
        let of_kind = GroupVersionKind::gvk(&kind.spec.group, version, &kind.spec.names.kind);
        let resource = ApiResource::from_gvk_with_plural(&of_kind, &kind.spec.names.plural);
        let objects = Api::<DynamicObject>::namespaced_with(client.clone(), NAMESPACE, &resource);
        for object in objects.list(&ListParams::default()).await.unwrap().items {
            all.push((format!("{} {}", kind.spec.names.kind, object.name_any()), object.uid().unwrap()));
        }
        all.push((name, uid));
    }
    let sets: Api<StatefulSet> = Api::namespaced(client, NAMESPACE);
    for set in
        sets.list(&ListParams::default()).await.unwrap().items.iter().filter(|set| set.name_any() == SET)
    {
        let template = set.metadata.generation.unwrap_or_default();
        all.push((format!("StatefulSet {SET}, generation {template}"), set.uid().unwrap()));
    }
    all.sort();
    all
}

/// The one pod of the one operator that is installed.
async fn only_pod(cluster: &Cluster) -> Pod {
    let pods: Api<Pod> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    await_condition(pods.clone(), "elastic-operator-0", conditions::is_pod_running()).await.unwrap();
    let mut all = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(all.len(), 1, "one operator at a time");
    all.remove(0)
}

fn image(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.containers[0].image.as_deref()).unwrap_or_default()
}

async fn webhooks(cluster: &Cluster) -> Vec<String> {
    let all: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client().await.unwrap());
    all.list(&ListParams::default()).await.unwrap().items.iter().map(kube::ResourceExt::name_any).collect()
}

/// Scales the operator that runs to nothing, and waits until it is gone.
async fn scale_to_zero(cluster: &Cluster) {
    let words = documented("kubectl", "scale");
    assert_eq!(words, ["scale", "-n", SYSTEM, "statefulset/elastic-operator", "--replicas=0"]);
    let client = cluster.client().await.unwrap();
    let uid = only_pod(cluster).await.uid().unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), SYSTEM);
    let none = json!({ "spec": { "replicas": 0 } });
    sets.patch(OPERATOR, &PatchParams::default(), &Patch::Merge(&none)).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client, SYSTEM);
    await_condition(pods, "elastic-operator-0", conditions::is_deleted(&uid)).await.unwrap();
}

async fn configuration(cluster: &Cluster) -> String {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    maps.get(OPERATOR).await.unwrap().data.unwrap().remove("eck.yaml").unwrap()
}

/// The dry run of the page: its exit code, and what it says.
fn dry_run(cluster: &Cluster, configuration: &str) -> (Option<i32>, String) {
    let file = cluster.sandbox().write("eck.yaml", configuration).unwrap();
    let words = documented("parapet", "operator adopt --dry-run");
    let words = words.iter().map(|word| word.replace("eck.yaml", file.to_str().unwrap()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
    let output = command.args(words).arg("--kubeconfig").arg(cluster.kubeconfig()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).join("\n");
    (output.status.code(), said)
}

/// The other operator's lease: it is held, or given back.
async fn lease(cluster: &Cluster, holder: &str) {
    let leases: Api<Lease> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "elastic-operator-leader" },
        // As long as no test lasts: nobody here renews it.
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 3600, "acquireTime": now, "renewTime": now },
    });
    let apply = PatchParams::apply("reference").force();
    leases.patch("elastic-operator-leader", &apply, &Patch::Apply(&lease)).await.unwrap();
}

/// The webhook's certificate is kept in what is installed: the Secret that the pod is told of, and the configuration of the file.
async fn webhook_is_kept(cluster: &Cluster, file: &str) {
    let all = cluster.client().await.unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(all.clone(), SYSTEM);
    let spec = sets.get(OPERATOR).await.unwrap().spec.unwrap();
    let told = spec.template.spec.unwrap().containers.remove(0).env.unwrap_or_default();
    let secret =
        told.iter().find(|one| one.name == "WEBHOOK_SECRET").and_then(|one| one.value.clone()).unwrap();
    let file: Value = serde_saphyr::from_str(file).unwrap();
    let name = file["webhook-name"].as_str().unwrap().to_owned();
    let day = std::time::Duration::from_secs(86_400);
    let keeper = Keeper {
        client: client(&cluster.kubeconfig_of(SYSTEM, OPERATOR).await.unwrap()).await,
        namespace: SYSTEM.to_owned(),
        secret: secret.clone(),
        configuration: name.clone(),
        validity: Validity { lifetime: 365 * day, rotate_before: day },
    };
    keeper.keep(jiff::Timestamp::now()).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(all.clone(), SYSTEM);
    let authority = secrets.get(&secret).await.unwrap().data.unwrap().remove("ca.crt").unwrap();
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(all.clone());
    let services: Api<Service> = Api::namespaced(all, SYSTEM);
    let pod = only_pod(cluster).await;
    for webhook in configurations.get(&name).await.unwrap().webhooks.unwrap() {
        assert_eq!(webhook.client_config.ca_bundle.as_ref(), Some(&authority), "{}", webhook.name);
        let service = services.get(&webhook.client_config.service.unwrap().name).await.unwrap();
        let selected = service.spec.unwrap().selector.unwrap();
        assert!(selected.iter().all(|(label, value)| pod.labels().get(label) == Some(value)), "{selected:?}");
    }
}

/// Waits for an event on the application, whoever wrote it and as which kind.
async fn told(cluster: &Cluster, reason: &str) -> Event {
    let events: Api<Event> = Api::namespaced(cluster.client().await.unwrap(), NAMESPACE);
    let wanted =
        watcher::Config::default().fields(&format!("involvedObject.name=quickstart,reason={reason}"));
    let mut seen = pin!(watcher(events, wanted).applied_objects());
    seen.next().await.expect("a watch goes on").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helm_release_of_the_reference_is_taken_over_and_then_exchanged_for_our_chart() {
    let Some(cluster) = own().await else { return };
    let reference = repository("crates/parapet/tests/operator/reference-chart").canonicalize().unwrap();
    let reference = reference.to_str().unwrap();
    let namespace = format!("--namespace={SYSTEM}");
    let install =
        ["install", OPERATOR, reference, &namespace, "--create-namespace", "--wait", "--timeout=120s"];
    helm(&cluster, &install).await.unwrap();
    assert_eq!(image(&only_pod(&cluster).await), "docker.elastic.co/eck/eck-operator:2.16.1");
    for kind in ["elasticsearches.elasticsearch", "kibanas.kibana", "apmservers.apm", "agents.agent"] {
        let kinds: Api<CustomResourceDefinition> = Api::all(cluster.client().await.unwrap());
        let name = format!("{kind}.k8s.elastic.co");
        await_condition(kinds, &name, conditions::is_crd_established()).await.unwrap();
    }
    cluster.namespace(NAMESPACE).await.unwrap();
    cluster.apply(APPLICATIONS, NAMESPACE).await.unwrap();
    lease(&cluster, "elastic-operator-0_reference").await;
    let before = belongings(&cluster).await;

    // One at a time, and the configuration that is installed.
    scale_to_zero(&cluster).await;
    let file = configuration(&cluster).await;
    let (code, said) = dry_run(&cluster, &file);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("StatefulSet quickstart-es-default would be made"), "{said}");
    let exchanged = [
        ("elastic/eck-operator", reference),
        ("--version=INSTALLED", ""),
        ("REPOSITORY", IMAGE.0),
        ("TAG", IMAGE.1),
    ];
    documented_helm(&cluster, "upgrade elastic-operator elastic/eck-operator", &exchanged).await;
    assert_eq!(image(&only_pod(&cluster).await), format!("{}:{}", IMAGE.0, IMAGE.1));
    assert_eq!(configuration(&cluster).await, file);
    assert_eq!(belongings(&cluster).await, before);

    // With the rights of the other chart; it waits for the other one's lease.
    let kubeconfig = cluster.kubeconfig_of(SYSTEM, OPERATOR).await.unwrap();
    let start =
        Start { cluster: &cluster, name: "taking-over", kubeconfig: &kubeconfig, file: &file, flags: &[] };
    let operator = Operator::start(start).await;
    operator.says("another operator may work; waiting for the lease").await;
    assert_eq!(belongings(&cluster).await, before, "nothing is done meanwhile");
    lease(&cluster, "").await;
    operator.says(WORKING).await;
    let client = cluster.client().await.unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), NAMESPACE);
    await_condition(sets, SET, |set: Option<&StatefulSet>| set.is_some()).await.unwrap();
    let event = told(&cluster, "Mesh").await;
    assert!(event.message.unwrap_or_default().contains("may not list namespaces"));
    webhook_is_kept(&cluster, &file).await;
    assert!(operator.process.stop().unwrap().success());

    // And then our chart in the release's place.
    let taken_over = belongings(&cluster).await;
    for one in &before {
        assert!(taken_over.contains(one), "{one:?} is gone");
    }
    let values = "config: {maxConcurrentReconciles: '5'}";
    let values = cluster.sandbox().write("values.yaml", values).unwrap();
    documented_delete(&cluster, "-n elastic-system statefulset/elastic-operator --cascade").await;
    let chart = chart();
    let exchanged = [("charts/parapet-operator", &*chart), ("values.yaml", values.to_str().unwrap())];
    documented_helm(&cluster, "upgrade elastic-operator charts/parapet-operator", &exchanged).await;
    assert_eq!(belongings(&cluster).await, taken_over);
    assert!(configuration(&cluster).await.contains("max-concurrent-reconciles: 5"));
    assert_eq!(only_pod(&cluster).await.labels()["control-plane"], OPERATOR);
    assert_eq!(webhooks(&cluster).await, ["elastic-webhook.k8s.elastic.co"], "the other one's is gone");
    let services: Api<Service> = Api::namespaced(client.clone(), SYSTEM);
    assert_eq!(services.get_opt("elastic-operator-webhook").await.unwrap(), None);
    let account = format!("system:serviceaccount:{SYSTEM}:{OPERATOR}");
    wait_until_allowed(&cluster, &account, What::CreateIn(SYSTEM, "coordination.k8s.io", "leases")).await;
    works_with_what_is_installed(&cluster, SYSTEM, NAMESPACE).await;
    webhook_is_kept(&cluster, &configuration(&cluster).await).await;
    for one in &taken_over {
        assert!(belongings(&cluster).await.contains(one), "{one:?} is gone");
    }
}

/// Ours stand for the reference's: they have its names.
#[tokio::test(flavor = "multi_thread")]
async fn manifests_give_way_to_our_chart() {
    let Some(cluster) = own().await else { return };
    cluster.define(&text_of("deploy/operator/crds.yaml")).await.unwrap();
    cluster.apply(&text_of("deploy/operator/operator.yaml"), SYSTEM).await.unwrap();
    only_pod(&cluster).await;
    cluster.namespace(NAMESPACE).await.unwrap();
    let elasticsearch = APPLICATIONS.split("---").next().unwrap();
    cluster.apply(elasticsearch, NAMESPACE).await.unwrap();
    let before = belongings(&cluster).await;
    scale_to_zero(&cluster).await;
    documented_delete(&cluster, "-n elastic-system statefulset/elastic-operator service/").await;
    documented_delete(&cluster, "clusterrole/elastic-operator").await;
    let chart = chart();
    let values = cluster.sandbox().write("values.yaml", "config: {maxConcurrentReconciles: '5'}").unwrap();
    let exchanged = [("charts/parapet-operator", &*chart), ("values.yaml", values.to_str().unwrap())];
    documented_helm(
        &cluster,
        "install elastic-operator charts/parapet-operator -n elastic-system --take",
        &exchanged,
    )
    .await;
    only_pod(&cluster).await;
    assert_eq!(belongings(&cluster).await, before);
    assert_eq!(webhooks(&cluster).await, ["elastic-webhook.k8s.elastic.co"]);
}
