//! What strangers cannot do.

use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use parapet_listen::Limits;
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, get, patient, text};

/// Passes soon, and only ever while a test has nothing else to wait for.
const SOON: Duration = Duration::from_millis(50);

fn hello() -> Router {
    Router::new().route("/", on_get(async || "hello"))
}

fn failures(reason: &str) -> String {
    format!("parapet_listen_handshake_failures_total{{listener=\"test\",reason=\"{reason}\"}}")
}

/// Everything that the peer sends until it closes.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map(|_| bytes)
}

#[tokio::test]
async fn a_request_without_tls_gets_a_clean_close_and_no_byte() {
    let world = World::serve(patient(), hello()).await;
    let mut tcp = world.tcp().await;
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut tcp).await.unwrap(), b"");
    world.until(&failures("not_tls"), 1).await;
    assert_eq!(world.metric("parapet_listen_requests_total{listener=\"test\",protocol=\"h1\"}"), 0);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() {
    let world = World::serve(Limits { handshake_timeout: SOON, ..patient() }, hello()).await;
    let mut silent = world.tcp().await;
    let mut halfway = world.tcp().await;
    // The first bytes of a ClientHello, and no more.
    halfway.write_all(&[22, 3, 1, 0, 200, 1]).await.unwrap();
    drop(rest(&mut silent).await);
    drop(rest(&mut halfway).await);
    world.until(&failures("timeout"), 2).await;
}

#[tokio::test]
async fn why_there_was_no_session_is_counted() {
    let world = World::serve(patient(), hello()).await;
    drop(world.tcp().await);
    world.until(&failures("closed"), 1).await;

    world.tls_with(RootCertStore::empty(), &[]).await.unwrap_err();
    world.until(&failures("rejected_by_peer"), 1).await;

    world.tls_with(RootCertStore::empty(), &["spdy/1"]).await.unwrap_err();
    world.until(&failures("incompatible"), 1).await;

    let mut tcp = world.tcp().await;
    tcp.write_all(&[22, 3, 1, 0, 4, 99, 0, 0, 0]).await.unwrap();
    drop(rest(&mut tcp).await);
    world.until(&failures("malformed"), 1).await;
}

#[tokio::test]
async fn connections_beyond_the_bound_are_refused_until_one_ends() {
    let world = World::serve(Limits { max_connections: 2, ..patient() }, hello()).await;
    let (mut one, two) = (world.h1().await, world.h1().await);
    let mut refused = world.tcp().await;
    drop(rest(&mut refused).await);
    let counted =
        "parapet_listen_refused_connections_total{listener=\"test\",reason=\"too_many_connections\"}";
    world.until(counted, 1).await;
    assert_eq!(text(one.send_request(get("/")).await.unwrap()).await, "hello", "others do not notice");
    drop(two);
    world.until("parapet_listen_open_connections{listener=\"test\"}", 1).await;
    assert_eq!(text(world.h1().await.send_request(get("/")).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn headers_that_dribble_are_given_up() {
    let world =
        World::serve(Limits { header_timeout: SOON, shutdown_grace: SOON, ..patient() }, hello()).await;
    let mut slow = world.tls(&["http/1.1"]).await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    drop(rest(&mut slow).await);
    let mut silent = world.tls(&["http/1.1"]).await;
    drop(rest(&mut silent).await);
    let mut silent = world.tls(&["h2"]).await;
    // Not even the preface: the listener says goodbye, waits its grace, and closes.
    drop(rest(&mut silent).await);
    world.until("parapet_listen_open_connections{listener=\"test\"}", 0).await;
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let world = World::serve(Limits { max_header_bytes: 8192, ..patient() }, hello()).await;
    let large = || {
        let mut request = get("/");
        request.headers_mut().insert("x-large", "x".repeat(10_000).parse().unwrap());
        request
    };
    assert_eq!(world.h1().await.send_request(large()).await.unwrap().status(), 431);
    assert_eq!(world.h2().await.send_request(large()).await.unwrap().status(), 431);
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_and_a_busy_one_is_not() {
    let (release, released) = tokio::sync::watch::channel(false);
    let slow = move || {
        let mut released = released.clone();
        async move { released.wait_for(|released| *released).await.map(|_| "hello").unwrap() }
    };
    let limits = Limits { header_timeout: SOON, idle_timeout: SOON, ..patient() };
    let world = World::serve(limits, hello().route("/slow", on_get(slow))).await;
    let mut busy = world.h2().await;
    let answer = busy.send_request(get("/slow"));
    world.until("parapet_listen_requests_total{listener=\"test\",protocol=\"h2\"}", 1).await;
    let idle = world.h2().await;
    // The later of the two has been closed: the earlier one has been looked at as often, with a request under way.
    world.until("parapet_listen_open_connections{listener=\"test\"}", 1).await;
    assert!(idle.is_closed() && !busy.is_closed());
    assert_eq!(text(busy.send_request(get("/")).await.unwrap()).await, "hello", "still open to requests");
    release.send_replace(true);
    assert_eq!(text(answer.await.unwrap()).await, "hello", "a request under way is no idleness");
    world.until("parapet_listen_open_connections{listener=\"test\"}", 0).await;
}
