use std::time::Duration;

use crate::raw::{anonymous, ask, get};
use crate::reviews::Fault;
use crate::world::{Options, TOKEN, World};

#[tokio::test]
async fn a1_a_revoked_token_is_refused_after_its_time() {
    let world = World::with(Options { cached_for: Duration::from_millis(100), ..Options::default() }).await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 200);
    world.reviews.forgets(TOKEN);
    let refused = async { while ask(world.guard, get("/metrics", &[])).await.status != 401 {} };
    refused.await;
}

#[tokio::test]
async fn a2_a_right_taken_away_is_refused_after_its_time() {
    let world = World::with(Options { cached_for: Duration::from_millis(100), ..Options::default() }).await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 200);
    world.reviews.allows_nothing();
    let refused = async { while ask(world.guard, get("/metrics", &[])).await.status != 403 {} };
    refused.await;
}

#[tokio::test]
async fn a5_an_api_server_that_gives_no_answer() {
    for fault in [Fault::Status(500), Fault::Status(429), Fault::Hang, Fault::Garbage, Fault::Reset] {
        let world = World::with(Options { cached_for: Duration::ZERO, ..Options::default() }).await;
        world.reviews.fails(fault);
        let answer = ask(world.guard, get("/metrics", &[])).await;
        assert_eq!(answer.status, 503, "{fault:?}: {answer:?}");
        assert!(
            answer.header("retry-after").is_some_and(|after| after.parse::<u64>().unwrap() >= 1),
            "{answer:?}"
        );
        assert_eq!(world.upstream.recorded(), [], "{fault:?}");
        assert_eq!(world.refused("review_unavailable"), 1.0);
    }
}

#[tokio::test]
async fn a8_two_authorization_headers() {
    let world = World::start().await;
    for second in
        ["Authorization: Bearer other", "Authorization: Basic dTpw", "authorization: Bearer good-token"]
    {
        assert_eq!(ask(world.guard, get("/metrics", &[second])).await.status, 400, "{second}");
    }
    for odd in ["Bearer good-token, Bearer x", "Basic dTpw", "Bearer", "Bearer  ", "good-token"] {
        let answer = ask(world.guard, anonymous("/metrics", &[&format!("Authorization: {odd}")])).await;
        assert!([400, 401].contains(&answer.status), "{odd}: {answer:?}");
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn a12_a_refusal_says_nothing_of_why() {
    let world = World::start().await;
    let denied = ask(world.guard, get("/secret", &[])).await;
    assert_eq!(denied.status, 403);
    assert!(!denied.body.to_ascii_lowercase().contains("rbac"), "{}", denied.body);
    let unknown = ask(world.guard, get("/secret", &[]).replace(TOKEN, "bad")).await;
    let nobody = ask(world.guard, anonymous("/secret", &[])).await;
    assert_eq!((unknown.status, &unknown.body), (nobody.status, &nobody.body));
}
