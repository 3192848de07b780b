//! Logging in and out, cookies, CSRF.

use http::Method;

use crate::world::{As, World};

const SESSION: &str = "/api/v1/session";

fn credentials(username: &str, password: &str) -> String {
    serde_json::json!({ "username": username, "password": password }).to_string()
}

#[tokio::test]
async fn a_login_gives_a_cookie_that_only_this_host_gets_back() {
    let world = World::start().await;
    let answer = world.post(SESSION, &As::Nobody, &credentials("admin", &world.password)).await;
    let body = answer.ok();
    assert_eq!(body["user"], serde_json::json!({"name": "admin", "role": "admin"}));
    assert!(body["csrf_token"].as_str().unwrap().len() >= 43);
    assert!(body["expires_at"].as_str().unwrap().ends_with('Z'));
    let cookie = answer.header("set-cookie");
    let mut parts = cookie.split("; ");
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    assert_eq!((name, value.len()), ("__Host-parapet", 43));
    assert_eq!(parts.collect::<Vec<_>>(), ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]);

    let session = world.login().await;
    let current = world.get(SESSION, &session).await.ok();
    assert_eq!(current["user"]["name"], "admin");
    let As::Session { csrf, .. } = &session else { unreachable!() };
    assert_eq!(current["csrf_token"], **csrf);
}

#[tokio::test]
async fn logout_ends_the_session_and_clears_the_cookie() {
    let world = World::start().await;
    let session = world.login().await;
    let answer = world.send(Method::DELETE, SESSION, &session, &[], "").await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").starts_with("__Host-parapet=; "));
    assert!(answer.header("set-cookie").ends_with("; Max-Age=0"));
    world.get(SESSION, &session).await.problem(401);
    world.get("/api/v1/status", &session).await.problem(401);
}

#[tokio::test]
async fn who_has_no_session_is_told_so() {
    let world = World::start().await;
    world.get(SESSION, &As::Nobody).await.problem(401);
    world.send(Method::DELETE, SESSION, &As::Nobody, &[], "").await.problem(401);
    // A token is no session.
    let token = world.token(&[parapet_access::Scope::Admin]);
    world.get(SESSION, &token).await.problem(401);
    for cookie in ["__Host-parapet=", "__Host-parapet=x", "parapet=x"] {
        world.send(Method::GET, SESSION, &As::Nobody, &[("cookie", cookie)], "").await.problem(401);
    }
    // Two cookies of the name: which one counts is not for an attacker to choose.
    let As::Session { cookie, .. } = world.login().await else { unreachable!() };
    let both = format!("{cookie}; {cookie}");
    world.send(Method::GET, SESSION, &As::Nobody, &[("cookie", &both)], "").await.problem(401);
}

#[tokio::test]
async fn wrong_passwords_are_refused_then_throttled() {
    let world = World::start().await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let answer = world.post(SESSION, &As::Nobody, &credentials("admin", "wrong")).await;
        statuses.push(answer.status.as_u16());
        let problem = answer.problem(answer.status.as_u16());
        assert!(answer.headers.get("set-cookie").is_none());
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            assert_eq!(problem["type"], "urn:parapet:problem:too-many-requests");
        } else {
            assert_eq!(problem["type"], "urn:parapet:problem:wrong-credentials");
        }
    }
    assert_eq!(statuses[..5], [401; 5]);
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn unsafe_requests_with_a_cookie_need_the_token_of_the_session() {
    let world = World::start().await;
    let session = world.login().await;
    let other = world.login().await;
    let (As::Session { cookie, .. }, As::Session { csrf: foreign, .. }) = (&session, &other) else {
        unreachable!()
    };
    let wish = r#"{"name":"x","scopes":["read"]}"#;
    let attempt = async |headers: &[(&str, &str)], who: &As| {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        world.send(Method::POST, "/api/v1/tokens", who, &all, wish).await
    };
    let with_cookie = ("cookie", cookie.as_str());
    let forged = |answer: crate::world::Answer| {
        assert_eq!(answer.problem(403)["type"], "urn:parapet:problem:forged-request");
    };
    forged(attempt(&[with_cookie], &As::Nobody).await);
    forged(attempt(&[with_cookie, ("x-csrf-token", "")], &As::Nobody).await);
    forged(attempt(&[with_cookie, ("x-csrf-token", foreign)], &As::Nobody).await);
    forged(attempt(&[("origin", "https://evil.example")], &session).await);
    forged(attempt(&[("origin", "null")], &session).await);
    forged(attempt(&[("sec-fetch-site", "cross-site")], &session).await);
    forged(attempt(&[("sec-fetch-site", "same-site")], &session).await);
    assert!(world.accounts.tokens().is_empty());

    let own = world.origin();
    assert_eq!(attempt(&[("origin", &own), ("sec-fetch-site", "same-origin")], &session).await.status, 201);
    assert_eq!(attempt(&[], &session).await.status, 201);
    // A safe method needs none.
    world.send(Method::GET, "/api/v1/tokens", &As::Nobody, &[with_cookie], "").await.ok();
    // Logging out is unsafe as well.
    forged(world.send(Method::DELETE, SESSION, &As::Nobody, &[with_cookie], "").await);
    world.get(SESSION, &session).await.ok();
}

#[tokio::test]
async fn another_site_cannot_log_its_visitor_in() {
    let world = World::start().await;
    let body = credentials("admin", &world.password);
    for header in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let headers = [("content-type", "application/json"), header];
        let answer = world.send(Method::POST, SESSION, &As::Nobody, &headers, &body).await;
        answer.problem(403);
    }
}

#[tokio::test]
async fn a_bearer_token_goes_before_a_cookie_and_needs_no_csrf_token() {
    let world = World::start().await;
    let As::Session { cookie, .. } = world.login().await else { unreachable!() };
    let token = world.token(&[parapet_access::Scope::Read]);
    // The token may not manage, though the session could.
    world.send(Method::GET, "/api/v1/tokens", &token, &[("cookie", &cookie)], "").await.problem(403);
    let admin = world.token(&[parapet_access::Scope::Admin]);
    let answer = world.post("/api/v1/tokens", &admin, r#"{"name":"x","scopes":["read"]}"#).await;
    assert_eq!(answer.status, 201);
}
