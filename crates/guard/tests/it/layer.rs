//! The gate as a layer before a router of this process.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use parapet_guard::{
    AllowReason, AuthnMethod, Consumed, Decide, Decision, Engine, Grant, GuardLayer, Identity, Inquiry,
    Metrics, Policy, Refusal, RefuseReason,
};
use prometheus_client::registry::Registry;
use tower::ServiceExt as _;

struct OnlyMetrics;

#[async_trait]
impl Decide for OnlyMetrics {
    async fn decide(&self, inquiry: &Inquiry<'_>) -> Decision {
        if inquiry.headers.get("authorization").is_none() {
            return Decision::Refuse(Refusal::new(
                StatusCode::UNAUTHORIZED,
                RefuseReason::NoCredentials,
                "Unauthorized",
            ));
        }
        if &**inquiry.path != "/metrics" {
            return Decision::Refuse(Refusal::new(StatusCode::FORBIDDEN, RefuseReason::Denied, "Forbidden"));
        }
        let identity = Identity {
            user: "scraper".to_owned(),
            uid: String::new(),
            groups: Vec::new(),
            extra: Default::default(),
            method: AuthnMethod::Token,
            expires: None,
        };
        Decision::Allow(Grant {
            identity: Some(Arc::new(identity)),
            reason: AllowReason::Review,
            consumed: Consumed::Bearer,
        })
    }
}

fn router() -> Router {
    let metrics = Metrics::register(&mut Registry::default());
    let engine = Arc::new(Engine::new(OnlyMetrics, Policy::default(), metrics));
    let shown = |Extension(identity): Extension<Identity>, headers: HeaderMap| async move {
        format!(
            "{} {}",
            identity.user,
            headers.contains_key("authorization") || headers.contains_key("x-remote-user")
        )
    };
    Router::new()
        .route("/metrics", get(shown))
        .route("/secret", get(|| async { "secret" }))
        .layer(GuardLayer::new(engine))
}

async fn ask(target: &str, token: bool) -> (StatusCode, String) {
    let mut request = Request::get(target).header("host", "guard.test").header("x-remote-user", "admin");
    if token {
        request = request.header("authorization", "Bearer x");
    }
    let response = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_router_behind_the_gate() {
    assert_eq!(ask("/metrics", true).await, (StatusCode::OK, "scraper false".to_owned()));
    assert_eq!(ask("/metrics", false).await, (StatusCode::UNAUTHORIZED, "Unauthorized\n".to_owned()));
    assert_eq!(ask("/secret", true).await, (StatusCode::FORBIDDEN, "Forbidden\n".to_owned()));
    assert_eq!(ask("/secret/%2e%2e/metrics", true).await.0, StatusCode::BAD_REQUEST);
}
