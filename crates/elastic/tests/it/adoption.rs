//! What another operator left behind is taken over as it is: no pod template changes, nothing but notes is written.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use parapet_api::annotations::{APM_CONFIG_HASH, ELASTICSEARCH_CONFIG_HASH, KIBANA_CONFIG_HASH};
use parapet_api::{ApmServer, Elasticsearch, Health, Kibana};
use parapet_elastic::compare::{Difference, changed, differences};
use parapet_elastic::pod::{self, ApmServerInputs, KibanaInputs, PodInputs};
use parapet_elastic::{
    ADOPTED_CONFIG_HASH, Settings, Workload, config, config_hash, deployment, disruption, runs_the_same,
    same_settings, services, stateful_set, with_config_hash,
};
use parapet_testbed::Cluster;
use serde::de::DeserializeOwned;
use serde_json::Value;

const CUSTOM_RESOURCES: &str = include_str!("adopted/custom-resources.yaml");
const ELASTICSEARCH: &str = include_str!("adopted/elasticsearch.yaml");
const KIBANA: &str = include_str!("adopted/kibana.yaml");
const OLDER_KIBANA: &str = include_str!("adopted/older-kibana.yaml");
const KIBANA_BEFORE_2_16: &str = include_str!("adopted/kibana-before-2.16.yaml");
const APM_SERVER: &str = include_str!("adopted/apm-server.yaml");
const SECRETS: &str = include_str!("adopted/secrets.yaml");

/// The object of a kind and a name.
fn find<K: DeserializeOwned + kube::Resource<DynamicType = ()>>(manifest: &str, name: &str) -> K {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    let is_it = |one: &&Value| one["kind"] == *K::kind(&()) && one["metadata"]["name"] == name;
    let found = documents.iter().find(is_it).unwrap_or_else(|| panic!("there is no {} {name}", K::kind(&())));
    serde_json::from_value(found.clone()).unwrap()
}

fn elasticsearch() -> Elasticsearch {
    find(CUSTOM_RESOURCES, "quickstart")
}

/// The StatefulSet as the operator wants it, with the hash that a takeover leaves.
fn wanted_set(es: &Elasticsearch, live: &StatefulSet) -> StatefulSet {
    let (set, settings) = (&es.spec.node_sets[0], Settings::default());
    let version = es.spec.version.parse().unwrap();
    let yml = config::elasticsearch(es, set, &settings).unwrap();
    let roles = config::node_roles(&yml, &version).labels(&version);
    let theirs: Secret = find(SECRETS, "quickstart-es-default-es-config");
    let theirs = String::from_utf8(theirs.data.unwrap()["elasticsearch.yml"].0.clone()).unwrap();
    let build = |hash: &str| {
        let inputs = PodInputs { settings: &settings, version: &version, config_hash: hash, keystore: false };
        stateful_set(es, set, pod::elasticsearch(es, set, &roles, &inputs), set.count)
    };
    let computed = config_hash([yml.text().as_bytes()]);
    with_config_hash(Some(live), ELASTICSEARCH_CONFIG_HASH, &computed, build, |_| {
        same_settings(&theirs, &yml.text())
    })
}

fn wanted_kibana(kibana: &Kibana, live: &Deployment) -> Deployment {
    let (settings, version) = (Settings::default(), kibana.spec.version.parse().unwrap());
    let build = |hash: &str| {
        let pod = PodInputs { settings: &settings, version: &version, config_hash: hash, keystore: false };
        let template =
            pod::kibana(kibana, &KibanaInputs { pod, elasticsearch_ca: Some("quickstart-kb-es-ca") });
        deployment::kibana(kibana, template, deployment::Replacement::Rolling)
    };
    let unchanged = |kept: &Deployment| runs_the_same(live, kept);
    with_config_hash(
        Some(live),
        KIBANA_CONFIG_HASH,
        &config_hash([b"kibana.yml".as_slice()]),
        build,
        unchanged,
    )
}

fn wanted_apm_server(apm: &ApmServer, live: &Deployment) -> Deployment {
    let (settings, version) = (Settings::default(), apm.spec.version.parse().unwrap());
    let build = |hash: &str| {
        let pod = PodInputs { settings: &settings, version: &version, config_hash: hash, keystore: false };
        let inputs = ApmServerInputs { pod, elasticsearch_ca: Some("quickstart-apm-es-ca"), kibana_ca: None };
        deployment::apm_server(apm, pod::apm_server(apm, &inputs))
    };
    let unchanged = |kept: &Deployment| runs_the_same(live, kept);
    with_config_hash(
        Some(live),
        APM_CONFIG_HASH,
        &config_hash([b"apm-server.yml".as_slice()]),
        build,
        unchanged,
    )
}

/// Only the note that says what the foreign hash belongs to; the template is sent as it was found.
fn only_a_note<K: Workload>(live: &K, desired: &K) -> K {
    let paths: Vec<String> = differences(live, desired).into_iter().map(|one| one.path).collect();
    let note = format!("[{ADOPTED_CONFIG_HASH}]");
    let is_note = |path: &String| path.starts_with("metadata.") && path.ends_with(&note);
    // Since 3.5 every object says that it is watched.
    let is_label = |path: &String| path == "metadata.labels[eck.k8s.elastic.co/watched]";
    assert!(paths.iter().any(is_note), "{paths:?}");
    assert!(paths.iter().all(|path| is_note(path) || is_label(path)), "{:#?}", differences(live, desired));
    let written = changed(live, desired).unwrap();
    assert_eq!(written.template(), live.template());
    assert_eq!(differences(&written, desired), []);
    written
}

#[test]
fn elasticsearch_is_taken_over_as_it_is() {
    let (es, settings) = (elasticsearch(), Settings::default());
    let live: StatefulSet = find(ELASTICSEARCH, "quickstart-es-default");
    only_a_note(&live, &wanted_set(&es, &live));
    for service in services::elasticsearch(&es, &settings) {
        let live: Service = find(ELASTICSEARCH, &service.name_any());
        assert_eq!(differences(&live, &service), [], "{}", service.name_any());
    }
    let nodes = [(3, config::Roles::all_of(&es.spec.version.parse().unwrap()))];
    let budget = disruption::pdb(&es, Health::Green, &nodes).unwrap();
    let live: PodDisruptionBudget = find(ELASTICSEARCH, "quickstart-es-default");
    assert_eq!(differences(&live, &budget), []);
}

#[test]
fn a_configuration_that_says_the_same_is_not_written() {
    let es = elasticsearch();
    let (set, settings) = (&es.spec.node_sets[0], Settings::default());
    let yml = config::elasticsearch(&es, set, &settings).unwrap();
    let live: Secret = find(SECRETS, "quickstart-es-default-es-config");
    assert_eq!(differences(&live, &config::elasticsearch_secret(&es, set, &yml, Some(&live))), []);
}

#[test]
fn kibana_and_apm_server_are_taken_over_as_they_are() {
    let settings = Settings::default();
    let kibana: Kibana = find(CUSTOM_RESOURCES, "quickstart");
    for manifest in [KIBANA, OLDER_KIBANA, KIBANA_BEFORE_2_16] {
        let live: Deployment = find(manifest, "quickstart-kb");
        only_a_note(&live, &wanted_kibana(&kibana, &live));
    }
    let service = services::kibana(&kibana, &settings);
    assert_eq!(differences(&find::<Service>(KIBANA, "quickstart-kb-http"), &service), []);
    let apm: ApmServer = find(CUSTOM_RESOURCES, "quickstart");
    let live: Deployment = find(APM_SERVER, "quickstart-apm-server");
    only_a_note(&live, &wanted_apm_server(&apm, &live));
    let service = services::apm_server(&apm, &settings);
    assert_eq!(differences(&find::<Service>(APM_SERVER, "quickstart-apm-http"), &service), []);
}

#[test]
fn the_container_of_old_kibanas_goes_with_their_version() {
    let mut kibana: Kibana = find(CUSTOM_RESOURCES, "quickstart");
    let live: Deployment = find(KIBANA_BEFORE_2_16, "quickstart-kb");
    let pod = |kibana: &Kibana| {
        let written = changed(&live, &wanted_kibana(kibana, &live)).unwrap();
        serde_json::to_value(written.spec.unwrap().template.spec).unwrap()
    };
    // What the owner changes is changed, and nothing else.
    kibana.spec.pod_template = serde_json::from_value(serde_json::json!({ "spec": {
        "priorityClassName": "a", "containers": [{ "name": "kibana", "env": [{ "name": "A", "value": "b" }] }],
    } }))
    .unwrap();
    let mut changed_by_owner = pod(&kibana);
    assert_eq!(changed_by_owner["priorityClassName"], "a");
    changed_by_owner["containers"][0].as_object_mut().unwrap().remove("env");
    changed_by_owner.as_object_mut().unwrap().remove("priorityClassName");
    kibana.spec.pod_template = Default::default();
    let volumes = |pod: &Value| -> Vec<Value> {
        pod["volumes"].as_array().unwrap().iter().map(|volume| volume["name"].clone()).collect()
    };
    assert_eq!(changed_by_owner["initContainers"], pod(&kibana)["initContainers"]);
    assert_eq!(volumes(&changed_by_owner), volumes(&pod(&kibana)));
    assert_eq!(changed_by_owner["initContainers"][0]["name"], "elastic-internal-init-config");
    // With a new version all of it goes.
    kibana.spec.version = "8.16.0".to_owned();
    let upgraded = pod(&kibana);
    assert_eq!(upgraded["initContainers"][0]["name"], "elastic-internal-init");
    assert_eq!(upgraded["initContainers"].as_array().unwrap().len(), 1);
    assert!(volumes(&upgraded).contains(&"kibana-scripts".into()));
    assert_eq!(upgraded["securityContext"]["fsGroup"], 1000);
}

#[test]
fn what_would_change_is_said_with_both_values() {
    let mut es = elasticsearch();
    es.spec.node_sets[0].pod_template =
        serde_json::from_value(serde_json::json!({ "spec": { "terminationGracePeriodSeconds": 60 } }))
            .unwrap();
    let live: StatefulSet = find(ELASTICSEARCH, "quickstart-es-default");
    let found = differences(&live, &wanted_set(&es, &live));
    let expected = Difference {
        path: "spec.template.spec.terminationGracePeriodSeconds".to_owned(),
        live: Some(180.into()),
        desired: Some(60.into()),
    };
    assert!(found.contains(&expected), "{found:?}");
    assert_eq!(expected.to_string(), "spec.template.spec.terminationGracePeriodSeconds: 180 becomes 60");
}

#[test]
fn the_fixtures_secrets_are_whole() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(SECRETS).unwrap();
    let names: BTreeSet<&str> = documents.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
    assert_eq!(names.len(), documents.len());
    let set: StatefulSet = find(ELASTICSEARCH, "quickstart-es-default");
    let kibana: Deployment = find(KIBANA, "quickstart-kb");
    let apm: Deployment = find(APM_SERVER, "quickstart-apm-server");
    for template in [set.template(), kibana.template(), apm.template()].into_iter().flatten() {
        let volumes = template.spec.as_ref().unwrap().volumes.iter().flatten();
        for secret in volumes.filter_map(|volume| volume.secret.as_ref()?.secret_name.as_deref()) {
            assert!(names.contains(secret), "{secret}");
        }
    }
}

/// On a real API server: the takeover makes no new revision, so that no pod is out of date; nor does scaling afterwards.
#[tokio::test]
async fn a_takeover_makes_no_new_revision() {
    let Some(cluster) = Cluster::shared().await else { return };
    let namespace = "elastic";
    cluster.namespace(namespace).await.unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(cluster.client().await.unwrap(), namespace);
    let es = elasticsearch();
    let mut left: StatefulSet = find(ELASTICSEARCH, "quickstart-es-default");
    left.metadata.managed_fields = None;
    left.metadata.uid = None;
    // Whoever wrote it before had another order in mind.
    left.spec.as_mut().unwrap().template.spec.as_mut().unwrap().volumes.as_mut().unwrap().reverse();
    sets.create(&PostParams::default(), &left).await.unwrap();
    let before = settled(&sets, &left.name_any()).await;
    let revision = before.status.as_ref().unwrap().update_revision.clone().unwrap();
    only_a_note(&before, &wanted_set(&es, &before));
    write(&sets, |live| wanted_set(&es, live)).await;
    let after = settled(&sets, &left.name_any()).await;
    assert_eq!(after.status.as_ref().unwrap().update_revision.as_ref(), Some(&revision));
    let four = |live: &StatefulSet| {
        let mut wanted = wanted_set(&es, live);
        wanted.spec.as_mut().unwrap().replicas = Some(4);
        wanted
    };
    write(&sets, four).await;
    let scaled = settled(&sets, &left.name_any()).await;
    assert_eq!(scaled.spec.as_ref().unwrap().replicas, Some(4));
    assert_eq!(scaled.status.unwrap().update_revision, Some(revision));
}

async fn write(sets: &Api<StatefulSet>, wanted: impl Fn(&StatefulSet) -> StatefulSet) {
    loop {
        let live = sets.get("quickstart-es-default").await.unwrap();
        let written = changed(&live, &wanted(&live)).expect("something is to be written");
        match sets.replace(&live.name_any(), &PostParams::default(), &written).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The StatefulSet once its controller has seen its newest generation.
async fn settled(sets: &Api<StatefulSet>, name: &str) -> StatefulSet {
    let seen = |set: Option<&StatefulSet>| {
        set.is_some_and(|set| {
            let status = set.status.as_ref();
            status.is_some_and(|status| {
                status.observed_generation == set.metadata.generation && status.update_revision.is_some()
            })
        })
    };
    kube::runtime::wait::await_condition(sets.clone(), name, seen).await.unwrap();
    sets.get(name).await.unwrap()
}
