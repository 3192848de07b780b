//! The reference's flags for logs, and what logs never hold (scenarios 23 to 25).

use crate::curl::status_with;
use crate::world::World;

/// Flags that do nothing any more; manifests still set them.
const DEAD: &[&str] = &[
    "--add-dir-header=true",
    "--alsologtostderr=true",
    "--log-backtrace-at=main.go:1",
    "--log-dir=/tmp",
    "--log-file=/tmp/log",
    "--log-file-max-size=1",
    "--logtostderr=true",
    "--one-output=true",
    "--skip-headers=true",
    "--skip-log-headers=true",
    "--stderrthreshold=1",
];

#[tokio::test]
async fn scenario_23_all_dead_flags() {
    let Some(world) = World::new("dead-flags").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(DEAD).await;
    assert_eq!(status_with(&world.token().await, &format!("{}/metrics", guard.url)).await, 200);
    assert!(!world.cluster.sandbox().dir().join("tmp").exists());
}

#[tokio::test]
async fn scenario_24_logtostderr() {
    let Some(world) = World::new("logtostderr").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&["--logtostderr=true"]).await;
    assert_eq!(status_with(&world.token().await, &format!("{}/metrics", guard.url)).await, 200);
}

#[tokio::test]
async fn scenario_25_token_masking() {
    let Some(world) = World::new("token-masking").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&["--v=10"]).await;
    let token = world.token().await;
    assert_eq!(status_with(&token, &format!("{}/metrics", guard.url)).await, 200);
    let other = format!("{token}x");
    assert_eq!(status_with(&other, &format!("{}/metrics", guard.url)).await, 401);
    let log = guard.process.log();
    assert!(!log.is_empty(), "at this level there is a log");
    // Neither the whole token nor its parts: the signature is what makes it a secret.
    for part in [&*token, token.rsplit('.').next().expect("a token has parts")] {
        assert!(!log.contains(part), "the log holds a token");
    }
}
