//! Following: rows arrive, nothing is missed, and streams end when they have to.

use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parapet_access::Scope;
use serde_json::Value;

use crate::world::{As, World, encoded};

/// A stream of server-sent events, read as it comes.
struct Stream {
    body: Incoming,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: String,
}

impl Stream {
    async fn open(world: &World, who: &As, query: &str, headers: &[(&str, &str)]) -> Self {
        let response =
            world.open(Method::GET, &format!("/api/v1/logs/follow{query}"), who, headers, "").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                let event = Event { name: field("event"), id: field("id"), data: field("data") };
                self.text = rest.to_owned();
                if event.name.is_empty() {
                    continue;
                }
                return Some(event);
            }
            let frame = self.body.frame().await?.ok()?;
            self.text.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }

    async fn row(&mut self) -> (String, String) {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, "row", "{event:?}");
        let row: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(row["seq"].to_string(), event.id);
        (row["body"].as_str().unwrap().to_owned(), event.id)
    }
}

#[tokio::test]
async fn new_rows_arrive_in_order_and_old_ones_do_not() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    world.log("shop", &["before"]).await;
    let mut all = Stream::open(&world, &token, "", &[]).await;
    let mut some = Stream::open(&world, &world.login().await, "?service=shop&q=b", &[]).await;
    let filter = encoded(r#"{"prefix":{"field":"body","prefix":"b of"}}"#);
    let mut filtered = Stream::open(&world, &token, &format!("?filter={filter}"), &[]).await;
    world.log("shop", &["a", "b"]).await;
    world.log("other", &["b of another"]).await;
    world.log("shop", &["bb"]).await;
    for expect in ["a", "b", "b of another", "bb"] {
        assert_eq!(all.row().await.0, expect);
    }
    for expect in ["b", "bb"] {
        assert_eq!(some.row().await.0, expect);
    }
    assert_eq!(filtered.row().await.0, "b of another");
}

#[tokio::test]
async fn who_reconnects_misses_nothing() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let mut first = Stream::open(&world, &token, "", &[]).await;
    world.log("shop", &["one"]).await;
    let (_, id) = first.row().await;
    drop(first);
    world.log("shop", &["two", "three"]).await;
    let mut again = Stream::open(&world, &token, "", &[("last-event-id", &id)]).await;
    assert_eq!(again.row().await.0, "two");
    assert_eq!(again.row().await.0, "three");
    let mut after = Stream::open(&world, &token, &format!("?after={id}"), &[]).await;
    assert_eq!(after.row().await.0, "two");
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let mut stream = Stream::open(&world, &token, "", &[]).await;
    world.log("shop", &["last"]).await;
    assert_eq!(stream.row().await.0, "last");
    world.stop();
    assert_eq!(stream.next().await, None);
    assert_eq!(world.stopped().await.cut, 0);
}

#[tokio::test]
async fn one_caller_cannot_take_all_places() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Stream::open(&world, &token, "", &[]).await);
    }
    let refused = world.get("/api/v1/status", &token).await;
    refused.problem(429);
    assert_ne!(refused.header("retry-after"), "");
    world.get("/api/v1/status", &world.token(&[Scope::Read])).await.ok();
    drop(streams);
    // The server notices the closed streams on its own time.
    while world.get("/api/v1/status", &token).await.status == 429 {
        tokio::task::yield_now().await;
    }
}
