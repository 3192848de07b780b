//! An API server that drops watches, refuses writes, forgets versions and fails: everything comes to the same end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use parapet_api::Elasticsearch;
use serde_json::json;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::meddler::{Asked, Meddler, Verdict};
use crate::world::{Setup, World, is_ready};

/// A cluster comes, grows, is upgraded and shrinks.
async fn live(world: &World, between: impl AsyncFn()) -> Result<()> {
    let of = |count| [Group::new("default", count)];
    world.apply(&elasticsearch("8.15.3", &of(2)).to_string()).await?;
    between().await;
    world.until_ready(NAME, 2).await?;
    let es = world.elasticsearch(NAME).await?;
    es.state(|state| state.create_index("logs", 2, 1));
    for (version, count) in [("8.15.3", 4), ("8.16.0", 4), ("8.16.0", 3)] {
        let spec = json!({ "spec": { "version": version, "nodeSets": node_sets(&of(count)) } });
        world.merge::<Elasticsearch>(NAME, spec).await?;
        between().await;
        world
            .until::<Elasticsearch>(NAME, |es| {
                let runs = es.status.as_ref().and_then(|status| status.version.as_deref());
                runs == Some(version) && is_ready(es, i32::try_from(count).unwrap_or_default())
            })
            .await?;
    }
    es.until(|state| state.nodes.len() == 3 && state.shutdowns.is_empty()).await;
    Ok(())
}

async fn meddler(world: &World) -> Result<Arc<Meddler>> {
    Ok(Arc::clone(&world.operator().await.as_ref().context("an operator")?.meddler))
}

/// Of a pod's deletion that nobody answers, it isn't known whether it was done. Until it is, no other node is taken down; the
/// nodes themselves watch that.
#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_nobody_answers_take_no_second_node_down() -> Result<()> {
    scenario("server-unheard", Setup::default(), async |world| {
        let (done, not_done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&done), Arc::clone(&not_done));
        let mut number = 0;
        meddler(world).await?.rule(move |asked: &Asked| {
            let deletes = asked.method == Method::DELETE && asked.path.contains("/pods/");
            number += usize::from(deletes);
            match (deletes, number % 3) {
                (true, 0) => {
                    counts.0.fetch_add(1, Ordering::SeqCst);
                    Verdict::Unheard(504)
                }
                (true, 1) => {
                    counts.1.fetch_add(1, Ordering::SeqCst);
                    Verdict::Status(504)
                }
                _ => Verdict::Pass,
            }
        });
        live(world, async || {}).await?;
        let counted = (done.load(Ordering::SeqCst), not_done.load(Ordering::SeqCst));
        ensure!(counted.0 > 0 && counted.1 > 0, "done and not done, nobody answered: {counted:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_second_write_meets_a_conflict() -> Result<()> {
    scenario("server-conflicts", Setup::default(), async |world| {
        let refused = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&refused);
        let mut number = 0;
        meddler(world).await?.rule(move |asked: &Asked| {
            let changes = asked.writes() && asked.method != Method::POST;
            number += usize::from(changes);
            match changes && number % 2 == 1 {
                true => {
                    count.fetch_add(1, Ordering::SeqCst);
                    Verdict::Conflict
                }
                false => Verdict::Pass,
            }
        });
        live(world, async || {}).await?;
        ensure!(refused.load(Ordering::SeqCst) > 10, "many writes were refused");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sixth_write_fails() -> Result<()> {
    scenario("server-fails", Setup::default(), async |world| {
        let mut number = 0;
        meddler(world).await?.rule(move |asked: &Asked| {
            number += usize::from(asked.writes());
            if asked.writes() && number % 6 == 0 { Verdict::Status(500) } else { Verdict::Pass }
        });
        live(world, async || {}).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_are_dropped_again_and_again() -> Result<()> {
    scenario("server-drops", Setup::default(), async |world| {
        let meddler = meddler(world).await?;
        live(world, async || meddler.drop_watches()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_are_too_old_again_and_again() -> Result<()> {
    scenario("server-expired", Setup::default(), async |world| {
        let meddler = meddler(world).await?;
        let old = Arc::new(AtomicBool::new(false));
        let is_old = Arc::clone(&old);
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let mut last = std::collections::HashSet::new();
        meddler.rule(move |asked: &Asked| {
            // Once for each watch, each time that they are dropped.
            if !is_old.load(Ordering::SeqCst) {
                last.clear();
            } else if asked.watches() && last.insert(asked.path.clone()) {
                count.fetch_add(1, Ordering::SeqCst);
                return Verdict::Status(410);
            }
            Verdict::Pass
        });
        let between = async || {
            old.store(true, Ordering::SeqCst);
            meddler.drop_watches();
            // The test's own patches wait for nobody, so the watches may come back at any moment of what follows.
        };
        live(world, between).await?;
        ensure!(answered.load(Ordering::SeqCst) > 5, "watches were told that they are too old");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_for_a_while() -> Result<()> {
    let setup = Setup { deadline: std::time::Duration::from_millis(300), ..Setup::default() };
    scenario("server-hangs", setup, async |world| {
        let meddler = meddler(world).await?;
        let asked = Arc::new(tokio::sync::Semaphore::new(0));
        let between = async || {
            let asked_here = Arc::clone(&asked);
            meddler.rule(move |what: &Asked| {
                if !what.writes() {
                    return Verdict::Pass;
                }
                asked_here.add_permits(1);
                Verdict::Hang
            });
            // Writes waited in vain for an answer.
            asked.acquire_many(2).await.expect("it isn't closed").forget();
            meddler.behave();
        };
        live(world, between).await
    })
    .await
}
