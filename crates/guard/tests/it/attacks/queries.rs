use http::HeaderName;
use parapet_guard::authz::Rewrites;

use crate::raw::{ask, ask_http2, get, get_http2, nothing, request};
use crate::world::{Options, USER, World};

async fn by_parameter() -> World {
    let rewrites = Rewrites { parameter: Some("namespace".to_owned()), header: None };
    let world = World::with(Options { rewrites: Some(rewrites), ..Options::default() }).await;
    world.reviews.allows(USER, "get", "ok/pods");
    world.reviews.allows(USER, "get", "fine/pods");
    world
}

#[tokio::test]
async fn q1_no_parameter_that_the_gate_did_not_see() {
    let world = by_parameter().await;
    let many = format!("namespace=ok{}", "&a=1".repeat(10_001));
    for query in [
        "namespace=ok&x=1;namespace=bad",
        "namespace=ok&%6eamespace=bad",
        "namespace=ok&Namespace=bad",
        "namespace=ok&namespace[]=bad",
        "namespace=ok&namespace%00=bad",
        "namespace=ok&namespace%5B0%5D=bad",
        "namespace=ok&a=%zz",
        "namespace=ok&a=%ff",
        "namespace=ok&=bad",
        "Namespace=ok",
        "namespace[]=ok",
        &many,
    ] {
        let target = format!("/metrics?{query}");
        assert_eq!(ask(world.guard, get(&target, &[])).await.status, 400, "{target}");
        if let Ok(request) = get_http2(&target).body(nothing()) {
            let answer = ask_http2(world.guard, request).await;
            assert!(answer.is_none_or(|(status, ..)| status == 400 || status == 431), "{target} over HTTP/2");
        }
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn q1_what_is_forwarded_is_what_was_authorised() {
    let world = by_parameter().await;
    let target = "/metrics?%6eamespace=ok&b=x+y%2Bz&&c&match[]=up";
    assert_eq!(ask(world.guard, get(target, &[])).await.status, 200);
    assert_eq!(world.upstream.only().target(), "/metrics?namespace=ok&b=x%20y%2Bz&c&match%5B%5D=up");
    assert_eq!(world.reviews.access_reviews()[0]["resourceAttributes"]["namespace"], "ok");
}

#[tokio::test]
async fn q1_every_value_is_authorised() {
    let world = by_parameter().await;
    assert_eq!(ask(world.guard, get("/metrics?namespace=ok&namespace=fine", &[])).await.status, 200);
    assert_eq!(ask(world.guard, get("/metrics?namespace=ok&namespace=bad", &[])).await.status, 403);
    assert_eq!(world.upstream.recorded().len(), 1);
}

#[tokio::test]
async fn q2_parameters_in_a_form_body() {
    let world = by_parameter().await;
    world.reviews.allows(USER, "create", "ok/pods");
    let headers = ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 13"];
    let answer = ask(world.guard, request("POST", "/metrics?namespace=ok", &headers, "namespace=bad")).await;
    assert_eq!(answer.status, 415);
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn q3_many_values() {
    let world = by_parameter().await;
    let values: Vec<String> = (0..200).map(|index| format!("namespace=n{index}")).collect();
    assert_eq!(ask(world.guard, get(&format!("/metrics?{}", values.join("&")), &[])).await.status, 400);
    assert!(world.reviews.access_reviews().is_empty());
}

#[tokio::test]
async fn q4_q5_values_that_are_no_names() {
    let world = by_parameter().await;
    for value in ["*", "", "..", "a/b", "a,b", "A", "ok%20", "-a"] {
        let answer = ask(world.guard, get(&format!("/metrics?namespace={value}"), &[])).await;
        assert_eq!(answer.status, 400, "{value}");
    }
    let header = Some(HeaderName::from_static("x-namespace"));
    let rewrites = Rewrites { parameter: None, header };
    let by_header = World::with(Options { rewrites: Some(rewrites), ..Options::default() }).await;
    by_header.reviews.allows(USER, "get", "ok/pods");
    for value in ["ok,bad", "ok, bad", "*", ""] {
        let answer = ask(by_header.guard, get("/metrics", &[&format!("X-Namespace: {value}")])).await;
        assert_eq!(answer.status, 400, "{value}");
    }
    assert_eq!(
        ask(by_header.guard, get("/metrics", &["X-Namespace: ok", "X-Namespace: bad"])).await.status,
        403
    );
    assert_eq!(ask(by_header.guard, get("/metrics", &["X-Namespace: ok"])).await.status, 200);
    assert_eq!(by_header.upstream.recorded().len(), 1);
    assert_eq!(world.upstream.recorded(), []);
}
