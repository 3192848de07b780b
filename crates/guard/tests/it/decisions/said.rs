//! What is said while deciding, at the most talkative level: never a token.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{World, jwt};
use crate::reviews::Fault;
use serde_json::json;

/// Keeps all lines.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Said {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The reference logged tokens at this level once.
#[tokio::test]
async fn tokens_are_masked_at_every_level() {
    let said = Said::default();
    // As the program filters: other libraries have no word below warnings.
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("parapet", LevelFilter::TRACE);
    let lines = tracing_subscriber::fmt::layer().with_writer(said.clone()).with_ansi(false);
    let subscriber = tracing_subscriber::registry().with(targets).with(lines);
    // While there is just one subscriber, whoever meets a line first, in whichever test, decides for all threads whether
    // the line is of interest. With two, all of them are asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _here = tracing::subscriber::set_default(subscriber);

    let world = World::new().await;
    let token = jwt(&json!({"sub": "not-to-be-said"}));
    world.server.knows(&token, "alice", &[]);
    world.get("/metrics", &token).await.unwrap();
    world.get("/other", &token).await.unwrap_err();
    // An API server that repeats the token in what it says is not repeated.
    let telling = jwt(&json!({"sub": "told"}));
    world.server.answers(&telling, json!({"authenticated": false, "error": format!("bad token {telling}")}));
    world.get("/metrics", &telling).await.unwrap_err();
    for (n, fault) in [Fault::Status(500), Fault::Garbage, Fault::Reset, Fault::Hang].into_iter().enumerate()
    {
        world.server.fails(fault);
        world.get("/metrics", &jwt(&json!({"sub": "not-to-be-said", "n": n}))).await.unwrap_err();
        world.time.pass(2);
    }
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains(r#""kind":"TokenReview""#) && said.contains(r#""token":"<masked>""#), "{said}");
    for part in token.split('.').chain(telling.split('.').skip(1).take(1)) {
        // The header is everybody's.
        if !part.starts_with("eyJhbGciOi") {
            assert!(!said.contains(part), "{part} in {said}");
        }
    }
}
