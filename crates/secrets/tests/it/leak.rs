//! Nothing of a value is in what the crate says of itself, whatever goes wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use parapet_secrets::{Metrics, Need, Options, Refused, Scope, SecretBytes, Store};
use prometheus_client::registry::Registry;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::vault::login::{by_kubernetes, server};
use crate::vault::read;
use crate::vault::state::Answer;
use crate::world::{providers, quick, reference, status_of};

/// Everything that is logged, down to the last detail of every library.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// One of each: the value itself, what it is asked for with, and what it is got with.
const PLANTED: [&str; 4] = ["hunter2", "first-jwt", "scripted-token", "scripted-password"];

#[tokio::test]
async fn nothing_of_a_value_is_in_logs_metrics_status_errors_or_debug_output() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    // For the whole process: with one for this thread alone, what other tests say first would never be said here.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let server = server().await;
    server.state().lease_ttl = (60, 600);
    let mut registry = Registry::default();
    let options =
        Options::new(providers(Arc::new(by_kubernetes(&server))), quick(), Metrics::register(&mut registry));
    let store = Store::new(options);
    let watch = |text: &str| store.watch(&Scope::Own, &reference(text), Need::Required, "test").unwrap();
    let (mut secret, mut credential) =
        (watch("p:kv/app/db#password"), watch("p:database/creds/app#password"));
    for used in [&mut secret, &mut credential] {
        used.changed().await;
        used.apply(|_| Ok(())).unwrap().unwrap();
        used.apply(|_| Err(Refused("for the test"))).unwrap().unwrap_err();
    }
    let mut said = format!("{secret:?} {:?} {:?}", secret.latest(), secret.value());

    // Servers repeat what they are sent, and worse.
    let repeats = || json!({"errors": ["wrong password hunter2 of scripted-token"]});
    for status in [400, 403, 404, 412, 418, 429, 500, 503] {
        server.fault("GET /v1/kv/", 1, Answer::json(status, repeats()));
        let error = read(&by_kubernetes(&server), "kv/app/db").await.err();
        write!(said, "{error:?} {}", error.as_ref().map(ToString::to_string).unwrap_or_default()).unwrap();
    }
    for body in [json!({"data": {"data": "hunter2"}}), json!({"data": {"data": {"k": "hunter2"}}})] {
        server.fault("GET /v1/kv/", 1, Answer::json(200, body));
        let error = read(&by_kubernetes(&server), "kv/app/db").await.unwrap_err();
        write!(said, "{error:?} {error}").unwrap();
    }
    server.fault("GET /v1/kv/", 2, Answer::json(500, repeats()));
    while status_of(&store, "p:kv/app/db").failures < 2 {
        tokio::task::yield_now().await;
    }
    said += &serde_json::to_string(&store.status()).unwrap();
    write!(said, "{:?} {:?}", store.status(), store.readiness()).unwrap();
    store.close().await;
    prometheus_client::encoding::text::encode(&mut said, &registry).unwrap();

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in ["TRACE", "secret read", "secret applied", "logged in to Vault", "could not be read"] {
        assert!(logged.contains(expected), "the log was to be talkative: no {expected:?}");
    }
    assert!(said.contains("parapet_secrets_resolves_total") && said.contains("\"failures\":2"), "{said}");
    for planted in PLANTED {
        assert!(!logged.contains(planted), "{planted} is in the log");
        assert!(!said.contains(planted), "{planted} is in: {said}");
    }
}

#[test]
fn a_map_of_values_shows_keys_alone() {
    let values = BTreeMap::from([("password", SecretBytes::from(b"hunter2".to_vec()))]);
    assert_eq!(format!("{values:?}"), "{\"password\": SecretBytes(…)}");
}
