use std::time::Duration;

use parapet_guard::proxy::{Listener, Operations, Readiness, Security};
use parapet_guard::{Limits, Metrics};
use prometheus_client::registry::Registry;

use crate::raw::{Http1, ask, get};
use crate::world::{Options, World};

fn impatient() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(200),
        stall_timeout: Duration::from_millis(100),
        ..Limits::default()
    }
}

#[tokio::test]
async fn d1_slow_heads_and_idle_connections_end() {
    let world = World::with(Options { limits: impatient(), ..Options::default() }).await;
    // Nothing at all; half a head; a whole request and nothing more; half an HTTP/2 preface.
    for sent in ["", "GET /metrics HT", &get("/metrics", &[]), "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut connection = Http1::connect(world.guard).await;
        connection.write(sent).await;
        connection.rest().await;
    }
    let mut trickle = Http1::connect(world.guard).await;
    trickle.write("GET /metrics HTTP/1.1\r\n").await;
    let (mut read, mut write) = trickle.into_stream().into_split();
    // A line every now and then buys no more time.
    let feeding = tokio::spawn(async move {
        while tokio::io::AsyncWriteExt::write_all(&mut write, b"X: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut rest).await;
    feeding.await.unwrap();
    assert_eq!(world.sample("parapet_guard_connections{listener=\"secure\"}"), 0.0);
}

#[tokio::test]
async fn d1_slow_bodies_end() {
    let world =
        World::with(Options { limits: impatient(), ignore: vec!["/open"], ..Options::default() }).await;
    let mut connection = Http1::connect(world.guard).await;
    connection.write("POST /open HTTP/1.1\r\nHost: guard.test\r\nContent-Length: 100\r\n\r\nsome").await;
    connection.rest().await;
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn d1_connections_are_bounded() {
    for (limits, reason) in [
        (Limits { connections: 2, ..Limits::default() }, "full"),
        (Limits { connections_per_address: 2, ..Limits::default() }, "address_full"),
    ] {
        let world = World::with(Options { limits, ..Options::default() }).await;
        let mut first = Http1::connect(world.guard).await;
        let mut second = Http1::connect(world.guard).await;
        for connection in [&mut first, &mut second] {
            assert_eq!(connection.ask(get("/metrics", &[])).await.status, 200);
        }
        assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 0);
        let name =
            format!("parapet_guard_connections_refused_total{{listener=\"secure\",reason=\"{reason}\"}}");
        assert_eq!(world.sample(&name), 1.0);
        // A place that is left is given again.
        drop(first);
        while ask(world.guard, get("/metrics", &[])).await.status != 200 {}
    }
}

#[tokio::test]
async fn d1_requests_are_bounded() {
    let mut options = Options::default();
    options.policy.requests = 1;
    let held = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = parapet_guard::upstream::Address::Tcp {
        host: "127.0.0.1".to_owned(),
        port: held.local_addr().unwrap().port(),
    };
    options.upstream = Some(parapet_guard::upstream::UpstreamSettings::new(
        address,
        parapet_guard::upstream::Protocol::Http1,
    ));
    let world = World::with(options).await;
    let mut first = Http1::connect(world.guard).await;
    first.write(get("/metrics", &[])).await;
    // It has arrived, and is never answered.
    let _stream = held.accept().await.unwrap();
    let second = ask(world.guard, get("/metrics", &[])).await;
    assert_eq!((second.status, second.header("retry-after")), (503, Some("1")));
    assert_eq!(world.refused("overload"), 1.0);
}

#[tokio::test]
async fn d4_handshakes_have_their_time() {
    let certificates = crate::tls::Certificates::new();
    // One handshake at a time: whoever holds it must not hold it for long.
    let limits = Limits { handshake_timeout: Duration::from_secs(1), handshakes: 1, ..Limits::default() };
    let world =
        World::with(Options { security: certificates.security(), limits, ..Options::default() }).await;
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut silent = Http1::connect(world.guard).await;
        silent.write(sent).await;
        silent.rest().await;
    }
    let counted = |reason| {
        world.sample(&format!(
            "parapet_guard_connections_refused_total{{listener=\"secure\",reason=\"{reason}\"}}"
        ))
    };
    assert_eq!((counted("handshake_timeout"), counted("handshake")), (2.0, 1.0));
    assert!(certificates.connect(world.guard, "h2").await.is_ok());
}

#[tokio::test]
async fn r5_the_health_port_has_fixed_routes() {
    let metrics = Metrics::register(&mut Registry::default());
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind("health", any, Security::Plain, Limits::default(), metrics).await.unwrap();
    let address = listener.address();
    let readiness = Readiness::not_yet("starting");
    let serving = tokio::spawn(listener.serve(
        std::sync::Arc::new(Operations::new(readiness.clone())),
        readiness.clone(),
        std::future::pending(),
    ));
    let health = ask(address, get("/healthz", &[])).await;
    assert_eq!((health.status, health.body.as_str()), (200, "ok"));
    assert_eq!(ask(address, get("/readyz", &[])).await.status, 503);
    readiness.set_ready();
    assert_eq!(ask(address, get("/readyz", &[])).await.status, 200);
    for path in [
        "/healthz/../metrics",
        "/healthz/%2e%2e/metrics",
        "/metrics",
        "/",
        "/healthz/",
        "//healthz",
        "/HEALTHZ",
    ] {
        assert_eq!(ask(address, get(path, &[])).await.status, 404, "{path}");
    }
    assert_eq!(ask(address, get("/healthz", &[]).replace("GET", "POST")).await.status, 405);
    serving.abort();
}
