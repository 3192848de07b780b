//! What every answer says to browsers, and what may be cached.

use http::Method;
use parapet_access::Scope;

use crate::world::{As, World};

#[tokio::test]
async fn every_answer_is_locked_down() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    for (path, who) in [
        ("/", &As::Nobody),
        ("/logs", &As::Nobody),
        ("/nothing.js", &As::Nobody),
        ("/livez", &As::Nobody),
        ("/metrics", &As::Nobody),
        ("/metrics", &token),
        ("/api/v1/status", &As::Nobody),
        ("/api/v1/status", &token),
        ("/api/v1/nothing", &token),
        ("/api/v1/logs?x=1", &token),
        ("/api/v1/openapi.json", &As::Nobody),
    ] {
        let answer = world.get(path, who).await;
        let policy = answer.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ] {
            assert!(policy.split("; ").any(|part| part == directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "localhost is many programs' name");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        if path.starts_with("/api/") || path == "/metrics" {
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        }
    }
}

#[tokio::test]
async fn other_sites_are_told_nothing_in_a_preflight() {
    let world = World::start().await;
    let headers = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let answer = world.send(Method::OPTIONS, "/api/v1/sql", &As::Nobody, &headers, "").await;
    assert!(!answer.status.is_success(), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn the_console_is_served_without_credentials() {
    let world = World::start().await;
    let answer = world.get("/", &As::Nobody).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert!(answer.body.to_lowercase().contains("parapet"));
    let page = world.send(Method::GET, "/logs?q=x", &As::Nobody, &[("accept", "text/html")], "").await;
    assert_eq!(page.body, answer.body, "pages of the application are for it to find");
    let head = world.send(Method::HEAD, "/", &As::Nobody, &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
}
