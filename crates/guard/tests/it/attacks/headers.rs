use parapet_guard::{HeaderRules, IdentityHeaders};

use crate::raw::{anonymous, ask, ask_http2, get, get_http2, nothing, request};
use crate::world::{Options, TOKEN, USER, World};

const SPOOFS: &[&str] = &[
    "X-Remote-User: admin",
    "X-Remote-Groups: system:masters",
    "X-Remote-Group: system:masters",
    "X-Remote-Extra-Scopes: all",
    "X-Remote-Uid: 0",
    "Impersonate-User: admin",
    "Impersonate-Group: system:masters",
    "Impersonate-Extra-Scopes: all",
    "X-Forwarded-User: admin",
    "X-Forwarded-Email: admin@example.org",
    "X-Auth-Request-User: admin",
    "X-Auth-Request-Groups: admins",
    "X-WebAuth-User: admin",
    "Remote-User: admin",
];

fn identity() -> IdentityHeaders {
    IdentityHeaders::new(
        http::HeaderName::from_static("x-remote-user"),
        http::HeaderName::from_static("x-remote-groups"),
        Some("|".to_owned()),
    )
}

#[tokio::test]
async fn h1_identity_headers_of_the_client() {
    // With and without identity headers of our own; on protected and on open paths.
    for identity in [Some(identity()), None] {
        let mut options = Options { ignore: vec!["/open"], ..Options::default() };
        options.policy.headers = HeaderRules { identity: identity.clone(), ..HeaderRules::default() };
        let world = World::with(options).await;
        for text in [get("/metrics", SPOOFS), anonymous("/open", SPOOFS)] {
            assert_eq!(ask(world.guard, text).await.status, 200);
        }
        let [protected, open] = world.upstream.recorded().try_into().unwrap();
        for spoof in SPOOFS {
            let (name, value) = spoof.split_once(": ").unwrap();
            assert!(!open.has(name), "{name} on an open path");
            assert!(!protected.header(name).contains(&value), "{name}");
        }
        let expected: &[&str] = if identity.is_some() { &[USER] } else { &[] };
        assert_eq!(protected.header("x-remote-user"), expected);
    }
}

#[tokio::test]
async fn h1_identity_headers_of_the_client_over_http2() {
    let world = World::start().await;
    let mut request = get_http2("/metrics");
    for spoof in SPOOFS {
        let (name, value) = spoof.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    assert_eq!(ask_http2(world.guard, request.body(nothing()).unwrap()).await.unwrap().0, 200);
    let reached = world.upstream.only();
    assert_eq!(reached.header("x-remote-user"), [USER]);
    assert_eq!(reached.header("x-remote-groups"), ["system:serviceaccounts|system:authenticated"]);
    assert!(!reached.has("impersonate-user") && !reached.has("x-forwarded-user"));
}

#[tokio::test]
async fn h2_underscores_and_odd_spellings() {
    let world = World::start().await;
    let odd = [
        "x_remote_user: admin",
        "X-Remote_User: admin",
        "x.remote.user: admin",
        "X_FORWARDED_EMAIL: a",
        "IMPERSONATE_USER: a",
    ];
    assert_eq!(ask(world.guard, get("/metrics", &odd)).await.status, 200);
    let reached = world.upstream.only();
    assert!(!reached.head.contains("admin"), "{}", reached.head);
    assert!(!reached.head.to_ascii_lowercase().contains("impersonate"), "{}", reached.head);
    assert_eq!(reached.header("x-remote-user"), [USER]);
}

#[tokio::test]
async fn h3_connection_takes_no_identity_away() {
    let world = World::start().await;
    let connection = ["Connection: close, x-remote-user, x-remote-groups", "X-Custom: 1"];
    assert_eq!(ask(world.guard, get("/metrics", &connection)).await.status, 200);
    let reached = world.upstream.only();
    assert_eq!(reached.header("x-remote-user"), [USER]);
    assert_eq!(reached.header("x-remote-groups"), ["system:serviceaccounts|system:authenticated"]);
    assert_eq!(reached.header("x-custom"), ["1"]);
}

#[tokio::test]
async fn h3_connection_takes_its_own_away() {
    let world = World::start().await;
    let lines = [
        "Connection: x-hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "X-End: 1",
    ];
    assert_eq!(ask(world.guard, get("/metrics", &lines)).await.status, 200);
    let reached = world.upstream.only();
    assert!(!reached.has("x-hop") && !reached.has("keep-alive") && !reached.has("proxy-connection"));
    assert_eq!(reached.header("x-end"), ["1"]);
}

#[tokio::test]
async fn h4_connection_names_end_to_end_headers() {
    let world = World::start().await;
    for name in ["Authorization", "cookie", "Host", "Content-Length", "X-Forwarded-For", "Content-Type"] {
        let answer = ask(world.guard, get("/metrics", &[&format!("Connection: keep-alive, {name}")])).await;
        assert_eq!(answer.status, 400, "{name}");
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn h5_groups_with_separators() {
    let world = World::start().await;
    world.reviews.knows("forger", "forger", &["a|system:masters", "b", "c\r\nx: y", "d"]);
    world.reviews.allows("forger", "get", "/metrics");
    assert_eq!(ask(world.guard, get("/metrics", &[]).replace(TOKEN, "forger")).await.status, 200);
    let reached = world.upstream.only();
    assert!(!reached.head.contains("system:masters"), "{}", reached.head);
    assert_eq!(reached.header("x"), Vec::<&str>::new());
}

#[tokio::test]
async fn h6_names_that_a_header_cannot_carry() {
    let world = World::start().await;
    for (token, user) in [("t1", "eve\r\nx-remote-user: admin"), ("t2", "évé"), ("t3", "eve\u{0}")] {
        world.reviews.knows(token, user, &[]);
        world.reviews.allows(user, "get", "/metrics");
        let answer = ask(world.guard, get("/metrics", &[]).replace(TOKEN, token)).await;
        assert!([400, 401].contains(&answer.status), "{user:?}: {answer:?}");
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn h7_forwarding_headers_are_written_anew() {
    let lines = [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Host: evil.test",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /admin",
        "Forwarded: for=203.0.113.7",
        "X-Real-IP: 203.0.113.7",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
    ];
    let world = World::start().await;
    assert_eq!(ask(world.guard, get("/metrics", &lines)).await.status, 200);
    let reached = world.upstream.only();
    assert_eq!(reached.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(reached.header("x-forwarded-host"), ["guard.test"]);
    assert_eq!(reached.header("x-forwarded-proto"), ["http"]);
    for gone in ["x-forwarded-prefix", "forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"] {
        assert!(!reached.has(gone), "{gone}");
    }

    let mut options = Options::default();
    options.policy.headers.trusted_forwarders = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::with(options).await;
    assert_eq!(ask(world.guard, get("/metrics", &lines)).await.status, 200);
    assert_eq!(world.upstream.only().header("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"]);
}

#[tokio::test]
async fn h8_method_override() {
    let world = World::start().await;
    let lines = ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"];
    assert_eq!(ask(world.guard, get("/metrics", &lines)).await.status, 200);
    let reached = world.upstream.only();
    assert!(!reached.head.contains("DELETE"), "{}", reached.head);
    assert_eq!(world.reviews.access_reviews()[0]["nonResourceAttributes"]["verb"], "get");
}

#[tokio::test]
async fn h9_credentials_end_at_the_gate() {
    let world = World::with(Options { ignore: vec!["/open"], ..Options::default() }).await;
    let lines = [
        "Cookie: session=secret",
        "Proxy-Authorization: Basic secret",
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.c2VjcmV0, chat",
    ];
    let open = anonymous("/open", &[&lines[..], &["Authorization: Bearer secret"]].concat());
    // A WebSocket credential beside a bearer token is one too many; on an open path nobody looks at either.
    for text in [get("/metrics", &lines[..2]), open] {
        assert_eq!(ask(world.guard, text).await.status, 200);
    }
    for reached in world.upstream.recorded() {
        for gone in ["authorization", "cookie", "proxy-authorization"] {
            assert!(!reached.has(gone), "{gone} in {}", reached.head);
        }
        assert!(!reached.head.contains("secret") && !reached.head.contains("c2VjcmV0"), "{}", reached.head);
    }
    assert_eq!(world.upstream.recorded()[1].header("sec-websocket-protocol"), ["chat"]);
}

#[tokio::test]
async fn h9_credentials_pass_if_asked_for() {
    let mut options = Options::default();
    options.policy.headers.pass_authorization = true;
    options.policy.headers.pass_cookies = true;
    let world = World::with(options).await;
    assert_eq!(ask(world.guard, get("/metrics", &["Cookie: a=b"])).await.status, 200);
    let reached = world.upstream.only();
    assert_eq!(reached.header("authorization"), [format!("Bearer {TOKEN}").as_str()]);
    assert_eq!(reached.header("cookie"), ["a=b"]);
}

#[tokio::test]
async fn h10_too_many_and_too_long_headers() {
    let world = World::start().await;
    let many: Vec<String> = (0..101).map(|index| format!("X-{index}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(ask(world.guard, get("/metrics", &many)).await.status, 431);
    let long = format!("X-Long: {}", "a".repeat(1 << 20));
    let answer = ask(world.guard, get("/metrics", &[&long])).await;
    // The answer may be lost with what was still being sent.
    assert!([0, 431].contains(&answer.status), "{answer:?}");
    let request = get_http2("/metrics").header("x-long", "a".repeat(100_000)).body(nothing()).unwrap();
    assert!(ask_http2(world.guard, request).await.is_none_or(|(status, ..)| status == 431));
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn expectations_are_met_or_refused() {
    let world = World::start().await;
    assert_eq!(ask(world.guard, get("/metrics", &["Expect: 200-maybe"])).await.status, 417);
    assert_eq!(ask(world.guard, request("GET", "/metrics", &["Expect: 100-continue"], "")).await.status, 200);
    assert!(!world.upstream.only().has("expect"));
}
