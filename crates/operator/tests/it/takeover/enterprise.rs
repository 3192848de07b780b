//! A cluster that another operator looked after under an enterprise licence: a policy's settings, roles, keystore entries,
//! configuration and mounts, remote clusters by certificates and by keys, budgets of roles, a licence, the owner's certificate.
//! Nothing of it is lost, no pod restarts, and what nobody looks after any more is said.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;
use parapet_api::{ConditionType, Elasticsearch, Kind};
use parapet_elastic::{ADOPTED_CONFIG_HASH, ADOPTED_PARTS};
use parapet_operator::adopt::{Verdict, text};
use parapet_operator::explain::{explain, gather};
use parapet_pki::{KeyKind, Signer, Subject, SubjectKey};
use serde_json::{Value, json};

use super::{LeftBehind, NAME, custom_resources, decoded, lines, objects};
use crate::world::World;

const NAMESPACE: &str = "enterprise";
/// Of the Elasticsearch in the fixture.
const UID: &str = "0e9c0a41-91a5-4f5b-b1a3-0a6d1c1c0001";
/// In the year 2100, in milliseconds.
const LATER: i64 = 4_102_444_800_000;
const SETTINGS: &str = r#"{"metadata":{"version":"1767225600000000000","compatibility":"8.6.1"},"state":{"ilm":{"hot":{"phases":{"hot":{"actions":{}}}}},"slm":{}}}"#;

/// The authority of a cluster.
fn authority(name: &str) -> Result<String> {
    let subject = Subject { organizational_unit: None, common_name: format!("{name}-transport") };
    let key = SubjectKey::generate(KeyKind::EcdsaP256)?;
    let life = SignedDuration::from_hours(24 * 365);
    Ok(Signer::generate(key, &subject, life, Timestamp::now())?.certificate().pem())
}

/// A Secret of the cluster's, as the other operator makes them.
fn secret(name: &str, annotations: &Value, entries: &[(&str, &str)]) -> Value {
    let data: BTreeMap<&str, String> =
        entries.iter().map(|(key, text)| (*key, STANDARD.encode(text))).collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
        "metadata": {
            "name": name, "namespace": NAMESPACE, "annotations": annotations,
            "labels": {
                "common.k8s.elastic.co/type": "elasticsearch", "eck.k8s.elastic.co/watched": "true",
                "elasticsearch.k8s.elastic.co/cluster-name": NAME,
            },
            "ownerReferences": [{
                "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch", "name": NAME,
                "uid": UID, "controller": true, "blockOwnerDeletion": true,
            }],
        },
    })
}

/// The same, of the policy `policies/strict`.
fn of_policy(mut secret: Value) -> Value {
    for (label, value) in [("kind", "StackConfigPolicy"), ("namespace", "policies"), ("name", "strict")] {
        secret["metadata"]["labels"][format!("eck.k8s.elastic.co/owner-{label}")] = json!(value);
    }
    secret
}

/// A Secret that a user made.
fn of_user(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": NAMESPACE }, "data": data })
}

/// What the user wrote: the cluster, and one that it is connected with and that nobody here looks after.
fn written() -> Result<Vec<Value>> {
    let mut es = custom_resources().into_iter().next().context("an Elasticsearch")?;
    es["metadata"]["namespace"] = json!(NAMESPACE);
    es["metadata"]["annotations"]["elasticsearch.k8s.elastic.co/managed-remote-clusters"] = json!("far,near");
    es["spec"]["http"] = json!({ "tls": { "certificate": { "secretName": "my-http" } } });
    es["spec"]["secureSettings"] = json!([{ "secretName": "my-keystore" }]);
    es["spec"]["auth"] = json!({ "roles": [{ "secretName": "my-roles" }] });
    es["spec"]["remoteClusters"] = json!([
        { "name": "near", "elasticsearchRef": { "name": "near" } },
        { "name": "far", "elasticsearchRef": { "name": "far", "namespace": "elsewhere" },
            "apiKey": { "access": { "search": { "names": ["logs"] } } } },
    ]);
    let near = json!({
        "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
        "metadata": { "name": "near", "namespace": NAMESPACE, "uid": "near",
            "annotations": { "eck.k8s.elastic.co/managed": "false" } },
        "spec": { "version": "8.15.3", "nodeSets": [{ "name": "default", "count": 1 }] },
    });
    Ok(vec![es, near])
}

/// What the other operator made of it.
fn made(near: &str, far: &str) -> Result<Vec<Value>> {
    let is_of_elasticsearch = |one: &Value| {
        one["metadata"]["labels"]["elasticsearch.k8s.elastic.co/cluster-name"] == NAME
            && one["metadata"]["labels"]
                .as_object()
                .is_some_and(|all| all.keys().all(|label| !label.contains("association")))
    };
    let mut all: Vec<Value> = objects().into_iter().filter(is_of_elasticsearch).collect();
    let mut http = Value::Null;
    for one in &mut all {
        one["metadata"]["namespace"] = json!(NAMESPACE);
        if let Some(owner) = one["metadata"]["labels"].get_mut("eck.k8s.elastic.co/owner-namespace") {
            *owner = json!(NAMESPACE);
        }
        match (one["kind"].as_str(), one["metadata"]["name"].as_str()) {
            (Some("StatefulSet"), _) => under_policy(&mut one["spec"]["template"])?,
            (Some("Secret"), Some("quickstart-es-default-es-config")) => {
                let text = decoded(&one["data"]["elasticsearch.yml"])?;
                let text = text + "indices:\n    recovery:\n        max_bytes_per_sec: 42mb\n";
                one["data"]["elasticsearch.yml"] = json!(STANDARD.encode(text));
            }
            (Some("Secret"), Some("quickstart-es-http-certs-internal")) => http = one["data"].clone(),
            (Some("Secret"), Some("quickstart-es-xpack-file-realm")) => {
                let roles = decoded(&one["data"]["roles.yml"])?
                    + "mine:\n    cluster:\n        - monitor\nof_policy:\n    cluster:\n        - manage\n";
                one["data"]["roles.yml"] = json!(STANDARD.encode(roles));
                one["metadata"]["annotations"]["policy.k8s.elastic.co/elasticsearch-roles-hash"] =
                    json!("777");
            }
            _ => {}
        }
    }
    let replaced =
        ["quickstart-es-http-ca-internal", "quickstart-es-file-settings", "quickstart-es-remote-ca"];
    all.retain(|one| {
        one["kind"] != "PodDisruptionBudget" && !replaced.iter().any(|name| one["metadata"]["name"] == *name)
    });
    all.extend(budgets());
    let secure = json!({
        "policy.k8s.elastic.co/settings-hash": "555",
        "policy.k8s.elastic.co/secure-settings-secrets": r#"[{"namespace":"policies","secretName":"s3"}]"#,
    });
    let mounts_hash = json!({ "policy.k8s.elastic.co/elasticsearch-config-mounts-hash": "987654" });
    let policys = [
        ("elasticsearch.json", r#"{"indices.recovery":{"max_bytes_per_sec":"42mb"}}"#),
        ("secretMounts.json", r#"[{"secretName":"krb","mountPath":"/etc/krb"}]"#),
    ];
    let credentials = ("cluster.remote.far.credentials", "key of far");
    let keystore = [credentials, ("mine", "1"), ("s3.client.default.secret_key", "of the policy")];
    let licence = json!({ "license": { "uid": "paid", "type": "enterprise", "expiry_date_in_millis": LATER, "signature": "real" } });
    let none = json!({});
    let mut near_public = secret("near-es-transport-certs-public", &none, &[("ca.crt", near)]);
    near_public["metadata"]["labels"]["elasticsearch.k8s.elastic.co/cluster-name"] = json!("near");
    near_public["metadata"]["ownerReferences"] = json!([]);
    let mut beat = secret(
        "beats-filebeat-user",
        &none,
        &[("name", "beats"), ("passwordHash", "$2a$10$x"), ("userRoles", "r")],
    );
    beat["metadata"]["labels"]["common.k8s.elastic.co/type"] = json!("user");
    beat["metadata"]["labels"]["beatassociation.k8s.elastic.co/name"] = json!("filebeat");
    all.extend([
        of_policy(secret("quickstart-es-file-settings", &secure, &[("settings.json", SETTINGS)])),
        of_policy(secret("quickstart-es-policy-config", &mounts_hash, &policys)),
        of_policy(secret("quickstart-es-scp-1234", &none, &[("krb5.conf", "x")])),
        secret("quickstart-es-secure-settings", &none, &keystore),
        secret("quickstart-es-remote-api-keys", &none, &[credentials]),
        secret("quickstart-es-remote-ca", &none, &[("ca.crt", &format!("{far}{near}"))]),
        secret("quickstart-es-license", &none, &[("license", &licence.to_string())]),
        near_public,
        beat,
        of_user("my-http", http),
        of_user("my-keystore", json!({ "mine": STANDARD.encode("1") })),
        of_user("my-roles", json!({ "roles.yml": STANDARD.encode("mine: {cluster: [monitor]}\n") })),
    ]);
    Ok(all)
}

/// The policy's Secret in all containers, and the keystore's container.
fn under_policy(template: &mut Value) -> Result<()> {
    template["metadata"]["annotations"]["policy.k8s.elastic.co/elasticsearch-config-mounts-hash"] =
        json!("987654");
    let pod = &mut template["spec"];
    let mut keystore = pod["initContainers"][1].clone();
    keystore["name"] = json!("elastic-internal-init-keystore");
    keystore["command"] = json!(["/usr/bin/env", "bash", "-c", "echo another script"]);
    let amount = json!({ "cpu": "500m", "memory": "196Mi" });
    keystore["resources"] = json!({ "requests": amount.clone(), "limits": amount });
    keystore["volumeMounts"].as_array_mut().context("mounts")?.push(json!({
        "name": "elastic-internal-secure-settings", "mountPath": "/mnt/elastic-internal/secure-settings", "readOnly": true,
    }));
    pod["initContainers"].as_array_mut().context("init containers")?.insert(1, keystore);
    let mount = json!({ "name": "quickstart-es-scp-1234", "mountPath": "/etc/krb", "readOnly": true });
    for list in ["containers", "initContainers"] {
        for container in pod[list].as_array_mut().into_iter().flatten() {
            container["volumeMounts"].as_array_mut().context("mounts")?.push(mount.clone());
        }
    }
    for (volume, secret) in [
        ("quickstart-es-scp-1234", "quickstart-es-scp-1234"),
        ("elastic-internal-secure-settings", "quickstart-es-secure-settings"),
    ] {
        let source = json!({ "secretName": secret, "optional": false, "defaultMode": 420 });
        pod["volumes"].as_array_mut().context("volumes")?.push(json!({ "name": volume, "secret": source }));
    }
    Ok(())
}

/// Those of roles in the place of the cluster's one.
fn budgets() -> impl Iterator<Item = Value> {
    ["master", "data"].into_iter().map(|role| {
        let mut budget = secret(&format!("quickstart-es-default-{role}"), &json!({}), &[]);
        budget["apiVersion"] = json!("policy/v1");
        budget["kind"] = json!("PodDisruptionBudget");
        let selector = json!({ "matchLabels": { "elasticsearch.k8s.elastic.co/statefulset-name": "quickstart-es-default" } });
        budget["spec"] = json!({ "maxUnavailable": 1, "selector": selector });
        for more in ["data", "type"] {
            budget.as_object_mut().expect("an object").remove(more);
        }
        budget
    })
}

/// What must be as it was, to the byte.
const KEPT: [&str; 9] = [
    "quickstart-es-file-settings",
    "quickstart-es-policy-config",
    "quickstart-es-scp-1234",
    "quickstart-es-secure-settings",
    "quickstart-es-remote-api-keys",
    "quickstart-es-remote-ca",
    "quickstart-es-license",
    "quickstart-es-http-certs-internal",
    "quickstart-es-default-es-config",
];

/// What is said of it, by words that must be there.
const SAID: [&str; 8] = [
    "quickstart-es-file-settings are of the StackConfigPolicy policies/strict",
    "quickstart-es-policy-config are of the StackConfigPolicy policies/strict",
    "The roles of_policy in the Secret quickstart-es-xpack-file-realm",
    "The entries s3.client.default.secret_key of the keystore",
    "The API keys for remote clusters in the Secret quickstart-es-remote-api-keys",
    "Of the authorities in the Secret quickstart-es-remote-ca 1 are of clusters",
    "The licence in the Secret quickstart-es-license",
    "filebeat (beat)",
];

async fn data(world: &World) -> Result<BTreeMap<String, Value>> {
    let all = world.all::<Secret>().await?;
    let kept = all.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
    Ok(kept.map(|(name, secret)| (name, json!(secret.data))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_enterprise_installation_is_lost() -> Result<()> {
    let Some(world) = World::start(NAMESPACE).await? else { return Ok(()) };
    let world = world.with_volumes().await?;
    world.testbed.kwok().await?;
    if let Some(operator) = world.operator().await.take() {
        operator.kill().await;
    }
    let (near, far) = (authority("near")?, authority("far")?);
    let left = LeftBehind::of(&world, written()?).await?;
    left.objects(made(&near, &far)?).await?;
    left.nodes_run().await?;
    let (before, templates, kept) = (left.versions().await?, left.templates().await?, data(&world).await?);
    assert_eq!(kept.len(), KEPT.len());

    let report = left.foretold().await?;
    assert_eq!(left.versions().await?, before, "the dry run writes nothing");
    let es = report.applications.iter().find(|one| one.name == NAME).context("the cluster")?;
    assert_eq!(es.verdict, Verdict::Changes, "{}", text(&report));
    assert!(es.restarts.is_empty(), "{:?}", es.restarts);
    insta::assert_snapshot!(lines(&report).into_iter().collect::<Vec<_>>().join("\n"));
    for words in SAID {
        assert!(es.left_alone.iter().any(|part| part.contains(words)), "{words}: {:#?}", es.left_alone);
    }

    world.restart_operator().await?;
    world
        .until::<StatefulSet>("quickstart-es-default", |set| set.labels().contains_key(ADOPTED_CONFIG_HASH))
        .await?;
    world.until_ready(NAME, 3).await?;
    world.rests().await?;
    let es = world.api::<Elasticsearch>().get(NAME).await?;
    assert_eq!(left.templates().await?, templates, "no template, no generation, no pod");
    assert_eq!(data(&world).await?, kept);
    let secrets = world.all::<Secret>().await?;
    let roles = decoded(&json!(
        secrets["quickstart-es-xpack-file-realm"].data.as_ref().context("data")?["roles.yml"]
    ))?;
    ensure!(roles.contains("of_policy:") && roles.contains("mine:"), "{roles}");
    let noted = |name: &str| secrets[name].annotations().get(ADOPTED_PARTS).cloned().unwrap_or_default();
    assert_eq!(noted("quickstart-es-secure-settings"), r#"["s3.client.default.secret_key"]"#);
    assert_eq!(noted("quickstart-es-xpack-file-realm"), r#"["of_policy"]"#);
    let budgets: Vec<String> = world.all::<PodDisruptionBudget>().await?.into_keys().collect();
    assert_eq!(budgets, ["quickstart-es-default"], "no pod has two");
    let scripted = world.elasticsearch(NAME).await?;
    scripted.until(|state| state.licence["uid"] == "paid").await;
    let seeds = "cluster.remote.near.seeds";
    scripted
        .until(|state| state.persistent.get(seeds) == Some(&json!(["near-es-transport.enterprise.svc:9300"])))
        .await;
    let conditions = es.status.context("a status")?.conditions;
    let said =
        conditions.iter().find(|one| one.kind == ConditionType::FullyManaged).context("a condition")?;
    let said = said.message.clone().unwrap_or_default();
    for words in SAID {
        ensure!(said.contains(words), "{words}: {said}");
    }
    let facts = gather(&world.client, Kind::Elasticsearch, &world.namespace, NAME, Timestamp::now()).await?;
    let explained = explain(&facts.context("it is there")?);
    ensure!(explained.is_fine(), "nothing is held by what stays as it is: {explained}");
    let told = explained.going_on.iter().find_map(|one| one.strip_prefix("Not looked after here: "));
    ensure!(told == Some(said.trim_end_matches('.')), "{explained}");
    world.is_sound().await?;
    let after = left.foretold().await?;
    assert!(lines(&after).is_empty(), "{}", text(&after));

    // What the owner no longer specifies goes; what the policy brought stays until it is taken off the list.
    let patch = json!({ "spec": { "remoteClusters": null, "auth": null } });
    world.merge::<Elasticsearch>(NAME, patch).await?;
    let text_of = |secret: &Secret, key: &str| {
        secret
            .data
            .as_ref()
            .and_then(|data| String::from_utf8(data.get(key)?.0.clone()).ok())
            .unwrap_or_default()
    };
    world.until::<Secret>("quickstart-es-remote-ca", |secret| text_of(secret, "ca.crt") == far).await?;
    scripted.until(|state| !state.persistent.contains_key(seeds)).await;
    world
        .until::<Elasticsearch>(NAME, |es| {
            !es.annotations().contains_key("elasticsearch.k8s.elastic.co/managed-remote-clusters")
        })
        .await?;
    world
        .until::<Secret>("quickstart-es-xpack-file-realm", |secret| {
            let roles = text_of(secret, "roles.yml");
            !roles.contains("mine:") && roles.contains("of_policy:")
        })
        .await?;
    let none = json!({ "metadata": { "annotations": { ADOPTED_PARTS: "[]" } } });
    world.merge::<Secret>("quickstart-es-remote-ca", none).await?;
    world
        .until::<Secret>("quickstart-es-remote-ca", |secret| {
            let trusted = text_of(secret, "ca.crt");
            trusted != far && !trusted.is_empty()
        })
        .await?;
    Ok(())
}
