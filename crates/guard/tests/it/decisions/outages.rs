//! An API server that fails: the answer is no, the process lives, the counter moves, and when it is well again so are we.

use std::time::Duration;

use http::StatusCode;
use parapet_guard::{AllowReason, RefuseReason};
use serde_json::json;

use super::{Options, World, allowed, refused};
use crate::reviews::Fault;

const FAULTS: [(Fault, &str); 6] = [
    (Fault::Status(500), "status"),
    (Fault::Status(503), "status"),
    (Fault::Status(429), "throttled"),
    (Fault::Hang, "timeout"),
    (Fault::Garbage, "garbage"),
    (Fault::Reset, "transport"),
];

fn krp() -> Options {
    let mut options = Options::default();
    options.rules.krp = true;
    options
}

/// After failures in a row nobody asks for a second; then one tries.
fn over(world: &World) {
    world.server.fails(Fault::None);
    world.time.pass(2);
}

#[tokio::test]
async fn tokens_of_an_api_server_that_fails() {
    for (fault, reason) in FAULTS {
        let world = World::new().await;
        world.server.fails(fault);
        let refusal = refused(world.get("/metrics", "good").await, 503, RefuseReason::ReviewUnavailable);
        assert!(refusal.retry_after.is_some_and(|after| !after.is_zero()), "{fault:?}");
        let line = format!("parapet_guard_review_failures_total{{kind=\"token\",reason=\"{reason}\"}}");
        assert_eq!(world.counted(&line), 1.0, "{fault:?}");
        over(&world);
        allowed(world.get("/metrics", "good").await, AllowReason::Review);
    }
}

#[tokio::test]
async fn rights_of_an_api_server_that_fails() {
    for (fault, reason) in FAULTS {
        let world = World::new().await;
        allowed(world.get("/metrics", "good").await, AllowReason::Review);
        world.server.fails(fault);
        // What is remembered goes on.
        allowed(world.get("/metrics", "good").await, AllowReason::Review);
        let refusal = refused(world.get("/other", "good").await, 503, RefuseReason::ReviewUnavailable);
        assert!(refusal.retry_after.is_some(), "{fault:?}");
        let line = format!("parapet_guard_review_failures_total{{kind=\"access\",reason=\"{reason}\"}}");
        assert_eq!(world.counted(&line), 1.0, "{fault:?}");
        over(&world);
        refused(world.get("/other", "good").await, 403, RefuseReason::Denied);
    }
}

#[tokio::test]
async fn a_stale_yes_serves_an_outage_if_asked_for_and_a_no_never() {
    let minute = Duration::from_secs(60);
    let mut options = Options::default();
    (options.tokens.stale_for, options.access.stale_for) = (minute, minute);
    let world = World::with(options).await;
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    refused(world.get("/other", "good").await, 403, RefuseReason::Denied);
    world.server.fails(Fault::Reset);
    // Ten seconds are an answer's life, sixty more the time that was asked for.
    world.time.pass(69);
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    refused(world.get("/other", "good").await, 503, RefuseReason::ReviewUnavailable);
    refused(world.get("/metrics", "never-seen").await, 503, RefuseReason::ReviewUnavailable);
    let stale = |cache| format!("parapet_guard_cache_lookups_total{{cache=\"{cache}\",result=\"stale\"}}");
    assert_eq!((world.counted(&stale("token")), world.counted(&stale("access"))), (2.0, 1.0));
    world.time.pass(1);
    refused(world.get("/metrics", "good").await, 503, RefuseReason::ReviewUnavailable);
    // Who answers "no" is believed at once.
    over(&world);
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    world.time.pass(11);
    world.server.answers("good", json!({"authenticated": false}));
    refused(world.get("/metrics", "good").await, 401, RefuseReason::BadCredentials);
    world.server.fails(Fault::Reset);
    world.time.pass(11);
    refused(world.get("/metrics", "good").await, 503, RefuseReason::ReviewUnavailable);
}

#[tokio::test]
async fn compatibility_tells_outages_as_the_reference_does() {
    let world = World::with(krp()).await;
    world.server.fails(Fault::Garbage);
    let refusal = refused(world.get("/metrics", "good").await, 401, RefuseReason::ReviewUnavailable);
    assert_eq!((refusal.body.as_ref(), refusal.retry_after), ("Unauthorized", None));
    over(&world);
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    world.server.fails(Fault::Garbage);
    let refusal = refused(world.get("/other", "good").await, 500, RefuseReason::ReviewUnavailable);
    assert_eq!(refusal.body, "Authorization error (user=alice, verb=get, resource=, subresource=)");
}

#[tokio::test]
async fn an_api_server_that_stops_and_comes_back_is_left_alone_meanwhile() {
    let world = World::new().await;
    world.server.fails(Fault::Reset);
    for n in 0..20 {
        refused(world.get("/metrics", &format!("t{n}")).await, 503, RefuseReason::ReviewUnavailable);
    }
    let asked = world.asked().0;
    assert!(asked <= 8, "{asked} attempts, though it failed eight times in a row");
    assert!(world.counted("parapet_guard_review_failures_total{kind=\"token\",reason=\"open\"}") >= 1.0);
    over(&world);
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
}

#[tokio::test]
async fn a_short_failure_is_waited_out() {
    let world = World::new().await;
    world.server.fails(Fault::Reset);
    let well_again = async {
        while world.asked().0 == 0 {
            tokio::task::yield_now().await;
        }
        world.server.fails(Fault::None);
    };
    let (decision, ()) = tokio::join!(world.get("/metrics", "good"), well_again);
    allowed(decision, AllowReason::Review);
}

#[tokio::test]
async fn an_api_server_that_does_not_let_us_ask() {
    let world = World::new().await;
    world.server.fails(Fault::Status(403));
    let refusal = refused(world.get("/metrics", "good").await, 503, RefuseReason::ReviewUnavailable);
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.asked().0, 1, "asking again gives the same answer");
    assert_eq!(
        world.counted("parapet_guard_review_failures_total{kind=\"token\",reason=\"not_allowed\"}"),
        1.0
    );
}

#[tokio::test]
async fn a_review_without_a_status() {
    let world = World::new().await;
    world.server.answers("odd", json!(null));
    refused(world.get("/metrics", "odd").await, 503, RefuseReason::ReviewUnavailable);
}

/// An authorizer that fails may be the one that would allow it: the refusal holds for that moment alone.
#[tokio::test]
async fn a_no_of_an_authorizer_that_failed_is_not_remembered() {
    let world = World::new().await;
    let unsure = |world: &World| world.counted("parapet_guard_review_evaluation_errors_total");
    world.server.is_unsure(Some("webhook authorizer: connection refused"));
    for asked in 1..=2 {
        refused(world.get("/other", "good").await, 403, RefuseReason::Denied);
        assert_eq!((world.asked().1, unsure(&world)), (asked, asked as f64));
    }
    // Who is allowed by another authorizer is sure, and remembered.
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    assert_eq!((world.asked().1, unsure(&world)), (3, 2.0));
    world.server.is_unsure(None);
    world.server.allows("alice", "get", "/other");
    allowed(world.get("/other", "good").await, AllowReason::Review);
    world.server.is_unsure(Some(""));
    refused(world.get("/third", "good").await, 403, RefuseReason::Denied);
    refused(world.get("/third", "good").await, 403, RefuseReason::Denied);
    assert_eq!((world.asked().1, unsure(&world)), (5, 2.0), "an empty reason is none");
}
