//! The chart without a cluster: what it renders, what it refuses, and which rights it gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use k8s_openapi::api::rbac::v1::PolicyRule;
use parapet_operator::elasticsearch::Dialling;
use parapet_operator::rights::{self, Enabled};
use parapet_operator::settings::{Given, Settings};
use parapet_testbed::{Cluster, Versions};
use serde_json::Value;

use crate::world::{OPERATOR, SYSTEM, chart, documents, helm, is_committed, profile};

/// Files of values that come with the chart.
const PROFILES: [&str; 5] =
    ["global", "restricted", "soft-multi-tenancy", "istio", "disable-automounting-api"];

/// Metrics as both generations of source document 004 have them, with a certificate of one's own.
const SECURE_METRICS: &[&str] = &[
    "--set-string=config.metrics.port=8080",
    "--set=config.metrics.secureMode.enabled=true",
    "--set=config.metrics.secureMode.tls.certificateSecret=eck-metrics-tls-certificate",
    "--set=serviceMonitor.insecureSkipVerify=false",
    "--set=serviceMonitor.caSecret=eck-metrics-ca",
];

/// The same by the values' former names.
const SECURE_METRICS_FORMERLY: &[&str] = &[
    "--set-string=config.metricsPort=8080",
    "--set=config.metrics.secureMode.enabled=true",
    "--set=config.metrics.secureMode.tls.certificateSecret=eck-metrics-tls-certificate",
    "--set=config.metrics.secureMode.tls.insecureSkipVerify=false",
    "--set=config.metrics.secureMode.tls.caSecret=eck-metrics-ca",
];

/// What the chart renders without the definitions, which are committed as they are.
async fn rendered(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
    let version = format!("--kube-version={}", Versions::read().unwrap().kubernetes);
    let namespace = format!("--namespace={SYSTEM}");
    let chart = chart();
    let fixed = ["template", OPERATOR, &chart, &namespace, &version, "--set=installCRDs=false"];
    helm(cluster, &[&fixed, args].concat()).await
}

#[tokio::test]
async fn helm_finds_nothing_to_complain_about_in_any_profile() {
    let Some(cluster) = Cluster::shared().await else { return };
    for name in PROFILES {
        let said = helm(cluster, &["lint", "--strict", &chart(), &profile(name)]).await;
        assert!(said.as_ref().is_ok_and(|said| said.contains("0 chart(s) failed")), "{name}: {said:?}");
    }
}

#[tokio::test]
async fn each_profile_renders_what_is_committed() {
    let Some(cluster) = Cluster::shared().await else { return };
    let path = |name: &str| format!("crates/parapet/tests/operator/rendered/{name}.yaml");
    for name in PROFILES {
        is_committed(&path(name), &rendered(cluster, &[&profile(name)]).await.unwrap());
    }
    let secure = rendered(cluster, SECURE_METRICS).await.unwrap();
    is_committed(&path("secure-metrics"), &secure);
    assert_eq!(rendered(cluster, SECURE_METRICS_FORMERLY).await.unwrap(), secure);
    let plain = ["--set-string=config.metrics.port=8080", "--set=podMonitor.enabled=true"];
    is_committed(&path("pod-monitor"), &rendered(cluster, &plain).await.unwrap());
}

#[tokio::test]
async fn by_which_names_elasticsearch_is_called_is_said_where_it_is_not_by_pod() {
    let Some(cluster) = Cluster::shared().await else { return };
    let by_service = rendered(cluster, &["--set=config.elasticsearchDialling=service"]).await.unwrap();
    is_committed("crates/parapet/tests/operator/rendered/elasticsearch-by-service.yaml", &by_service);
    assert_eq!(settings(&documents(&by_service)).dialling, Dialling::Service);
    let by_pod = rendered(cluster, &["--set=config.elasticsearchDialling=pods"]).await.unwrap();
    assert_eq!(by_pod, rendered(cluster, &[]).await.unwrap(), "it is the default");
    assert_eq!(settings(&documents(&by_pod)).dialling, Dialling::Pods);
    let default: BTreeSet<&str> = by_pod.lines().collect();
    let others: Vec<&str> = by_service.lines().filter(|line| !default.contains(line)).collect();
    assert_eq!(others, ["    elasticsearch-dialling: service"], "nothing else depends on it");
}

/// Or its own NetworkPolicies would keep it out.
#[tokio::test]
async fn the_operator_is_told_the_labels_of_its_own_pods() {
    let Some(cluster) = Cluster::shared().await else { return };
    for args in [&[][..], &["--set=fullnameOverride=other"]] {
        let documents = documents(&rendered(cluster, args).await.unwrap());
        let set = find(&documents, "StatefulSet").next().unwrap();
        let labels: BTreeMap<String, String> =
            serde_json::from_value(set["spec"]["selector"]["matchLabels"].clone()).unwrap();
        assert_eq!(settings(&documents).operator_labels, labels, "{args:?}");
    }
}

#[tokio::test]
async fn the_mesh_is_looked_for_where_it_is_said_to_be() {
    let Some(cluster) = Cluster::shared().await else { return };
    let elsewhere = rendered(cluster, &["--set=config.meshNamespace=mesh"]).await.unwrap();
    assert_eq!(settings(&documents(&elsewhere)).mesh_namespace, "mesh");
    assert_eq!(settings(&documents(&rendered(cluster, &[]).await.unwrap())).mesh_namespace, "istio-system");
}

#[tokio::test]
async fn metrics_without_a_gate_stay_on_loopback() {
    let Some(cluster) = Cluster::shared().await else { return };
    let text = rendered(cluster, &["--set-string=config.metrics.port=8081"]).await.unwrap();
    let settings = settings(&documents(&text));
    assert_eq!(settings.metrics.unwrap().address, "127.0.0.1:8081".parse().unwrap());
    // The Service of the recipe targets a port of that name, which must be the sidecar's.
    assert!(!text.contains("name: metrics"), "{text}");
    assert!(settings.probes.is_some_and(|address| address.port() == 8082));
}

#[tokio::test]
async fn values_that_contradict_each_other_are_refused() {
    let Some(cluster) = Cluster::shared().await else { return };
    let restricted = profile("restricted");
    for (args, words) in [
        (&["--set=createClusterScopedResources=false"][..], "name the namespaces in managedNamespaces"),
        (&[&restricted, "--set=webhook.enabled=true"], "webhook.enabled must be false"),
        (&[&restricted, "--set=config.validateStorageClass=true"], "validateStorageClass must be false"),
        (&[&restricted, "--set=config.exposedNodeLabels={a}"], "exposedNodeLabels must be []"),
        (&[&restricted, "--set=refs.enforceRBAC=true"], "refs.enforceRBAC must be false"),
        (&[&restricted, "--set=config.meshChecks=true"], "meshChecks must be false"),
        (&["--set=config.metrics.secureMode.enabled=true"], "needs a port"),
        (&["--set-string=config.metrics.port=8082"], "config.metrics.port and probes.port must differ"),
        (&["--set=softMultiTenancy.enabled=true"], "needs kubeAPIServerIP"),
        (&["--set=config.ubiOnly=true", "--set=config.containerSuffix=-x"], "exclude each other"),
        (
            &["--set=managedNamespaces={a}", "--set=managedNamespaceSelector.matchLabels.a=b"],
            "managedNamespaces and managedNamespaceSelector exclude each other",
        ),
        // The schema.
        (&["--set=webhok.enabled=false"], "webhok"),
        (&["--set=config.metrics.secureMode.enabeld=true"], "enabeld"),
        (&["--set=webhook.failurePolicy=Perhaps"], "failurePolicy"),
        (&["--set=replicaCount=one"], "replicaCount"),
        (&["--set=image.digest=sha256:short"], "digest"),
        (&["--set=config.networkPolicies=some"], "networkPolicies"),
        (&["--set=config.elasticsearchDialling=proxy"], "elasticsearchDialling"),
        (&["--set=config.elasticsearchDialing=service"], "elasticsearchDialing"),
        (&["--set=config.meshNamespace=a/b"], "meshNamespace"),
    ] {
        let said = rendered(cluster, args).await.expect_err(words);
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

/// The chart's rules are those that the operator says it needs, by what its own configuration file enables.
#[tokio::test]
async fn rights_are_those_that_the_configuration_needs() {
    let Some(cluster) = Cluster::shared().await else { return };
    let profiles: Vec<String> = PROFILES.iter().map(|name| profile(name)).collect();
    let mut all: Vec<Vec<&str>> = profiles.iter().map(|profile| vec![&**profile]).collect();
    all.push(SECURE_METRICS.to_vec());
    all.push(vec!["--set=config.networkPolicies=all", "--set=config.meshChecks=false"]);
    all.push(vec!["--set=webhook.manageCerts=false"]);
    all.push(vec!["--set=webhook.enabled=false", "--set=config.validateStorageClass=false"]);
    all.push(vec!["--set=managedNamespaceSelector.matchLabels.team=data", "--set=refs.enforceRBAC=true"]);
    all.push(vec!["--set=fullnameOverride=other", "--set=managedNamespaces={a,b}"]);
    for args in all {
        let documents = documents(&rendered(cluster, &args).await.unwrap());
        let settings = settings(&documents);
        let enabled = Enabled::from(&settings);
        let name = find(&documents, "StatefulSet").next().unwrap()["metadata"]["name"].as_str().unwrap();
        let mut expected = BTreeMap::new();
        expected.insert((SYSTEM.to_owned(), format!("{name}-own")), rules(&rights::own(&enabled)));
        let mut everywhere = rules(&rights::cluster(&enabled));
        if settings.namespaces.is_empty() {
            everywhere.extend(rules(&rights::applications(&enabled)));
        }
        for namespace in &settings.namespaces {
            let key = (namespace.clone(), name.to_owned());
            expected.insert(key, rules(&rights::applications(&enabled)));
        }
        if !everywhere.is_empty() {
            expected.insert((String::new(), name.to_owned()), everywhere);
        }
        assert_eq!(given(&documents), expected, "{args:?}");
    }
}

/// What the ServiceAccount is bound to: namespace (or none) and name of the role, and its rules.
fn given(documents: &[Value]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let bindings = find(documents, "RoleBinding").chain(find(documents, "ClusterRoleBinding"));
    let bound = bindings.map(|binding| {
        let (role, namespace) = (&binding["roleRef"], &binding["metadata"]["namespace"]);
        let subject = &binding["subjects"][0];
        assert_eq!((&subject["kind"], &subject["namespace"]), (&"ServiceAccount".into(), &SYSTEM.into()));
        let mut roles = find(documents, role["kind"].as_str().unwrap());
        let role = roles.find(|one| {
            one["metadata"]["name"] == role["name"] && one["metadata"]["namespace"] == *namespace
        });
        let role = role.unwrap_or_else(|| panic!("{binding} binds what isn't there"));
        let rules: Vec<PolicyRule> = serde_json::from_value(role["rules"].clone()).unwrap();
        ((text(namespace), text(&role["metadata"]["name"])), self::rules(&rules))
    });
    bound.collect()
}

fn find<'a>(documents: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    documents.iter().filter(move |document| document["kind"] == kind)
}

fn rules(rules: &[PolicyRule]) -> BTreeSet<String> {
    rules.iter().map(|rule| serde_json::to_string(rule).unwrap()).collect()
}

/// What the operator would read of all this.
fn settings(documents: &[Value]) -> Settings {
    let map = find(documents, "ConfigMap").next().unwrap();
    let file = map["data"]["eck.yaml"].as_str().unwrap().to_owned();
    let set = find(documents, "StatefulSet").next().unwrap();
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let environment = container["env"].as_array().unwrap().iter();
    let environment = environment.filter_map(|one| Some((text(&one["name"])?, text(&one["value"])?)));
    let given = Given {
        environment: environment.collect(),
        file: Some((PathBuf::from("/conf/eck.yaml"), file)),
        ..Given::default()
    };
    let settings = Settings::resolve(&given).unwrap();
    // Metrics for everybody, where a PodMonitor asks for them, are the one thing to warn of.
    assert_eq!(settings.warnings, [], "{given:?}");
    settings
}
