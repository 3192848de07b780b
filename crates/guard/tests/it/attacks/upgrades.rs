use std::time::Duration;

use parapet_guard::proxy::TunnelRules;
use parapet_guard::review::ReviewLimits;

use crate::raw::{Http1, ask, get, request};
use crate::reviews::Fault;
use crate::upstream::{Upstream, ok};
use crate::world::{Options, TOKEN, World};

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ASK: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

async fn world(tunnels: TunnelRules, answer: &'static [u8]) -> World {
    let upstream = Upstream::scripted(move |_| answer.to_vec()).await;
    World::before(upstream, Options { tunnels, cached_for: Duration::ZERO, ..Options::default() }).await
}

fn tunnels() -> TunnelRules {
    TunnelRules { paths: vec!["/api/ws".to_owned()], ..TunnelRules::default() }
}

#[tokio::test]
async fn s3_upgrades_are_off() {
    let world = world(TunnelRules::default(), SWITCH).await;
    assert_eq!(ask(world.guard, get("/api/ws", &ASK)).await.status, 403);
    assert_eq!(world.upstream.recorded(), []);
    assert_eq!(world.refused("upgrade"), 1.0);
}

#[tokio::test]
async fn s3_upgrades_only_where_they_are_allowed() {
    let world = world(tunnels(), SWITCH).await;
    for path in ["/api/other", "/api/ws/x", "/api/ws;x", "/metrics"] {
        assert_eq!(ask(world.guard, get(path, &ASK)).await.status, 403, "{path}");
    }
    assert_eq!(ask(world.guard, get("/api/ws", &ASK).replace(TOKEN, "bad")).await.status, 401);
    assert_eq!(world.upstream.recorded(), []);
    let mut connection = Http1::connect(world.guard).await;
    let answer = connection.ask(get("/api/ws", &ASK)).await;
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("websocket")));
    // What goes through is not HTTP, and comes back as it went.
    connection.write(b"\x00\xffGET /secret HTTP/1.1\n\n").await;
    assert_eq!(connection.read_exactly(24).await, b"\x00\xffGET /secret HTTP/1.1\n\n");
    let reached = world.upstream.only();
    assert_eq!(reached.header("upgrade"), ["websocket"]);
    assert_eq!(reached.header("sec-websocket-key").len(), 1);
    assert!(!reached.has("authorization"));
}

#[tokio::test]
async fn s3_only_websockets_are_upgrades() {
    let upstream = Upstream::start().await;
    let world = World::before(upstream, Options { tunnels: tunnels(), ..Options::default() }).await;
    // Other protocols are not passed on: the request is one like any other.
    for other in ["SPDY/3.1", "h2c", "websocket, h2c", "tcp"] {
        let lines = [
            "Connection: Upgrade, HTTP2-Settings",
            &format!("Upgrade: {other}"),
            "HTTP2-Settings: AAMAAABkAAQAAP__",
        ];
        assert_eq!(ask(world.guard, get("/api/ws", &lines)).await.status, 200, "{other}");
    }
    for reached in world.upstream.recorded() {
        assert!(!reached.has("upgrade") && !reached.has("http2-settings"), "{}", reached.head);
    }
}

#[tokio::test]
async fn s3_an_upgrade_has_no_body() {
    // CVE-2026-58055: a body behind an upgrade, read as a request by a backend that doesn't upgrade.
    let world = world(tunnels(), SWITCH).await;
    let smuggled = "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = format!("Content-Length: {}", smuggled.len());
    let lines = [&ASK[..], &[length.as_str()]].concat();
    assert_eq!(ask(world.guard, request("GET", "/api/ws", &lines, smuggled)).await.status, 400);
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn s3_the_answer_must_be_what_was_asked_for() {
    for (answer, status) in [
        (&b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: spdy\r\n\r\n"[..], 502),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 502),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", 200),
    ] {
        let world = world(tunnels(), answer).await;
        let mut connection = Http1::connect(world.guard).await;
        assert_eq!(connection.ask(get("/api/ws", &ASK)).await.status, status);
        // No tunnel was left behind (CVE-2018-1002105): what comes next is a request, and is authorised.
        let next = connection.ask(get("/secret", &["Connection: close"])).await;
        assert!(next.status == 403 || next.status == 0, "{next:?}");
        assert_eq!(world.upstream.recorded().len(), 1);
    }
}

#[tokio::test]
async fn s3_no_101_without_an_upgrade() {
    let world = world(tunnels(), SWITCH).await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 502);
}

#[tokio::test]
async fn s4_a_tunnel_ends_when_its_caller_may_no_longer_have_it() {
    let rules = TunnelRules { recheck: Duration::from_millis(50), ..tunnels() };
    let world = world(rules, SWITCH).await;
    let mut connection = Http1::connect(world.guard).await;
    assert_eq!(connection.ask(get("/api/ws", &ASK)).await.status, 101);
    connection.write("ping").await;
    assert_eq!(connection.read_exactly(4).await, b"ping");
    world.reviews.allows_nothing();
    assert_eq!(connection.rest().await, b"");
    assert_eq!(world.sample("parapet_guard_tunnels_ended_total{reason=\"revoked\"}"), 1.0);
    assert_eq!(world.sample("parapet_guard_tunnels "), 0.0);
}

#[tokio::test]
async fn s4_a_tunnel_goes_on_while_the_api_server_takes_its_time() {
    let upstream = Upstream::scripted(|_| SWITCH.to_vec()).await;
    let forever = Duration::from_secs(3600);
    let options = Options {
        tunnels: TunnelRules { recheck: Duration::from_millis(50), ..tunnels() },
        cached_for: Duration::ZERO,
        patience: ReviewLimits { deadline: forever, attempt: forever, ..ReviewLimits::default() },
        ..Options::default()
    };
    let world = World::before(upstream, options).await;
    let mut connection = Http1::connect(world.guard).await;
    assert_eq!(connection.ask(get("/api/ws", &ASK)).await.status, 101);
    world.reviews.fails(Fault::Hang);
    let asked = world.reviews.token_reviews().len();
    while world.reviews.token_reviews().len() == asked {
        connection.write("ping").await;
        assert_eq!(connection.read_exactly(4).await, b"ping");
    }
    connection.write("pong").await;
    assert_eq!(connection.read_exactly(4).await, b"pong");
}

#[tokio::test]
async fn s4_a_tunnel_has_a_longest_life() {
    let world = world(TunnelRules { lifetime: Duration::from_millis(100), ..tunnels() }, SWITCH).await;
    let mut connection = Http1::connect(world.guard).await;
    assert_eq!(connection.ask(get("/api/ws", &ASK)).await.status, 101);
    assert_eq!(connection.rest().await, b"");
    assert_eq!(world.sample("parapet_guard_tunnels_ended_total{reason=\"expired\"}"), 1.0);
}

#[tokio::test]
async fn s5_h2c_upgrade_is_never_passed_on() {
    let world = World::before(Upstream::scripted(|_| ok("ok")).await, Options::default()).await;
    let lines = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    assert_eq!(ask(world.guard, get("/metrics", &lines)).await.status, 200);
    let reached = world.upstream.only();
    assert!(
        !reached.has("upgrade") && !reached.has("http2-settings") && !reached.has("connection"),
        "{}",
        reached.head
    );
}
