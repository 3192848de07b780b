//! An API server that reviews tokens and access as a test says, fails as a test says, and counts.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How the server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    /// It doesn't.
    #[default]
    None,
    /// This status, with `Retry-After: 1`.
    Status(u16),
    /// No answer, ever.
    Hang,
    /// 201 with something else than JSON.
    Garbage,
    /// The connection ends.
    Reset,
}

/// What it knows.
#[derive(Debug, Default)]
struct State {
    /// Token → TokenReview status.
    tokens: BTreeMap<String, Value>,
    /// (user, verb, path or resource) that are allowed.
    allowed: Vec<(String, String, String)>,
    /// Why nobody can be sure of what isn't allowed.
    evaluation_error: Option<String>,
    fault: Fault,
    token_reviews: Vec<Value>,
    access_reviews: Vec<Value>,
}

/// Listens until dropped.
pub(crate) struct ReviewServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl ReviewServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                let service = service_fn(move |request| answer(request, shared.clone()));
                connections.spawn(async move {
                    let builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// `token` is this user's, in `system:authenticated` and these groups.
    pub(crate) fn knows(&self, token: &str, user: &str, groups: &[&str]) {
        let status =
            json!({"authenticated": true, "user": {"username": user, "uid": "u-1", "groups": groups}});
        self.state.lock().unwrap().tokens.insert(token.to_owned(), status);
    }

    /// `token` is answered with this status.
    pub(crate) fn answers(&self, token: &str, status: Value) {
        self.state.lock().unwrap().tokens.insert(token.to_owned(), status);
    }

    /// `token` means nothing any more.
    pub(crate) fn forgets(&self, token: &str) {
        self.state.lock().unwrap().tokens.remove(token);
    }

    /// `user` may do `verb` on this path, or on this resource in this namespace (`namespace/resource`).
    pub(crate) fn allows(&self, user: &str, verb: &str, what: &str) {
        self.state.lock().unwrap().allowed.push((user.to_owned(), verb.to_owned(), what.to_owned()));
    }

    /// Nobody may do anything any more.
    pub(crate) fn allows_nothing(&self) {
        self.state.lock().unwrap().allowed.clear();
    }

    /// An authorizer fails with this, or works again.
    pub(crate) fn is_unsure(&self, why: Option<&str>) {
        self.state.lock().unwrap().evaluation_error = why.map(str::to_owned);
    }

    pub(crate) fn fails(&self, fault: Fault) {
        self.state.lock().unwrap().fault = fault;
    }

    /// The specs of all TokenReviews that came.
    pub(crate) fn token_reviews(&self) -> Vec<Value> {
        self.state.lock().unwrap().token_reviews.clone()
    }

    /// The specs of all SubjectAccessReviews that came.
    pub(crate) fn access_reviews(&self) -> Vec<Value> {
        self.state.lock().unwrap().access_reviews.clone()
    }

    pub(crate) fn client(&self) -> kube::Client {
        let mut config = kube::Config::new(format!("http://{}", self.address).parse().unwrap());
        // The guard retries by itself, within its deadline.
        config.default_retry = false;
        kube::Client::try_from(config).unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let mut review: Value = serde_json::from_slice(&body).unwrap();
    let spec = review["spec"].clone();
    let (fault, status) = {
        let mut state = state.lock().unwrap();
        let status = if parts.uri.path().ends_with("/tokenreviews") {
            state.token_reviews.push(spec.clone());
            let known = state.tokens.get(spec["token"].as_str().unwrap_or_default()).cloned();
            known.unwrap_or_else(|| json!({"authenticated": false, "error": "invalid bearer token"}))
        } else {
            state.access_reviews.push(spec.clone());
            let mut status = json!({"allowed": is_allowed(&state.allowed, &spec)});
            if let Some(why) = &state.evaluation_error {
                status["evaluationError"] = json!(why);
            }
            status
        };
        (state.fault, status)
    };
    let (code, body) = match fault {
        Fault::None => {
            review["status"] = status;
            (201, review.to_string())
        }
        Fault::Status(code) => {
            (code, json!({"kind": "Status", "code": code, "message": "as told"}).to_string())
        }
        Fault::Garbage => (201, "<html>".to_owned()),
        Fault::Reset => return Err(std::io::Error::other("as told")),
        Fault::Hang => std::future::pending::<(u16, String)>().await,
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    if matches!(fault, Fault::Status(_)) {
        response.headers_mut().insert("retry-after", "1".parse().unwrap());
    }
    Ok::<_, Infallible>(response).map_err(|never| match never {})
}

fn is_allowed(allowed: &[(String, String, String)], spec: &Value) -> bool {
    let what = match spec["nonResourceAttributes"]["path"].as_str() {
        Some(path) => path.to_owned(),
        None => {
            let resource = &spec["resourceAttributes"];
            let text = |key: &str| resource[key].as_str().unwrap_or_default();
            format!("{}/{}", text("namespace"), text("resource"))
        }
    };
    let attributes =
        if spec["nonResourceAttributes"].is_null() { "resourceAttributes" } else { "nonResourceAttributes" };
    let verb = spec[attributes]["verb"].as_str().unwrap_or_default();
    let user = spec["user"].as_str().unwrap_or_default();
    allowed.iter().any(|(who, does, to)| {
        // As RBAC: exact, or a prefix before a final asterisk.
        let covers = to.strip_suffix('*').map_or(*to == what, |prefix| what.starts_with(prefix));
        who == user && does == verb && covers
    })
}
