//! Bodies, paths and methods that are not what is expected.

use http::Method;
use parapet_access::Scope;

use crate::world::{As, World};

#[tokio::test]
async fn bodies_are_json_small_and_without_unknown_keys() {
    let world = World::start().await;
    let token = world.token(&[Scope::Admin]);
    let post = async |path: &str, content_type: &str, body: &str| {
        world.send(Method::POST, path, &token, &[("content-type", content_type)], body).await
    };
    let json = "application/json";
    let (sql, tokens, session) = ("/api/v1/sql", "/api/v1/tokens", "/api/v1/session");

    for path in [sql, tokens, session] {
        post(path, "text/plain", "{}").await.problem(415);
        post(path, "application/x-www-form-urlencoded", "query=1").await.problem(415);
        post(path, "application/jsonp", "{}").await.problem(415);
        post(path, json, "{").await.problem(400);
        post(path, json, "[]").await.problem(400);
        post(path, json, "{}").await.problem(400);
        post(path, json, &format!("{{\"query\":\"{}\"}}", "x".repeat(70_000))).await.problem(413);
    }
    world
        .send(Method::POST, sql, &token, &[("content-type", json), ("content-encoding", "gzip")], "{}")
        .await
        .problem(415);

    let unknown = post(sql, "application/json; charset=utf-8", r#"{"query":"SELECT 1","timeout":1}"#)
        .await
        .problem(400);
    assert!(unknown["detail"].as_str().unwrap().contains("unknown field `timeout`"), "{unknown}");
    let scope = post(tokens, json, r#"{"name":"x","scopes":["write"]}"#).await.problem(400);
    assert!(
        scope["detail"].as_str().unwrap().contains("expected one of `ingest`, `read`, `admin`"),
        "{scope}"
    );
}

#[tokio::test]
async fn what_is_of_the_wrong_type_is_not_repeated() {
    let world = World::start().await;
    let answer =
        world.post("/api/v1/session", &As::Nobody, r#"{"username":"admin","password":987654321}"#).await;
    answer.problem(400);
    assert!(!answer.body.contains("987654321"), "{}", answer.body);
    assert!(answer.body.contains("expected a string"), "{}", answer.body);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let world = World::start().await;
    let token = world.token(&[Scope::Admin]);
    for path in ["/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/logs/nothing", "/api/v1/traces/"] {
        world.get(path, &token).await.problem(404);
    }
    world.get("/api/v1/logs/fields/body", &token).await.problem(404);
    world.get(&format!("/api/v1/traces/{}", "a".repeat(32)), &token).await.problem(404);
    world.get("/api/v1/traffic/events/none", &token).await.problem(404);
    world.get("/api/v1/traces/xyz", &token).await.problem(400);
    world.send(Method::DELETE, "/api/v1/tokens/0000000000000000", &token, &[], "").await.problem(404);
    for (method, path) in [
        (Method::PUT, "/api/v1/logs"),
        (Method::DELETE, "/api/v1/status"),
        (Method::POST, "/livez"),
        (Method::PATCH, "/api/v1/session"),
        (Method::POST, "/some/page"),
    ] {
        world.send(method.clone(), path, &token, &[], "").await.problem(405);
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_next_request_works() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let panics = &world.pipeline.panics;
    panics.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = world.get("/api/v1/status", &token).await;
    answer.problem(500);
    assert!(!answer.body.contains("as the test wants it"), "what went wrong is for the log");
    assert_ne!(answer.header("content-security-policy"), "");
    panics.store(false, std::sync::atomic::Ordering::Relaxed);
    world.get("/api/v1/status", &token).await.ok();
}
