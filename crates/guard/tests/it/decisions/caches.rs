//! What is remembered, for how long, and what is asked meanwhile.

use std::sync::Arc;

use http::Method;
use parapet_guard::{AllowReason, RefuseReason};
use serde_json::json;

use super::{BEGINNING, Options, World, allowed, jwt, peer, refused};

#[tokio::test]
async fn a_decision_is_remembered_for_ten_seconds() {
    let world = World::new().await;
    for _ in 0..3 {
        allowed(world.get("/metrics", "good").await, AllowReason::Review);
        refused(world.get("/other", "good").await, 403, RefuseReason::Denied);
        refused(world.get("/metrics", "bad").await, 401, RefuseReason::BadCredentials);
    }
    assert_eq!(world.asked(), (2, 2));
    world.time.pass(9);
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    assert_eq!(world.asked(), (2, 2));
    world.time.pass(1);
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    assert_eq!(world.asked(), (3, 3));
    assert_eq!(world.counted("parapet_guard_cache_lookups_total{cache=\"access\",result=\"hit\"}"), 5.0);
    assert_eq!(world.counted("parapet_guard_cache_answer_age_seconds_count{cache=\"token\"}"), 8.0);
}

#[tokio::test]
async fn revoked_token() {
    let world = World::new().await;
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    world.server.forgets("good");
    world.time.pass(10);
    refused(world.get("/metrics", "good").await, 401, RefuseReason::BadCredentials);
}

#[tokio::test]
async fn revoked_permission() {
    let world = World::new().await;
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    world.server.allows_nothing();
    world.time.pass(10);
    refused(world.get("/metrics", "good").await, 403, RefuseReason::Denied);
}

#[tokio::test]
async fn a_token_is_remembered_no_longer_than_it_lives() {
    let world = World::new().await;
    let token = jwt(&json!({"exp": BEGINNING + 4}));
    world.server.knows(&token, "alice", &[]);
    allowed(world.get("/metrics", &token).await, AllowReason::Review);
    world.time.pass(3);
    allowed(world.get("/metrics", &token).await, AllowReason::Review);
    assert_eq!(world.asked(), (1, 1));
    world.time.pass(1);
    // The API server has the last word on its own leeway; nothing is remembered of it.
    allowed(world.get("/metrics", &token).await, AllowReason::Review);
    allowed(world.get("/metrics", &token).await, AllowReason::Review);
    assert_eq!(world.asked(), (3, 3));
}

#[tokio::test]
async fn a_token_that_is_over_or_early_by_more_than_a_minute_is_not_asked_about() {
    let world = World::new().await;
    for claims in [json!({"exp": BEGINNING - 61}), json!({"nbf": BEGINNING + 61})] {
        let token = jwt(&claims);
        world.server.knows(&token, "alice", &[]);
        refused(world.get("/metrics", &token).await, 401, RefuseReason::Expired);
    }
    assert_eq!(world.asked(), (0, 0));
}

/// The reference has no such thing for access: when an answer ends, all who wait ask.
#[tokio::test]
async fn thundering_herd() {
    let world = Arc::new(World::new().await);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.get("/metrics", "good").await })
        })
        .collect();
    for decision in waiting {
        allowed(decision.await.unwrap(), AllowReason::Review);
    }
    assert_eq!(world.asked(), (1, 1));
}

#[tokio::test]
async fn bad_token_flood() {
    let mut options = Options::default();
    options.tokens.bad_per_source = Some((10.0, 20));
    let world = World::with(options).await;
    let (attacker, other) = (peer("192.0.2.66:1"), peer("192.0.2.7:1"));
    let mut throttled = 0;
    for n in 0..500 {
        let line = [("authorization", format!("Bearer bad-{n}"))];
        let line = [(line[0].0, line[0].1.as_str())];
        let refusal = world.ask_from(Method::GET, "/metrics", &line, &attacker).await.unwrap_err();
        throttled += usize::from(refusal.status == 429 && refusal.retry_after.is_some());
    }
    assert_eq!((throttled, world.asked().0), (480, 20));
    let good = [("authorization", "Bearer good")];
    allowed(world.ask_from(Method::GET, "/metrics", &good, &other).await, AllowReason::Review);
    // A good token that is remembered passes from there too.
    allowed(world.ask_from(Method::GET, "/metrics", &good, &attacker).await, AllowReason::Review);
}

/// The reference's client asks five times a second, and ten at once, for all callers together.
#[tokio::test]
async fn five_queries_per_second_of_client_side_throttling() {
    let world = World::new().await;
    for number in 0..40 {
        let path = format!("/api/{number}");
        world.server.allows("alice", "get", &path);
        // The clock stands: the fifteenth would wait for longer than a review may take.
        allowed(world.get(&path, "good").await, AllowReason::Review);
    }
    assert_eq!(world.asked(), (1, 40));
}

#[tokio::test]
async fn a_clock_that_jumps_opens_nothing() {
    let world = World::new().await;
    let token = jwt(&json!({"exp": BEGINNING + 3_600}));
    world.server.knows(&token, "alice", &[]);
    allowed(world.get("/metrics", &token).await, AllowReason::Review);
    // Beyond its end it is over, whatever is remembered.
    world.time.jump(7_200);
    refused(world.get("/metrics", &token).await, 401, RefuseReason::Expired);
    world.time.jump(-7_200);
    allowed(world.get("/metrics", &token).await, AllowReason::Review);
    // A clock that is set back makes nothing be remembered for longer.
    world.time.jump(-86_400);
    world.server.forgets(&token);
    world.time.pass(10);
    refused(world.get("/metrics", &token).await, 401, RefuseReason::BadCredentials);
}
