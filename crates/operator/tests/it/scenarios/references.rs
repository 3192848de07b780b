//! Kibana and APM Server that refer to applications: in other namespaces, by Secret, with rights and without.

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use parapet_api::annotations::ORCHESTRATION_HINTS;
use parapet_api::{ApmServer, AssociationState, Elasticsearch, Kibana};
use parapet_scripted_elasticsearch::Fault;
use serde_json::json;

use super::{Group, NAME, elasticsearch, scenario};
use crate::world::meddler::{Asked, Verdict};
use crate::world::{Setup, World};

fn text(secret: &Secret, key: &str) -> String {
    let data = secret.data.as_ref().and_then(|data| data.get(key));
    String::from_utf8_lossy(&data.map(|text| text.0.clone()).unwrap_or_default()).into_owned()
}

fn realm_has(realm: &Secret, what: &str) -> bool {
    text(realm, "users").contains(what) || text(realm, "service_tokens").contains(what)
}

const REALM: &str = "quickstart-es-xpack-file-realm";

#[tokio::test(flavor = "multi_thread")]
async fn applications_in_other_namespaces_are_reached_and_left() -> Result<()> {
    let setup = Setup { others: &["references-kibana", "references-apm"], ..Setup::default() };
    scenario("references", setup, async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana",
            "metadata": { "name": "k", "namespace": "references-kibana" },
            "spec": {
                "version": "8.15.3", "count": 1,
                "elasticsearchRef": { "name": NAME, "namespace": "references" },
            },
        });
        let apm = json!({
            "apiVersion": "apm.k8s.elastic.co/v1", "kind": "ApmServer",
            "metadata": { "name": "a", "namespace": "references-apm" },
            "spec": {
                "version": "8.15.3", "count": 1,
                "elasticsearchRef": { "name": NAME, "namespace": "references" },
                "kibanaRef": { "name": "k", "namespace": "references-kibana" },
            },
        });
        world.apply(&kibana.to_string()).await?;
        world.apply(&apm.to_string()).await?;
        let established = Some(AssociationState::Established);
        world
            .until_in::<Kibana>("references-kibana", "k", |kibana| {
                kibana.status.as_ref().and_then(|status| status.elasticsearch_association_status)
                    == established
            })
            .await?;
        world
            .until_in::<ApmServer>("references-apm", "a", |apm| {
                let status = apm.status.clone().unwrap_or_default();
                status.elasticsearch_association_status == established
                    && status.kibana_association_status == established
            })
            .await?;
        let config = world
            .until_in::<Secret>("references-kibana", "k-kb-config", |secret| {
                !text(secret, "kibana.yml").is_empty()
            })
            .await?;
        ensure!(text(&config, "kibana.yml").contains("https://quickstart-es-http.references.svc:9200"));
        let config = world
            .until_in::<Secret>("references-apm", "a-apm-config", |secret| {
                !text(secret, "apm-server.yml").is_empty()
            })
            .await?;
        let yml = text(&config, "apm-server.yml");
        ensure!(yml.contains("https://quickstart-es-http.references.svc:9200"), "{yml}");
        ensure!(yml.contains("https://k-kb-http.references-kibana.svc:5601"), "{yml}");
        for (namespace, name) in [
            ("references-kibana", "k-kb-es-ca"),
            ("references-apm", "a-apm-es-ca"),
            ("references-apm", "a-apm-kibana-ca"),
        ] {
            world.until_in::<Secret>(namespace, name, |secret| !text(secret, "ca.crt").is_empty()).await?;
        }
        let public = world.api::<Secret>().get("quickstart-es-http-certs-public").await?;
        let copy =
            Api::<Secret>::namespaced(world.client.clone(), "references-kibana").get("k-kb-es-ca").await?;
        ensure!(
            text(&public, "ca.crt") == text(&copy, "ca.crt"),
            "whom Elasticsearch is signed by is known there"
        );
        let users = ["references-kibana_k_", "references-apm-a-apm-user", "references-apm-a-apm-kb-user"];
        world.until::<Secret>(REALM, |realm| users.iter().all(|user| realm_has(realm, user))).await?;
        let es = world.elasticsearch(NAME).await?;
        es.until(|state| state.kibana_tokens.iter().any(|token| token.contains("references-kibana_k_")))
            .await;

        let apms = Api::<ApmServer>::namespaced(world.client.clone(), "references-apm");
        let nobody = Patch::Merge(json!({ "spec": { "kibanaRef": null } }));
        apms.patch("a", &PatchParams::default(), &nobody).await?;
        world
            .until::<Secret>(REALM, |realm| !realm_has(realm, users[2]) && realm_has(realm, users[1]))
            .await?;
        apms.delete("a", &Default::default()).await?;
        world
            .until::<Secret>(REALM, |realm| !realm_has(realm, users[1]) && realm_has(realm, users[0]))
            .await?;
        Api::<Kibana>::namespaced(world.client.clone(), "references-kibana")
            .delete("k", &Default::default())
            .await?;
        world.until::<Secret>(REALM, |realm| !realm_has(realm, users[0])).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_elsewhere_is_described_by_a_secret() -> Result<()> {
    scenario("references-secret", Setup::default(), async |world| {
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
            "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "secretName": "elsewhere" } },
        });
        world.apply(&kibana.to_string()).await?;
        let state = |kibana: &Kibana| kibana.status.as_ref().and_then(|status| status.elasticsearch_association_status);
        world.until::<Kibana>("k", |kibana| state(kibana) == Some(AssociationState::Pending)).await?;
        let secret = |entries: serde_json::Value| {
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "elsewhere" }, "stringData": entries })
        };
        world.apply(&secret(json!({ "url": "https://es.example.com:9200" })).to_string()).await?;
        world.until::<Kibana>("k", |kibana| state(kibana) == Some(AssociationState::Failed)).await?;
        world.delete::<Secret>("elsewhere").await?;
        let whole = json!({ "url": "https://es.example.com:9200", "username": "someone", "password": "something" });
        world.apply(&secret(whole).to_string()).await?;
        world.until::<Kibana>("k", |kibana| state(kibana) == Some(AssociationState::Established)).await?;
        let config = world.until::<Secret>("k-kb-config", |_| true).await?;
        let yml = text(&config, "kibana.yml");
        ensure!(yml.contains("https://es.example.com:9200") && yml.contains("someone"), "{yml}");
        world.until::<Deployment>("k-kb", |_| true).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_reached_by_a_service_that_comes_later_and_changes() -> Result<()> {
    scenario("references-service", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
            "spec": {
                "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME, "serviceName": "by-hand" },
            },
        });
        world.apply(&kibana.to_string()).await?;
        let state = |kibana: &Kibana| kibana.status.as_ref().and_then(|status| status.elasticsearch_association_status);
        world.until::<Kibana>("k", |kibana| state(kibana) == Some(AssociationState::Pending)).await?;
        for port in [9200, 9243] {
            let service = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": { "name": "by-hand" },
                "spec": { "ports": [{ "name": "https", "port": port }] },
            });
            world.apply(&service.to_string()).await?;
            let url = format!("https://by-hand.references-service.svc:{port}");
            world.until::<Secret>("k-kb-config", |config| text(config, "kibana.yml").contains(&url)).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_get_an_application_may_not_refer_to_it() -> Result<()> {
    let setup = Setup { others: &["references-denied"], enforce_rbac_on_refs: true, ..Setup::default() };
    scenario("references-rights", setup, async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let kibana = |name: &str| {
            json!({
                "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana",
                "metadata": { "name": name, "namespace": "references-denied" },
                "spec": {
                    "version": "8.15.3", "count": 1, "serviceAccountName": name,
                    "elasticsearchRef": { "name": NAME, "namespace": "references-rights" },
                },
            })
        };
        may_get(world, "references-denied", "may").await?;
        for name in ["may-not", "may"] {
            world.apply(&kibana(name).to_string()).await?;
        }
        let state = |kibana: &Kibana| {
            kibana.status.as_ref().and_then(|status| status.elasticsearch_association_status)
        };
        world
            .until_in::<Kibana>("references-denied", "may", |one| {
                state(one) == Some(AssociationState::Established)
            })
            .await?;
        let denied = world
            .until_in::<Kibana>("references-denied", "may-not", |one| {
                state(one) == Some(AssociationState::Failed)
            })
            .await?;
        ensure!(!denied.annotations().contains_key("association.k8s.elastic.co/es-conf"));
        let realm = world.until::<Secret>(REALM, |realm| realm_has(realm, "references-denied_may_")).await?;
        ensure!(!realm_has(&realm, "references-denied_may-not_"));
        told(world, "references-denied", "AssociationError").await
    })
    .await
}

/// What the API server says when an authorizer of its own fails.
const FAILED_REVIEW: &str = r#"{
    "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {},
    "status": { "allowed": false, "evaluationError": "the webhook doesn't answer" }
}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_fails_takes_nothing_away_and_is_asked_again() -> Result<()> {
    let setup = Setup { others: &["references-reviewed"], enforce_rbac_on_refs: true, ..Setup::default() };
    scenario("references-review", setup, async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        may_get(world, "references-reviewed", "default").await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana",
            "metadata": { "name": "k", "namespace": "references-reviewed" },
            "spec": {
                "version": "8.15.3", "count": 1,
                "elasticsearchRef": { "name": NAME, "namespace": world.namespace },
            },
        });
        world.apply(&kibana.to_string()).await?;
        let state = |expected: AssociationState| {
            let is_so = move |kibana: &Kibana| {
                let status = kibana.status.as_ref();
                status.and_then(|status| status.elasticsearch_association_status) == Some(expected)
            };
            world.until_in::<Kibana>("references-reviewed", "k", is_so)
        };
        state(AssociationState::Established).await?;
        let user = world.until::<Secret>(REALM, |realm| realm_has(realm, "references-reviewed_k_")).await?;
        {
            let operator = world.operator().await;
            let operator = operator.as_ref().context("an operator")?;
            operator.meddler.rule(|asked: &Asked| match asked.path.ends_with("/subjectaccessreviews") {
                true => Verdict::Answer(FAILED_REVIEW),
                false => Verdict::Pass,
            });
            operator.look_at_all(1).await;
        }
        state(AssociationState::Pending).await?;
        told_that(world, "references-reviewed", "AssociationError", "the webhook doesn't answer").await?;
        let realm = world.api::<Secret>().get(REALM).await?;
        ensure!(realm.data == user.data, "nobody lost anything");
        world.operator().await.as_ref().context("an operator")?.meddler.behave();
        state(AssociationState::Established).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_breaks_again_is_told_again() -> Result<()> {
    scenario("references-again", Setup::default(), async |world| {
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
            "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME } },
        });
        world.apply(&kibana.to_string()).await?;
        told(world, &world.namespace, "AssociationError").await?;
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        let established = |kibana: &Kibana| {
            let status = kibana.status.as_ref();
            status.and_then(|status| status.elasticsearch_association_status)
                == Some(AssociationState::Established)
        };
        world.until::<Kibana>("k", established).await?;
        world.nodes.give_up(NAME);
        world.delete::<Elasticsearch>(NAME).await?;
        told_of(world, &world.namespace, |event| {
            event.reason.as_deref() == Some("AssociationError")
                && event.series.as_ref().is_some_and(|series| series.count > 1)
        })
        .await
    })
    .await
}

/// Lets an account of another namespace get the Elasticsearches of this one, and waits until it may.
async fn may_get(world: &World, namespace: &str, account: &str) -> Result<()> {
    let rights = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: get-it}}
rules: [{{apiGroups: [elasticsearch.k8s.elastic.co], resources: [elasticsearches], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: get-it}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: get-it}}
subjects: [{{kind: ServiceAccount, name: {account}, namespace: {namespace}}}]
"
    );
    world.apply(&rights).await?;
    until_allowed(world, &format!("system:serviceaccount:{namespace}:{account}"), &world.namespace).await
}

/// Waits until the API server knows that an account may get Elasticsearches: it learns of rights a moment after they are made,
/// and nothing tells when.
pub(crate) async fn until_allowed(world: &World, account: &str, namespace: &str) -> Result<()> {
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "spec": {
            "user": account,
            "resourceAttributes": {
                "verb": "get", "group": "elasticsearch.k8s.elastic.co", "resource": "elasticsearches",
                "namespace": namespace,
            },
        },
    }))?;
    let reviews = Api::<SubjectAccessReview>::all(world.client.clone());
    while !reviews.create(&PostParams::default(), &review).await?.status.is_some_and(|status| status.allowed)
    {
    }
    Ok(())
}

/// Waits for an event of that reason.
pub(crate) async fn told(world: &World, namespace: &str, reason: &str) -> Result<()> {
    told_that(world, namespace, reason, "").await
}

/// The same, with these words.
pub(crate) async fn told_that(world: &World, namespace: &str, reason: &str, words: &str) -> Result<()> {
    let says = |event: &Event| event.note.as_ref().is_some_and(|note| note.contains(words));
    told_of(world, namespace, |event| event.reason.as_deref() == Some(reason) && says(event)).await
}

/// Waits for such an event.
pub(crate) async fn told_of(world: &World, namespace: &str, is_it: impl Fn(&Event) -> bool) -> Result<()> {
    let events = Api::<Event>::namespaced(world.client.clone(), namespace);
    let mut events = watcher(events, watcher::Config::default()).applied_objects().boxed();
    loop {
        let event = events.next().await.context("the watch goes on")?.context("failed to watch events")?;
        if is_it(&event) {
            return Ok(());
        }
    }
}

fn image(deployment: &Deployment) -> String {
    let spec = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    spec.and_then(|spec| spec.containers.first()?.image.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refers_waits_until_its_target_runs_its_version() -> Result<()> {
    scenario("references-order", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 3)]).to_string()).await?;
        for (group, kind, name) in [("kibana", "Kibana", "k"), ("apm", "ApmServer", "a")] {
            let referrer = json!({
                "apiVersion": format!("{group}.k8s.elastic.co/v1"), "kind": kind, "metadata": { "name": name },
                "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME } },
            });
            world.apply(&referrer.to_string()).await?;
        }
        world.until_ready(NAME, 3).await?;
        let runs = |name, version| {
            world.until::<Deployment>(name, move |one| image(one).ends_with(&format!(":{version}")))
        };
        runs("k-kb", "8.15.3").await?;
        runs("a-apm-server", "8.15.3").await?;
        // Copies of shards that don't come back hold the upgrade after its first node.
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| {
            state.create_index("logs", 3, 1);
            state.shards.set_held(true);
        });
        let newer = json!({ "spec": { "version": "8.16.0" } });
        world.merge::<Elasticsearch>(NAME, newer.clone()).await?;
        world.merge::<Kibana>("k", newer.clone()).await?;
        world.merge::<ApmServer>("a", newer).await?;
        for kind in ["Kibana", "ApmServer"] {
            told_that(world, &world.namespace, "Delayed", &format!("{kind} 8.16.0 waits until")).await?;
        }
        world.operator().await.as_ref().context("an operator")?.look_at_all(2).await;
        for name in ["k-kb", "a-apm-server"] {
            let kept = image(&world.api::<Deployment>().get(name).await?);
            ensure!(kept.ends_with(":8.15.3"), "{name} went first: {kept}");
        }
        es.state(|state| {
            state.shards.set_held(false);
            state.settle();
        });
        runs("k-kb", "8.16.0").await?;
        runs("a-apm-server", "8.16.0").await?;
        ensure!(es.state(|state| state.nodes.values().all(|node| node.version == "8.16.0")), "they went first");
        Ok(())
    })
    .await
}

/// Kibana has a token of a service account, and the cluster's realm no password of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kibana_from_before_service_accounts_gets_a_token_when_all_nodes_take_them() -> Result<()> {
    scenario("references-token", Setup::impatient(), async |world| {
        world.apply(&elasticsearch("7.16.3", &[Group::new("default", 3)]).to_string()).await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
            "spec": { "version": "7.16.3", "count": 1, "elasticsearchRef": { "name": NAME } },
        });
        world.apply(&kibana.to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let (user, token) = ("references-token-k-kibana-user", "elastic/kibana/references-token_k_");
        world.until::<Secret>(REALM, |realm| realm_has(realm, user)).await?;
        world.until::<Deployment>("k-kb", |kibana| image(kibana).ends_with(":7.16.3")).await?;
        let before = world.until_ready(NAME, 3).await?;
        let hints = |es: &Elasticsearch| es.annotations().get(ORCHESTRATION_HINTS).cloned();
        ensure!(hints(&before).is_none(), "7.16 has no service accounts: {:?}", hints(&before));

        // Both are upgraded at once: Kibana keeps what it runs and whom it logs in as until all nodes take tokens.
        let newer = json!({ "spec": { "version": "7.17.0" } });
        world.merge::<Elasticsearch>(NAME, newer.clone()).await?;
        world.merge::<Kibana>("k", newer).await?;
        let es = world.elasticsearch(NAME).await?;
        // Whoever isn't answered asks again, though the cluster is let be for a while.
        for _ in 0..2 {
            es.fail_next("/_security/service/elastic/kibana/credential", Fault::Hang);
        }
        let mut nodes =
            es.state(|state| state.nodes.values().map(|node| node.version.clone()).collect::<Vec<_>>());
        while nodes.iter().any(|version| version == "7.16.3") {
            let realm = world.api::<Secret>().get(REALM).await?;
            ensure!(
                realm_has(&realm, user) && !realm_has(&realm, token),
                "an older node is there: {nodes:?}"
            );
            let now = |state: &parapet_scripted_elasticsearch::State| {
                state.nodes.values().map(|node| node.version.clone()).collect::<Vec<_>>()
            };
            es.until(|state| now(state) != nodes).await;
            nodes = es.state(|state| now(state));
        }
        let told = world.until::<Elasticsearch>(NAME, |es| hints(es).is_some()).await?;
        ensure!(hints(&told).as_deref() == Some(r#"{"service_accounts":true}"#), "{:?}", hints(&told));
        world.until::<Secret>(REALM, |realm| realm_has(realm, token) && !realm_has(realm, user)).await?;
        world.until::<Deployment>("k-kb", |kibana| image(kibana).ends_with(":7.17.0")).await?;
        let own = world.until::<Secret>("k-kibana-user", |secret| !text(secret, "token").is_empty()).await?;
        ensure!(text(&own, user).is_empty(), "no password is left: {:?}", own.data.map(|data| data.len()));
        Ok(())
    })
    .await
}
