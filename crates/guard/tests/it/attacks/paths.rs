use http::Request;

use crate::raw::{anonymous, ask, ask_http2, get, get_http2, nothing, request};
use crate::world::{Options, World};

/// Each target is refused with 400 with and without credentials, over both versions; nobody is asked, nothing is forwarded.
async fn refused(world: &World, targets: &[&str]) {
    for target in targets {
        for text in [get(target, &[]), anonymous(target, &[])] {
            assert_eq!(ask(world.guard, text).await.status, 400, "{target}");
        }
        // What the client's own library can't write as a target can't be sent this way.
        if let Ok(request) = get_http2(target).body(nothing()) {
            let answer = ask_http2(world.guard, request).await;
            assert!(answer.is_none_or(|(status, ..)| status == 400), "{target} over HTTP/2");
        }
    }
    assert_eq!(world.upstream.recorded(), []);
    assert!(world.reviews.token_reviews().is_empty());
    assert!(world.reviews.access_reviews().is_empty());
}

async fn open_to_all(ignore: &[&'static str]) -> World {
    World::with(Options { ignore: ignore.to_vec(), ..Options::default() }).await
}

#[tokio::test]
async fn p1_encoded_dot_segments() {
    let world = World::start().await;
    refused(
        &world,
        &[
            "/api/%2e%2e/metrics",
            "/api/%2E./metrics",
            "/api/.%2e/metrics",
            "/x/..%2fy",
            "/api/%2e/metrics",
            "/%2e%2e",
        ],
    )
    .await;
    assert!(world.refused("path") > 0.0);
}

#[tokio::test]
async fn p2_literal_dots_and_empty_segments() {
    let world = World::start().await;
    refused(
        &world,
        &["/api/../metrics", "/./metrics", "//metrics", "/api//v1", "/api/./v1", "/api/..", "/.."],
    )
    .await;
}

#[tokio::test]
async fn p3_double_encoding() {
    let world = open_to_all(&["/api/*"]).await;
    refused(&world, &["/api/%252e%252e%252fmetrics", "/api/%252e%252e", "/api/%25252e"]).await;
}

#[tokio::test]
async fn p4_encoded_slash_and_backslash() {
    let world = open_to_all(&["/api/*"]).await;
    refused(
        &world,
        &["/api%2fv1", "/api/..%5cx", "/api/a%5Cb", "/api/..\\..\\x", "/api\\v1", "/api/v1%2Flabels"],
    )
    .await;
}

#[tokio::test]
async fn p5_path_parameters() {
    let world = open_to_all(&["/metrics", "/api/*"]).await;
    refused(&world, &["/api/..;/x", "/api/.;x/y", "/;/metrics", "/api/v1/..;"]).await;
    // Otherwise a parameter is part of the path, and such a path is open to nobody.
    assert_eq!(ask(world.guard, anonymous("/metrics;x", &[])).await.status, 401);
    assert_eq!(ask(world.guard, anonymous("/api/v1;x", &[])).await.status, 401);
    assert_eq!(ask(world.guard, anonymous("/metrics", &[])).await.status, 200);
    assert_eq!(world.upstream.only().target(), "/metrics");
}

#[tokio::test]
async fn p6_control_bytes_raw_text_and_bad_escapes() {
    let world = World::start().await;
    refused(
        &world,
        &["/a%00", "/a%0d%0ab", "/a%zz", "/a%2", "/a%", "/%ff", "/a%7f", "/\"x", "/a|b", "/a<b>"],
    )
    .await;
    for raw in
        [&b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        assert_eq!(ask(world.guard, raw).await.status, 400);
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn p6_escaped_text_is_forwarded_as_it_was_authorised() {
    let world = World::start().await;
    assert_eq!(ask(world.guard, get("/api/caf%C3%A9%20x", &[])).await.status, 200);
    assert_eq!(world.upstream.only().target(), "/api/caf%C3%A9%20x");
    let asked = world.reviews.access_reviews();
    assert_eq!(asked[0]["nonResourceAttributes"]["path"], "/api/café x");
}

#[tokio::test]
async fn p7_fragment_in_the_target() {
    let world = open_to_all(&["/public"]).await;
    // hyper drops a fragment unseen: it is found before hyper reads it.
    assert_eq!(ask(world.guard, get("/public#x", &[])).await.status, 400);
    assert_eq!(ask(world.guard, get("/public?a=b#x", &[])).await.status, 400);
    assert_eq!(ask(world.guard, get("/public%23x", &[])).await.status, 400);
    assert_eq!(world.upstream.recorded(), []);
    assert_eq!(world.refused("malformed"), 2.0);
    // HTTP/2's library drops it, too: matched, authorised and forwarded is the same path without it.
    let request = Request::get("http://guard.test/public").body(nothing()).unwrap();
    assert_eq!(ask_http2(world.guard, request).await.unwrap().0, 200);
    assert_eq!(world.upstream.only().target(), "/public");
}

#[tokio::test]
async fn p8_case_and_trailing_slash() {
    let world = open_to_all(&["/metrics"]).await;
    for other in ["/METRICS", "/metrics/", "/Metrics"] {
        assert_eq!(ask(world.guard, anonymous(other, &[])).await.status, 401, "{other}");
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn p9_glob_parent_escape() {
    for krp in [false, true] {
        let world = World::with(Options { ignore: vec!["/static/*"], krp, ..Options::default() }).await;
        refused(&world, &["/static/%2e%2e", "/static/..", "/static/%2e%2e/secret", "/static/..%2fsecret"])
            .await;
        assert_eq!(ask(world.guard, anonymous("/static/x", &[])).await.status, 200);
    }
}

#[tokio::test]
async fn p9_globs_stay_closed_in_compatibility() {
    let mut options = Options { ignore: vec!["/static/*"], krp: true, ..Options::default() };
    options.policy.paths = parapet_guard::PathRules::Lenient;
    let world = World::with(options).await;
    refused(
        &world,
        &[
            "/static/%2e%2e",
            "/static/%252e%252e",
            "/static/..%5csecret",
            "/static/%2e%2e%2fsecret",
            "/static/.%2e;x",
        ],
    )
    .await;
}

#[tokio::test]
async fn p10_odd_targets() {
    let world = World::start().await;
    let host = "Host: guard.test\r\nAuthorization: Bearer good-token\r\n\r\n";
    for (line, status) in [
        ("GET http://evil.test/metrics HTTP/1.1", 400),
        ("GET metrics HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("GET ftp://guard.test/metrics HTTP/1.1", 400),
        ("GET http://u@guard.test/metrics HTTP/1.1", 400),
        ("CONNECT guard.test:443 HTTP/1.1", 405),
        ("CONNECT /api/v1/../../secret HTTP/1.1", 405),
        ("TRACE /metrics HTTP/1.1", 405),
        ("get /metrics HTTP/1.1", 405),
    ] {
        let answer = ask(world.guard, format!("{line}\r\n{host}")).await;
        assert!(
            answer.status == status || (answer.status == 400 && line.starts_with("CONNECT /")),
            "{line}: {answer:?}"
        );
    }
    assert_eq!(world.upstream.recorded(), []);
    assert!(world.reviews.token_reviews().is_empty());
    // An absolute target that agrees with Host is a path like any other.
    assert_eq!(
        ask(world.guard, format!("GET http://guard.test/metrics HTTP/1.1\r\n{host}")).await.status,
        200
    );
    assert_eq!(world.upstream.only().request_line(), "GET /metrics HTTP/1.1");
}

#[tokio::test]
async fn p10_connect_and_trace_over_http2() {
    let world = World::start().await;
    let trace = get_http2("/metrics").method("TRACE").body(nothing()).unwrap();
    assert_eq!(ask_http2(world.guard, trace).await.unwrap().0, 405);
    let connect = Request::connect("guard.test:443").body(nothing()).unwrap();
    assert_eq!(ask_http2(world.guard, connect).await.unwrap().0, 405);
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn p10_methods_are_what_they_are_called() {
    let world = World::start().await;
    // A method that the role doesn't name is denied, whatever the path.
    for method in ["DELETE", "OPTIONS", "PROPFIND"] {
        assert_eq!(ask(world.guard, request(method, "/metrics", &[], "")).await.status, 403, "{method}");
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn p11_default_roles_overlap() {
    // A path that Kubernetes' default roles open to everybody is not reachable unless it is listed.
    let options = Options { allow: Some(vec!["/metrics"]), ..Options::default() };
    let world = World::with(options).await;
    world.reviews.allows(crate::world::USER, "get", "/healthz");
    for path in ["/api/x", "/healthz", "/version"] {
        assert_eq!(ask(world.guard, get(path, &[])).await.status, 404, "{path}");
    }
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 200);
    assert_eq!(world.upstream.only().target(), "/metrics");
}
