//! Alive, ready, metrics, status.

use std::sync::atomic::Ordering;

use parapet_access::Scope;

use crate::world::{As, World};

#[tokio::test]
async fn alive_and_ready() {
    let world = World::start().await;
    assert_eq!(world.get("/livez", &As::Nobody).await.body, "ok\n");
    assert_eq!(world.get("/readyz", &As::Nobody).await.body, "ok\n");
    world.pipeline.ready.store(false, Ordering::Relaxed);
    let answer = world.get("/readyz", &As::Nobody).await;
    answer.problem(503);
    assert_eq!(world.get("/livez", &As::Nobody).await.status, 200);
}

#[tokio::test]
async fn metrics_are_for_readers_and_count_requests() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    world.get("/metrics", &As::Nobody).await.problem(401);
    world.get("/api/v1/status", &token).await.ok();
    world.get("/api/v1/traces/no-id", &token).await.problem(400);
    let session = world.login().await;
    for who in [&token, &session] {
        let answer = world.get("/metrics", who).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
        for sample in [
            "parapet_server_requests_total{route=\"/api/v1/status\",status=\"200\"} 1",
            "parapet_server_requests_total{route=\"/api/v1/traces/{trace_id}\",status=\"400\"} 1",
            "parapet_server_refused_requests_total{reason=\"credentials\"} 1",
            "parapet_access_logins_total{outcome=\"ok\"} 1",
            "parapet_access_denied_credentials_total{reason=\"missing\"} 1",
        ] {
            assert!(answer.body.contains(sample), "{sample} is not in {}", answer.body);
        }
        assert!(answer.body.ends_with("# EOF\n"));
    }
}

#[tokio::test]
async fn the_status_says_what_came_in() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    world.log("shop", &["one", "two"]).await;
    let status = world.get("/api/v1/status", &token).await.ok();
    assert_eq!(status["version"], "0.0.0-test");
    assert_eq!(status["demo"], true);
    let names: Vec<_> =
        status["signals"].as_array().unwrap().iter().map(|signal| &signal["signal"]).collect();
    assert_eq!(names, ["logs", "spans", "metrics", "traffic"]);
    assert_eq!(status["signals"][0]["rows_total"], 2);
    assert!(status["signals"][0]["last_ts"].as_str().unwrap().ends_with('Z'));
    assert!(status["signals"][0]["rows_per_second"].is_number());
    assert_eq!(status["signals"][1]["last_ts"], serde_json::Value::Null);
    assert_eq!(status["store"]["failed"], serde_json::Value::Null);
    assert!(status["store"]["disk_free_bytes"].as_u64().unwrap() > 0);
    assert_eq!(status["store"]["retention"][0]["signal"], "logs");
    assert_eq!(status["certificates"][0]["name"], "console");
    assert!(status["recovery"].is_object());
}

#[tokio::test]
async fn the_status_names_what_was_refused_and_why() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let refused = async || {
        let status = world.get("/api/v1/status", &token).await.ok();
        let refused = status["signals"][0]["refused"].as_array().unwrap().clone();
        let counted = refused.iter().filter(|refused| refused["rows"] != 0);
        counted
            .map(|refused| format!("{} {}", refused["reason"].as_str().unwrap(), refused["rows"]))
            .collect::<Vec<_>>()
    };
    assert!(refused().await.is_empty());
    let now = jiff::Timestamp::now();
    let hours = |hours: i64| jiff::SignedDuration::from_hours(hours);
    assert_eq!(world.log_at(now + hours(2), "shop", &["too early"]).await.kept, 0);
    assert_eq!(world.log_at(now - hours(24 * 400), "shop", &["too late", "too late"]).await.kept, 0);
    let mut told = refused().await;
    told.sort();
    assert_eq!(told, ["in_the_future 1", "older_than_retention 2"]);
}
