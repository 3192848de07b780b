//! What is written of each decision, and what never is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::SubscriberExt as _;

use crate::raw::{anonymous, ask, get};
use crate::world::{TOKEN, USER, World};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Set in the process that does the recording.
const ALONE: &str = "PARAPET_TEST_ALONE";

#[tokio::test]
async fn r2_one_line_for_each_decision_and_never_a_secret() {
    // Whether a line is wanted is remembered for the whole process, in which other tests want none: so this one has its own.
    if std::env::var_os(ALONE).is_none() {
        let name = "audit::r2_one_line_for_each_decision_and_never_a_secret";
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let status = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let lines = Lines::default();
    let writer = lines.clone();
    // Everything, down to what libraries say at trace level. The test's runtime has one thread, this one.
    let layer = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let world = World::start().await;
    world.reviews.knows("forger-token", "eve\n{\"decision\":\"allow\"}", &[]);
    world.reviews.allows("eve\n{\"decision\":\"allow\"}", "get", "/metrics");
    for text in [
        get("/metrics?key=hidden-value", &["Cookie: a=hidden-cookie"]),
        get("/secret", &[]),
        anonymous("/metrics", &[]),
        get("/metrics", &[]).replace(TOKEN, "forger-token"),
        get("/a%0ab", &[]),
        "GET /x#y HTTP/1.1\r\nHost: guard.test\r\n\r\n".to_owned(),
    ] {
        ask(world.guard, text).await;
    }
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let parsed: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is one JSON object")).collect();
    let decided: Vec<_> =
        parsed.iter().filter(|line| line["target"] == "audit").map(|line| &line["fields"]).collect();
    let outcomes: Vec<_> = decided
        .iter()
        .map(|fields| (fields["decision"].as_str().unwrap(), fields["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(outcomes[..3], [("allow", "review"), ("refuse", "denied"), ("refuse", "no_credentials")]);
    assert_eq!(outcomes[outcomes.len() - 2..], [("refuse", "path"), ("refuse", "malformed")]);
    assert_eq!(decided[0]["user"], format!("{USER:?}"));
    assert_eq!(decided[0]["path"], "\"/metrics\"");
    for secret in [TOKEN, "forger-token", "hidden-cookie"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let audited: String =
        parsed.iter().filter(|line| line["target"] == "audit").map(ToString::to_string).collect();
    assert!(!audited.contains("hidden-value"));
}
