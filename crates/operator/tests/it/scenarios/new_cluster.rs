//! What a new cluster costs the API server, and how many passes it takes: neither may creep up unnoticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Kind, labels, names};
use serde_json::json;

use super::{Group, NAME, elasticsearch, scenario};
use crate::world::meddler::{Asked, Verdict};
use crate::world::{Setup, World};

/// What a cluster of one group has, by kind; each is made by one call.
const OBJECTS: [(&str, usize); 5] =
    [("configmaps", 2), ("poddisruptionbudgets", 1), ("secrets", 12), ("services", 4), ("statefulsets", 1)];
/// Notes on the cluster itself until its StatefulSet is made: its first masters, and that it takes service accounts.
const NOTES: usize = 2;
/// Changes after that until a cluster of three nodes is ready: certificates, seed hosts and an annotation for each pod as it gets
/// its address; the uuid; the budget that follows health; and the status, once for each thing that it tells.
const CHANGES: usize = 35;
/// Passes until then. There are fewer where events come faster than passes end.
const PASSES: u64 = 60;

/// What the operator asked for.
type Log = Arc<Mutex<Vec<Asked>>>;

async fn logged(world: &World) -> Result<Log> {
    let log = Log::default();
    let operator = world.operator().await;
    let kept = Arc::clone(&log);
    operator.as_ref().context("an operator")?.meddler.rule(move |asked| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        Verdict::Pass
    });
    Ok(log)
}

/// Kind and name: `/api/v1/namespaces/NS/KIND/NAME` or `/apis/GROUP/VERSION/namespaces/…`.
fn target(asked: &Asked) -> (&str, Option<&str>) {
    let mut parts = asked.path.split('/').skip_while(|part| *part != "namespaces").skip(2);
    (parts.next().unwrap_or_default(), parts.next())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_cluster_is_made_in_one_pass_without_a_question() -> Result<()> {
    scenario("new-cluster", Setup::default(), async |world| {
        let log = logged(world).await?;
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 3)]).to_string()).await?;
        world.until_ready(NAME, 3).await?;

        let log = log.lock().unwrap().clone();
        let is_set = |asked: &Asked| asked.method == Method::POST && target(asked).0 == "statefulsets";
        let made = log.iter().position(is_set).context("a StatefulSet was made")?;
        let first = &log[..=made];
        let asked: Vec<&Asked> =
            first.iter().filter(|one| one.method == Method::GET && target(one).1.is_some()).collect();
        ensure!(asked.is_empty(), "asked for, though nothing of the cluster can be there: {asked:#?}");
        let mut objects = BTreeMap::new();
        for one in first.iter().filter(|one| one.writes() && one.method == Method::POST) {
            *objects.entry(target(one).0).or_insert(0) += 1;
        }
        ensure!(objects == OBJECTS.into(), "{objects:#?}");
        let notes: Vec<&Asked> = first.iter().filter(|one| one.method == Method::PATCH).collect();
        ensure!(notes.len() <= NOTES, "{notes:#?}");

        let (made_later, changes): (Vec<&Asked>, Vec<&Asked>) =
            log[made + 1..].iter().filter(|one| one.writes()).partition(|one| one.method == Method::POST);
        ensure!(made_later.is_empty(), "made late or twice: {made_later:#?}");
        ensure!(changes.len() <= CHANGES, "{} changes: {changes:#?}", changes.len());
        let operator = world.operator().await;
        let passes = operator.as_ref().context("an operator")?.passes_of(Kind::Elasticsearch, NAME);
        ensure!(passes <= PASSES, "{passes} passes");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_chosen_beforehand_is_found_though_nobody_asked() -> Result<()> {
    scenario("chosen-password", Setup::default(), async |world| {
        let name = names::elasticsearch::elastic_user(NAME);
        let chosen = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
            "stringData": { "elastic": "chosen" },
        });
        world.apply(&chosen.to_string()).await?;
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let secret = world.api::<Secret>().get(&name).await?;
        let password = secret.data.as_ref().and_then(|data| data.get("elastic"));
        ensure!(password == Some(&ByteString(b"chosen".to_vec())), "it was replaced");
        let realm = world.api::<Secret>().get(&names::elasticsearch::file_realm(NAME)).await?;
        let users = realm.data.as_ref().and_then(|data| data.get("users")).map(|users| users.0.clone());
        let users = String::from_utf8(users.unwrap_or_default())?;
        ensure!(users.contains("elastic:$2a$10$"), "a chosen password is hashed at full cost");
        let owner = secret.metadata.labels.as_ref().and_then(|all| all.get(labels::OWNER_NAME));
        ensure!(owner.map(String::as_str) == Some(NAME), "it is looked after from now on");
        Ok(())
    })
    .await
}
