//! What kube-rbac-proxy is known to get wrong on the data path. Each test is named after the fault that it doesn't find here.

use crate::raw::{Http1, anonymous, ask, get};
use crate::world::{Options, World};

#[tokio::test]
async fn two_idle_connections_and_churn_beyond() {
    let world = World::start().await;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(Http1::connect(world.guard).await);
    }
    for _ in 0..20 {
        let asked = clients.iter_mut().map(|client| client.ask(get("/metrics", &[])));
        for answer in futures::future::join_all(asked).await {
            assert_eq!(answer.status, 200);
        }
    }
    assert_eq!(world.upstream.recorded().len(), 320);
    // Sixteen at once need sixteen connections; the reference closes and opens one for nearly each request.
    assert!(world.upstream.connections() <= 16, "{}", world.upstream.connections());
}

#[tokio::test]
async fn parameters_that_only_the_upstream_sees() {
    // CVE-2022-2880, golang/go#78948: forwarded whole, authorised in part.
    let world = World::start().await;
    assert_eq!(ask(world.guard, get("/metrics?a=1;b=2", &[])).await.status, 400);
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn redirects_before_authentication() {
    // Its multiplexer answers unclean paths with a redirect to whoever asks.
    let world = World::start().await;
    let answer = ask(world.guard, anonymous("/api/../metrics", &[])).await;
    assert_eq!((answer.status, answer.header("location")), (400, None));
}

#[tokio::test]
async fn an_asterisk_answered_before_any_handler() {
    let world = World::start().await;
    assert_eq!(ask(world.guard, "OPTIONS * HTTP/1.1\r\nHost: guard.test\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn a_window_that_overflows() {
    // --http2-max-size times --http2-max-concurrent-streams overflows an int32 there.
    let limits =
        parapet_guard::Limits { streams: 100_000, frame_bytes: 1 << 24, ..parapet_guard::Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }).await;
    let request = crate::raw::get_http2("/metrics").body(crate::raw::nothing()).unwrap();
    assert_eq!(crate::raw::ask_http2(world.guard, request).await.unwrap().0, 200);
}

#[tokio::test]
async fn gzip_asked_for_in_the_clients_name() {
    let world = World::start().await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 200);
    assert!(!world.upstream.only().has("accept-encoding"));
}
