//! What is served: both protocols, bodies, trailers, the peer's address.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::routing::{get as on_get, post};
use axum::{Extension, Router};
use http::HeaderMap;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use crate::world::{World, get, patient, text};

fn service() -> Router {
    Router::new()
        .route("/peer", on_get(async |Extension(peer): Extension<SocketAddr>| peer.to_string()))
        .route("/echo", post(async |body: Bytes| body))
        .route("/trailers", on_get(trailers))
}

async fn trailers() -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from("body"))), Ok(Frame::trailers(trailers))];
    Body::new(StreamBody::new(futures::stream::iter(frames)))
}

#[tokio::test]
async fn http1_serves_many_requests_of_one_connection() {
    let world = World::serve(patient(), service()).await;
    let mut client = world.h1().await;
    for _ in 0..3 {
        let answer = text(client.send_request(get("/peer")).await.unwrap()).await;
        assert!(answer.starts_with("127.0.0.1:"), "{answer}");
    }
    assert_eq!(world.metric("parapet_listen_requests_total{listener=\"test\",protocol=\"h1\"}"), 3);
    assert_eq!(world.metric("parapet_listen_accepted_connections_total{listener=\"test\"}"), 1);
    assert_eq!(world.metric("parapet_listen_open_connections{listener=\"test\"}"), 1);
    drop(client);
    world.until("parapet_listen_open_connections{listener=\"test\"}", 0).await;
}

#[tokio::test]
async fn http2_serves_streams_side_by_side_with_bodies_and_trailers() {
    let world = World::serve(patient(), service()).await;
    let mut client = world.h2().await;
    let body = vec![7u8; 1 << 20];
    let request = get("/echo").map(|_| Body::from(body.clone()));
    let (mut parts, request_body) = request.into_parts();
    parts.method = http::Method::POST;
    let echo = client.send_request(http::Request::from_parts(parts, request_body));
    let trailers = client.send_request(get("/trailers"));
    let collected = trailers.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "body");
    assert_eq!(echo.await.unwrap().into_body().collect().await.unwrap().to_bytes(), body);
    assert_eq!(world.metric("parapet_listen_requests_total{listener=\"test\",protocol=\"h2\"}"), 2);
}

#[tokio::test]
async fn alpn_prefers_http2_and_its_absence_means_http1() {
    let world = World::serve(patient(), service()).await;
    let chosen = |session: tokio_rustls::client::TlsStream<tokio::net::TcpStream>| {
        session.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    };
    assert_eq!(chosen(world.tls(&["http/1.1", "h2"]).await).as_deref(), Some(&b"h2"[..]));
    assert_eq!(chosen(world.tls(&["http/1.1"]).await).as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(chosen(world.tls(&[]).await), None);
}
