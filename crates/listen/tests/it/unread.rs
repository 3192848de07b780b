//! Bodies that a service refuses to read: the sender gets the answer nevertheless.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use parapet_listen::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, patient, text};

fn refuses() -> Router {
    Router::new().route("/", post(async || (StatusCode::UNAUTHORIZED, "no token")))
}

/// A body of `pieces`, none of which is ready when it is first asked for: the answer has time to overtake it.
struct Pieces {
    pieces: usize,
    asked: bool,
    taken: Arc<AtomicUsize>,
}

/// Together below what is read of a refused body; so many that the network gets its turn in between.
const PIECES: usize = 600;
const PIECE: Bytes = Bytes::from_static(&[7; 100]);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.asked = !self.asked;
        if self.asked {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready((taken < self.pieces).then(|| Ok(Frame::data(PIECE))))
    }
}

fn request(body: Body) -> Request<Body> {
    let request = Request::post("https://localhost/").header("host", "localhost");
    request.body(body).unwrap()
}

#[tokio::test]
async fn http2_answers_after_the_body_and_does_not_reset_it() {
    let world = World::serve(patient(), refuses()).await;
    let mut client = world.h2().await;
    for _ in 0..30 {
        let taken = Arc::new(AtomicUsize::new(0));
        let body = Body::new(Pieces { pieces: PIECES, asked: false, taken: taken.clone() });
        let answer = client.send_request(request(body)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(text(answer).await, "no token");
        // All of it and its end were sent; a reset would have stopped the sender in the middle.
        assert_eq!(taken.load(Ordering::Relaxed), PIECES + 1);
    }
}

#[tokio::test]
async fn http1_keeps_its_connection() {
    let world = World::serve(patient(), refuses()).await;
    let mut client = world.h1().await;
    for _ in 0..20 {
        let taken = Arc::new(AtomicUsize::new(0));
        let body = Body::new(Pieces { pieces: PIECES, asked: false, taken: taken.clone() });
        client.ready().await.unwrap();
        let answer = client.send_request(request(body)).await.unwrap();
        assert_eq!((answer.status(), text(answer).await.as_str()), (StatusCode::UNAUTHORIZED, "no token"));
    }
    assert_eq!(world.metric("parapet_listen_accepted_connections_total{listener=\"test\"}"), 1);
}

#[tokio::test]
async fn a_body_that_does_not_come_or_does_not_end_is_not_waited_for() {
    let limits = Limits { unread_time: Duration::from_millis(20), ..patient() };
    let world = World::serve(limits, refuses()).await;
    let never = Body::new(http_body_util::StreamBody::new(futures::stream::pending::<
        Result<Frame<Bytes>, std::io::Error>,
    >()));
    let answer = world.h2().await.send_request(request(never)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

    let world = World::serve(Limits { unread_bytes: 1000, ..patient() }, refuses()).await;
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Frame::data(PIECE)));
    let endless = Body::new(http_body_util::StreamBody::new(endless));
    let answer = world.h2().await.send_request(request(endless)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_announced_body_is_not_waited_for_if_too_long_or_held_back() {
    let world = World::serve(patient(), refuses()).await;
    for fields in ["content-length: 65537", "content-length: 10\r\nexpect: 100-continue"] {
        let mut session = world.tls(&["http/1.1"]).await;
        let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n\r\n");
        session.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        session.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401");
    }
}

#[tokio::test]
async fn a_body_that_the_service_reads_is_its_own() {
    let service = Router::new().route("/", post(async |body: Body| body));
    let world = World::serve(patient(), service).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let body = Body::new(Pieces { pieces: PIECES, asked: false, taken });
    let answer = world.h2().await.send_request(request(body)).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), PIECE.repeat(PIECES));
}
