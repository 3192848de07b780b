//! Tokens over the API.

use http::Method;
use parapet_access::Scope;
use serde_json::{Value, json};

use crate::world::{As, World};

#[tokio::test]
async fn a_token_is_made_used_listed_and_revoked() {
    let world = World::start().await;
    let session = world.login().await;
    let wish =
        json!({"name": "agent", "scopes": ["read", "ingest", "read"], "expires_in_days": 30}).to_string();
    let answer = world.post("/api/v1/tokens", &session, &wish).await;
    assert_eq!(answer.status, 201);
    let minted = answer.json();
    let secret = minted["secret"].as_str().unwrap().to_owned();
    let id = minted["token"]["id"].as_str().unwrap().to_owned();
    assert_eq!(minted["token"]["scopes"], json!(["ingest", "read"]));
    assert_eq!(minted["token"]["last_used_at"], Value::Null);
    assert!(secret.starts_with(&format!("ppt_{id}_")));

    let token = As::Token(secret.clone());
    world.get("/api/v1/status", &token).await.ok();
    let answer = world.get("/api/v1/tokens", &session).await;
    assert!(!answer.body.contains(secret.rsplit('_').next().unwrap()), "secrets are told once");
    let listed = answer.ok();
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(listed["tokens"][0]["id"], *id);
    assert!(listed["tokens"][0]["last_used_at"].is_string());
    assert!(listed["tokens"][0]["expires_at"].is_string());

    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(world.send(Method::DELETE, &path, &session, &[], "").await.status, 204);
    world.get("/api/v1/status", &token).await.problem(401);
    world.send(Method::DELETE, &path, &session, &[], "").await.problem(404);
}

#[tokio::test]
async fn wishes_that_are_refused() {
    let world = World::start().await;
    let admin = world.token(&[Scope::Admin]);
    for wish in [
        json!({"name": "", "scopes": ["read"]}),
        json!({"name": "a\nb", "scopes": ["read"]}),
        json!({"name": "x".repeat(65), "scopes": ["read"]}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["root"]}),
        json!({"name": "x", "scopes": ["read"], "expires_in_days": 0}),
        json!({"name": "x", "scopes": ["read"], "expires_in_days": -1}),
        json!({"name": "x", "scopes": ["read"], "expires": 1}),
        json!({"scopes": ["read"]}),
    ] {
        world.post("/api/v1/tokens", &admin, &wish.to_string()).await.problem(400);
    }
    assert_eq!(world.accounts.tokens().len(), 1, "the test's own");
}
