//! How a listener ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use parapet_listen::{Drained, Limits};
use tokio::sync::Notify;

use crate::world::{World, get, patient, text};

/// A service whose answer waits for the test.
fn waiting() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = {
        let (asked, go) = (asked.clone(), go.clone());
        let answer = move || async move {
            asked.notify_one();
            go.notified().await;
            "done"
        };
        Router::new().route("/", on_get(answer))
    };
    (router, asked, go)
}

#[tokio::test]
async fn requests_under_way_are_finished_and_idle_connections_closed() {
    let (router, asked, go) = waiting();
    let mut world = World::serve(patient(), router).await;
    let (mut busy1, mut busy2, idle) = (world.h1().await, world.h2().await, world.h1().await);
    let one = tokio::spawn(async move { text(busy1.send_request(get("/")).await.unwrap()).await });
    asked.notified().await;
    let two = tokio::spawn(async move { text(busy2.send_request(get("/")).await.unwrap()).await });
    asked.notified().await;
    let address = world.address;
    world.stop();
    world.until("parapet_listen_open_connections{listener=\"test\"}", 2).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    go.notify_waiters();
    assert_eq!(world.drained().await, Drained { finished: 3, cut: 0 });
    assert_eq!((one.await.unwrap().as_str(), two.await.unwrap().as_str()), ("done", "done"));
    drop(idle);
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let (router, asked, _go) = waiting();
    let limits = Limits { shutdown_grace: Duration::from_millis(50), ..patient() };
    let world = World::serve(limits, router).await;
    let mut client = world.h1().await;
    let answer = tokio::spawn(async move { client.send_request(get("/")).await.is_err() });
    asked.notified().await;
    assert_eq!(world.drained().await, Drained { finished: 0, cut: 1 });
    assert!(answer.await.unwrap(), "the client hears of it");
}

#[tokio::test]
async fn a_listener_without_connections_ends_at_once() {
    let (router, ..) = waiting();
    let world = World::serve(patient(), router).await;
    assert_eq!(world.drained().await, Drained { finished: 0, cut: 0 });
}

#[tokio::test]
async fn an_address_in_use_is_told_apart() {
    let (router, ..) = waiting();
    let world = World::serve(patient(), router).await;
    let tls = world.server_tls();
    let metrics = parapet_listen::Metrics::default();
    let again =
        parapet_listen::Listener::bind("again", world.address, tls, patient(), &metrics).await.unwrap_err();
    assert!(again.is_address_in_use(), "{again}");
}
