//! What a real API server answers to our objects is no difference to them: the reason why an idle operator writes nothing.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use parapet_api::labels::TEMPLATE_HASH;
use parapet_api::{ApmServer, Elasticsearch, Health, Kibana};
use parapet_elastic::compare::{self, Compare};
use parapet_elastic::config::Roles;
use parapet_elastic::{Settings, disruption, services};
use parapet_testbed::Cluster;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::built;

const EVERYTHING: &str = include_str!("manifests/elasticsearch-everything.yaml");

/// Creates `desired`, reads it back, and finds no difference: neither by what was last written, nor with another operator's hash.
async fn no_difference<K>(client: &Client, namespace: &str, mut desired: K)
where
    K: Compare + kube::Resource<Scope = kube::core::NamespaceResourceScope> + DeserializeOwned + Debug,
{
    desired.meta_mut().namespace = Some(namespace.to_owned());
    let objects: Api<K> = Api::namespaced(client.clone(), namespace);
    let name = desired.name_any();
    objects.create(&PostParams::default(), &desired).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut live = objects.get(&name).await.unwrap();
    assert_eq!(compare::differences(&live, &desired), [], "{name}");
    if K::HASHED {
        live.labels_mut().insert(TEMPLATE_HASH.to_owned(), "3646914737".to_owned());
    }
    assert_eq!(compare::differences(&live, &desired), [], "{name}, adopted");
    assert!(compare::changed(&live, &desired).is_none(), "{name}");
    // What would be written is accepted, and changes nothing that is compared.
    desired.annotations_mut().insert("changed".to_owned(), "yes".to_owned());
    let after = replaced(&objects, &desired).await;
    assert_eq!(compare::differences(&after, &desired), [], "{name}, written again");
    objects.delete(&name, &DeleteParams::background()).await.unwrap();
}

/// Controllers write the status of what was just created, so a conflict is only a reason to read again.
async fn replaced<K>(objects: &Api<K>, desired: &K) -> K
where
    K: Compare + DeserializeOwned + Debug,
{
    let name = desired.name_any();
    loop {
        let live = objects.get(&name).await.unwrap();
        let wanted = compare::changed(&live, desired).expect("an annotation is a difference");
        match objects.replace(&name, &PostParams::default(), &wanted).await {
            Ok(after) => return after,
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[tokio::test]
async fn objects_read_back_are_no_different() {
    let Some(cluster) = Cluster::shared().await else { return };
    let client = cluster.client().await.unwrap();
    for (number, (name, manifest)) in
        built::MANIFESTS.into_iter().chain([("elasticsearch-everything", EVERYTHING)]).enumerate()
    {
        let namespace = format!("read-back-{number}");
        cluster.namespace(&namespace).await.unwrap();
        let settings = Settings::default();
        if name.starts_with("elasticsearch") {
            let es: Elasticsearch = built::resource(manifest);
            for service in services::elasticsearch(&es, &settings) {
                no_difference(&client, &namespace, service).await;
            }
            for set in built::stateful_sets(&es) {
                no_difference(&client, &namespace, set).await;
            }
            let nodes = [(3, Roles::all_of(&es.spec.version.parse().unwrap()))];
            let budget: PodDisruptionBudget = disruption::pdb(&es, Health::Green, &nodes).unwrap();
            no_difference(&client, &namespace, compare::stamped(budget)).await;
        } else if name.starts_with("kibana") {
            let kibana: Kibana = built::resource(manifest);
            no_difference(&client, &namespace, services::kibana(&kibana, &settings)).await;
            no_difference(&client, &namespace, built::kibana(&kibana)).await;
        } else {
            let apm: ApmServer = built::resource(manifest);
            no_difference(&client, &namespace, services::apm_server(&apm, &settings)).await;
            no_difference(&client, &namespace, built::apm_server(&apm)).await;
        }
    }
}

fn object<K: DeserializeOwned>(value: serde_json::Value) -> K {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn other_kinds_read_back_are_no_different() {
    let Some(cluster) = Cluster::shared().await else { return };
    let client = cluster.client().await.unwrap();
    let namespace = "read-back-other";
    cluster.namespace(namespace).await.unwrap();
    no_difference::<Secret>(
        &client,
        namespace,
        object(json!({ "metadata": { "name": "s" }, "data": { "a": "Yg==", "empty": "" } })),
    )
    .await;
    no_difference::<ConfigMap>(
        &client,
        namespace,
        object(json!({ "metadata": { "name": "c" }, "data": { "a": "b", "empty": "" } })),
    )
    .await;
    no_difference::<NetworkPolicy>(
        &client,
        namespace,
        object(json!({ "metadata": { "name": "n" }, "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": [{ "namespaceSelector": {} }], "ports": [{ "port": 9200 }] }, {}], "egress": [] } })),
    )
    .await;
    for service in [
        json!({ "type": "ExternalName", "externalName": "a.example" }),
        json!({ "clusterIP": "None", "ports": [{ "port": 9300 }], "publishNotReadyAddresses": true }),
        json!({ "type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{ "name": "a", "port": 1, "targetPort": "x" }] }),
        json!({ "type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerClass": "a.example/b",
            "allocateLoadBalancerNodePorts": false, "ports": [{ "port": 443, "targetPort": 9200 }] }),
        json!({ "ipFamilyPolicy": "PreferDualStack", "internalTrafficPolicy": "Local", "trafficDistribution": "PreferClose", "ports": [{ "port": 1 }] }),
    ] {
        no_difference::<Service>(
            &client,
            namespace,
            object(json!({ "metadata": { "name": "svc" }, "spec": service })),
        )
        .await;
    }
    let kibana = built::kibana(&built::resource::<Kibana>(include_str!("manifests/kibana-mesh.yaml")));
    let recreate = json!({ "type": "Recreate" });
    let mut recreated: Deployment = kibana;
    recreated.spec.as_mut().unwrap().strategy = Some(object(recreate));
    no_difference(&client, namespace, compare::stamped(recreated)).await;
}

/// The rule that says when a Service must be deleted first agrees with what the API server refuses.
#[tokio::test]
async fn services_are_made_anew_only_where_the_api_server_refuses_a_change() {
    let Some(cluster) = Cluster::shared().await else { return };
    let client = cluster.client().await.unwrap();
    let namespace = "recreated-services";
    cluster.namespace(namespace).await.unwrap();
    let services: Api<Service> = Api::namespaced(client, namespace);
    let plain = json!({ "ports": [{ "port": 9200 }] });
    let headless = json!({ "clusterIP": "None", "ports": [{ "port": 9200 }] });
    let balanced = |class: &str| json!({ "type": "LoadBalancer", "loadBalancerClass": class, "ports": [{ "port": 9200 }] });
    let table = [
        (&plain, headless.clone(), true),
        (&headless, json!({ "clusterIP": "10.0.0.77", "ports": [{ "port": 9200 }] }), true),
        (&plain, json!({ "type": "NodePort", "ports": [{ "port": 9200 }] }), false),
        (
            &plain,
            json!({ "type": "LoadBalancer", "ports": [{ "port": 9200 }, { "name": "b", "port": 1 }] }),
            false,
        ),
        (&balanced("a.example/a"), balanced("a.example/b"), true),
        (&balanced("a.example/a"), plain.clone(), false),
        (&headless, plain.clone(), false),
        (&plain, json!({ "ipFamilies": ["IPv6"], "ports": [{ "port": 9200 }] }), true),
    ];
    for (number, (before, after, expected)) in table.into_iter().enumerate() {
        let name = format!("s{number}");
        let service = |spec: &serde_json::Value| -> Service {
            let mut spec = spec.clone();
            // Of two ports each needs a name.
            if spec["ports"].as_array().is_some_and(|ports| ports.len() > 1) {
                spec["ports"][0]["name"] = json!("a");
            }
            object(json!({ "metadata": { "name": name, "namespace": namespace }, "spec": spec }))
        };
        services.create(&PostParams::default(), &service(before)).await.unwrap();
        let live = services.get(&name).await.unwrap();
        let desired = service(&after);
        assert_eq!(compare::must_recreate(&live, &desired), expected, "{before} {after}");
        let Some(wanted) = compare::changed(&live, &desired) else { continue };
        let refused = services.replace(&name, &PostParams::default(), &wanted).await.is_err();
        assert_eq!(refused, expected, "{before} {after}");
    }
}
