//! Ending, and staying while certificates change.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parapet_guard::Limits;
use parapet_guard::proxy::{Drained, Security};
use parapet_guard::upstream::{Address, Protocol, UpstreamSettings};
use parapet_pki::ClientCertificates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::raw::{Http1, ask, get, nothing};
use crate::tls::Certificates;
use crate::world::{Options, TOKEN, World};

/// A world whose upstream is held by the test.
async fn held(limits: Limits) -> (World, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let upstream = Some(UpstreamSettings::new(address, Protocol::Http1));
    (World::with(Options { limits, upstream, ..Options::default() }).await, listener)
}

#[tokio::test]
async fn what_is_in_flight_is_answered_before_the_end() {
    let (mut world, upstream) = held(Limits::default()).await;
    let mut busy = Http1::connect(world.guard).await;
    busy.write(get("/metrics", &[])).await;
    let (mut stream, _) = upstream.accept().await.unwrap();
    let mut idle = Http1::connect(world.guard).await;
    let ended = world.stop();
    // Idle connections end at once; readiness is gone.
    assert_eq!(idle.rest().await, b"");
    assert_eq!(world.readiness.reason(), Some("shutting down"));
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert_eq!(ended.await.unwrap().cut, 0);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let (mut world, upstream) =
        held(Limits { drain_deadline: Duration::from_millis(100), ..Limits::default() }).await;
    let mut busy = Http1::connect(world.guard).await;
    busy.write(get("/metrics", &[])).await;
    let (_stream, _) = upstream.accept().await.unwrap();
    assert_eq!(world.stop().await.unwrap(), Drained { finished: 0, cut: 1 });
    assert_eq!(busy.rest().await, b"");
}

#[tokio::test]
async fn readiness_goes_before_the_listener() {
    let limits = Limits { drain_delay: Duration::from_secs(2), ..Limits::default() };
    let mut world = World::with(Options { limits, ..Options::default() }).await;
    let ended = world.stop();
    while world.readiness.reason().is_none() {
        tokio::task::yield_now().await;
    }
    // Not ready any more, and still serving who comes.
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 200);
    ended.await.unwrap();
    assert!(tokio::net::TcpStream::connect(world.guard).await.is_err());
}

#[tokio::test]
async fn tls_in_both_versions() {
    let certificates = Certificates::new();
    let world = World::with(Options { security: certificates.security(), ..Options::default() }).await;
    let stream = certificates.connect(world.guard, "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request =
        Request::get("https://localhost/metrics").header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(sender.send_request(request.body(nothing()).unwrap()).await.unwrap().status(), 200);
    let mut stream = certificates.connect(world.guard, "http/1.1").await.unwrap();
    stream.write_all(get("/metrics", &["Connection: close"]).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(world.upstream.recorded()[0].header("x-forwarded-proto"), ["https"]);
}

#[tokio::test]
async fn a11_connections_of_a_replaced_configuration_end() {
    let certificates = Certificates::new();
    let (tls, source, reloader) = certificates.server(ClientCertificates::NotAsked);
    let following = tokio::spawn(reloader.run(std::future::pending()));
    let world = World::with(Options { security: Security::Tls(tls.clone()), ..Options::default() }).await;
    let stream = certificates.connect(world.guard, "h2").await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<
        _,
        _,
        http_body_util::Full<bytes::Bytes>,
    >(TokioExecutor::new(), TokioIo::new(stream))
    .await
    .unwrap();
    let connection = tokio::spawn(connection);
    let request = || {
        let request =
            Request::get("https://localhost/metrics").header("authorization", format!("Bearer {TOKEN}"));
        request.body(nothing()).unwrap()
    };
    sender.send_request(request()).await.unwrap().into_body().collect().await.unwrap();
    // Another authority altogether: what was shown before must not live on.
    let successor = Certificates::new();
    source.replace(successor.material());
    connection.await.unwrap().unwrap();
    assert!(sender.send_request(request()).await.is_err());
    assert!(certificates.connect(world.guard, "h2").await.is_err());
    assert!(successor.connect(world.guard, "h2").await.is_ok());
    following.abort();
}

#[tokio::test]
async fn connections_grow_only_so_old() {
    let limits = Limits { connection_age: Duration::from_secs(1), ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }).await;
    let mut client = Http1::connect(world.guard).await;
    let mut asked = 0;
    while client.ask(get("/metrics", &[])).await.status == 200 {
        asked += 1;
    }
    assert!(asked > 0);
}
