//! An API server that answers as a test tells it to: refusals, nonsense, watches that expire, break off or never speak.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Config;
use parapet_secrets::{KubernetesProvider, Need, Reason, Scope, Settings, Store, Subscription};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::{becomes, providers, reference, status_of, store, value};

/// One answer.
#[derive(Clone, Debug)]
struct Reply {
    status: u16,
    body: String,
    then: Then,
}

/// What follows the body.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Its end.
    End,
    /// Nothing, for as long as the client waits.
    Hold,
    /// The connection breaks off.
    Break,
}

impl Reply {
    fn of(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string(), then: Then::End }
    }

    fn refusal(code: u16) -> Self {
        let details = json!({"retryAfterSeconds": 1});
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": "Scripted", "message": "hunter2", "details": details});
        Self::of(code, &status)
    }

    fn secret(version: &str, password: &str) -> Self {
        Self::of(200, &secret(version, password))
    }

    fn event(kind: &str, object: &Value) -> Self {
        let line = json!({"type": kind, "object": object});
        Self { status: 200, body: format!("{line}\n"), then: Then::Hold }
    }

    fn silence() -> Self {
        Self { status: 200, body: String::new(), then: Then::Hold }
    }
}

fn secret(version: &str, password: &str) -> Value {
    let data = serde_json::to_value(k8s_openapi::ByteString(password.into())).unwrap();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "resourceVersion": version},
        "data": {"password": data}})
}

/// Answers in order; the last one is given again and again.
#[derive(Default)]
struct Script {
    gets: VecDeque<Reply>,
    watches: VecDeque<Reply>,
    /// From which version each watch was begun.
    watched_from: Vec<String>,
}

struct Server {
    script: Arc<Mutex<Script>>,
    asked: watch::Sender<usize>,
    accepting: JoinHandle<()>,
    store: Store,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    async fn start(gets: &[Reply], watches: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            gets: gets.iter().cloned().collect(),
            watches: watches.iter().cloned().collect(),
            watched_from: Vec::new(),
        }));
        let asked = watch::Sender::new(0);
        let (each, counted) = (Arc::clone(&script), asked.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (script, counted) = (Arc::clone(&each), counted.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let response = answer(&request, &script);
                        counted.send_modify(|asked| *asked += 1);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    // Clients leave; answers break off because they are meant to.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        let config = Config::new(url.parse().unwrap());
        let provider =
            KubernetesProvider::from_config(&"p".parse().unwrap(), config, Some("ns".to_owned())).unwrap();
        // Long refreshes: what arrives was watched, or asked for by the test.
        let store = store(providers(Arc::new(provider)), Settings::default());
        Self { script, asked, accepting, store }
    }

    fn used(&self) -> Subscription {
        self.store.watch(&Scope::Own, &reference("p:db#password"), Need::Required, "test").unwrap()
    }

    fn gets(&self, replies: &[Reply]) {
        self.script.lock().unwrap().gets = replies.iter().cloned().collect();
    }

    fn watched_from(&self) -> Vec<String> {
        self.script.lock().unwrap().watched_from.clone()
    }
}

fn answer(
    request: &Request<Incoming>,
    script: &Mutex<Script>,
) -> Response<StreamBody<impl futures::Stream<Item = io::Result<Frame<Bytes>>> + use<>>> {
    let mut script = script.lock().unwrap();
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| {
        let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
        parameters.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    };
    let replies = match (request.method().as_str(), request.uri().path()) {
        ("GET", "/api/v1/namespaces/ns/secrets/db") => &mut script.gets,
        ("GET", "/api/v1/namespaces/ns/secrets") => {
            // Nothing is listed: a watch of the one name.
            assert_eq!((parameter("watch"), parameter("fieldSelector")), ("true", "metadata.name%3Ddb"));
            script.watched_from.push(parameter("resourceVersion").to_owned());
            &mut script.watches
        }
        other => panic!("{other:?} was asked for"),
    };
    let reply = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
    let Reply { status, body, then } = reply.expect("the script has an answer");
    let first = futures::stream::iter([Ok(Frame::data(Bytes::from(body)))]);
    let rest = match then {
        Then::End => futures::stream::empty().boxed(),
        Then::Hold => futures::stream::pending().boxed(),
        Then::Break => futures::stream::iter([Err(io::Error::other("as the test wants it"))]).boxed(),
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(StreamBody::new(first.chain(rest)))
        .unwrap()
}

#[tokio::test]
async fn whatever_the_api_server_answers_the_last_good_value_stays() {
    let server = Server::start(&[Reply::secret("1", "old")], &[Reply::silence()]).await;
    let mut used = server.used();
    becomes(&mut used, "old").await;
    let half = |text: &str| Reply { status: 200, body: text.to_owned(), then: Then::Break };
    let nonsense = |body: &str| Reply { status: 200, body: body.to_owned(), then: Then::End };
    let huge = Reply::secret("9", &"x".repeat(2 << 20));
    for (what, reply, reason) in [
        ("401", Reply::refusal(401), Reason::Denied),
        ("403", Reply::refusal(403), Reason::Denied),
        ("404", Reply::refusal(404), Reason::Missing),
        ("410", Reply::refusal(410), Reason::Unavailable),
        ("429", Reply::refusal(429), Reason::Throttled),
        ("500", Reply::refusal(500), Reason::Unavailable),
        (
            "503 of a proxy",
            Reply { status: 503, body: "<html>busy".to_owned(), then: Then::End },
            Reason::Unavailable,
        ),
        ("no JSON", nonsense("<html>hunter2"), Reason::Malformed),
        ("nothing", nonsense(""), Reason::Malformed),
        ("data that is no base64", nonsense(r#"{"data":{"password":"hunter2!"}}"#), Reason::Malformed),
        ("data of another shape", nonsense(r#"{"data":["hunter2"]}"#), Reason::Malformed),
        ("half an answer", half(r#"{"apiVersion":"v1","kind":"Sec"#), Reason::Unavailable),
        ("more than fits", huge, Reason::Malformed),
    ] {
        let before = status_of(&server.store, "p:db").failures;
        server.gets(&[reply]);
        // Looks that fail are counted; each time it is told to look, it does.
        while status_of(&server.store, "p:db").failures == before {
            let asked = *server.asked.borrow();
            server.store.refresh_now();
            server.asked.subscribe().wait_for(|now| *now > asked).await.unwrap();
            tokio::task::yield_now().await;
        }
        let status = status_of(&server.store, "p:db");
        assert_eq!(status.last_failure, Some(reason), "{what}");
        assert_eq!(value(&used).as_deref(), Some("old"), "{what}");
        assert!(!format!("{status:?}").contains("hunter2"), "{what}: {status:?}");
        // Something was read since: failures are counted anew, and none is left over for the next.
        server.gets(&[Reply::secret("1", "old")]);
        while status_of(&server.store, "p:db").failures > 0 {
            let asked = *server.asked.borrow();
            server.store.refresh_now();
            server.asked.subscribe().wait_for(|now| *now > asked).await.unwrap();
            tokio::task::yield_now().await;
        }
    }
    server.gets(&[Reply::secret("2", "new")]);
    server.store.refresh_now();
    becomes(&mut used, "new").await;
    server.store.close().await;
}

#[tokio::test]
async fn a_watch_that_expired_or_broke_off_is_begun_again_and_misses_nothing() {
    let expired = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"});
    let broken = json!({"kind": "Status", "code": 500, "reason": "InternalError", "message": "hunter2"});
    let changed = Reply::event("MODIFIED", &secret("2", "new"));
    let cut = Reply { then: Then::Break, ..Reply::event("BOOKMARK", &secret("1", "")) };
    let half = Reply { body: r#"{"type":"MODI"#.to_owned(), then: Then::Break, ..Reply::silence() };
    let nonsense = Reply { body: "hunter2\n".to_owned(), ..Reply::silence() };
    let ended = Reply { then: Then::End, ..Reply::silence() };
    let faults = [
        ("the version is too old, as an event", Reply::event("ERROR", &expired), true),
        ("the version is too old, as an answer", Reply::refusal(410), true),
        ("an error as an event", Reply::event("ERROR", &broken), false),
        ("watching is not granted", Reply::refusal(403), false),
        ("the server fails", Reply::refusal(500), false),
        ("it breaks off", cut, false),
        ("it breaks off in an event", half, false),
        ("it is no event", nonsense, false),
        ("it ends", ended, false),
    ];
    // Together: each waits a few seconds before it asks again.
    let checks = faults.into_iter().map(|(what, fault, looks)| {
        let changed = changed.clone();
        async move {
            let gets = if looks {
                // What changed while nobody watched is found by the look.
                vec![Reply::secret("1", "old"), Reply::secret("2", "new")]
            } else {
                vec![Reply::secret("1", "old")]
            };
            let watches = if looks { vec![fault, Reply::silence()] } else { vec![fault, changed] };
            let server = Server::start(&gets, &watches).await;
            let mut used = server.used();
            if !looks {
                becomes(&mut used, "old").await;
                // The next look finds what the next watch tells of.
                server.gets(&[Reply::secret("2", "new")]);
            }
            becomes(&mut used, "new").await;
            let from = server.watched_from();
            assert!(from.len() >= if looks { 1 } else { 2 }, "{what}: {from:?}");
            assert!(from.iter().all(|version| version == "1" || version == "2"), "{what}: {from:?}");
            assert_eq!(status_of(&server.store, "p:db").failures, 0, "{what}");
            server.store.close().await;
        }
    });
    futures::future::join_all(checks).await;
}
