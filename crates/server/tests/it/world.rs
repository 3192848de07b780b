//! A running server and a client of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parapet_access::{Accounts, NewToken, Scope};
use parapet_fs::OsFs;
use parapet_listen::{Drained, Limits, Listener};
use parapet_pki::{Authority, Names, ServerIdentity};
use parapet_query::Engine;
use parapet_server::{CertificateStatus, PipelineStatus, ReceiverStatus, SourceStatus, State};
use parapet_signal::{
    Batch, Delivery, Grouped, LogRecord, Receipt, Resource, Scope as LibraryScope, SeverityNumber, Sink as _,
    UnixNanos,
};
use parapet_store::{Options, Store, SystemClock};
use prometheus_client::registry::Registry;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

pub(crate) struct World {
    pub(crate) accounts: Accounts,
    pub(crate) store: Store,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) password: String,
    client: SendRequest<Body>,
    authority: String,
    shutdown: watch::Sender<bool>,
    serving: JoinHandle<Drained>,
    _folder: tempfile::TempDir,
}

/// What the binary would know, with switches.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) ready: AtomicBool,
    pub(crate) panics: AtomicBool,
}

impl PipelineStatus for Pipeline {
    fn receivers(&self) -> Vec<ReceiverStatus> {
        assert!(!self.panics.load(Ordering::Relaxed), "as the test wants it");
        Vec::new()
    }

    fn sources(&self) -> Vec<SourceStatus> {
        Vec::new()
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        vec![CertificateStatus { name: "console".into(), not_after: "2027-01-01T00:00:00Z".into() }]
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that it is a problem document of this status, and returns it.
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:parapet:problem:"), "{problem}");
        assert!(
            !problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty()
        );
        problem
    }

    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }
}

/// How a request presents itself.
#[derive(Clone, Debug)]
pub(crate) enum As {
    Nobody,
    Token(String),
    Session { cookie: String, csrf: String },
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let fs = Arc::new(OsFs);
        let options = Options {
            fs: fs.clone(),
            dir: folder.path().join("store"),
            config: parapet_store::Config::default(),
            clock: Arc::new(SystemClock),
        };
        let (store, recovery) = Store::open(options, &mut registry).unwrap();
        let engine_metrics = parapet_query::Metrics::register(&mut registry);
        let engine = Engine::new(store.clone(), parapet_query::Config::default(), engine_metrics);
        let clock: parapet_access::Clock = Arc::new(jiff::Timestamp::now);
        let access_metrics = parapet_access::Metrics::register(&mut registry);
        let path = folder.path().join("accounts.json");
        // Throttling must not depend on how long a busy machine takes to hash a password.
        let now = clock();
        let accounts = Accounts::open(fs, path, Arc::new(move || now), access_metrics).unwrap();
        let password = accounts.create_first_admin().unwrap().unwrap().expose().to_owned();
        let metrics = parapet_server::Metrics::register(&mut registry);
        let listen_metrics = parapet_listen::Metrics::register(&mut registry);
        let pipeline = Arc::new(Pipeline { ready: true.into(), ..Pipeline::default() });
        let (shutdown, stopping) = watch::channel(false);
        let state = State {
            engine,
            store: store.clone(),
            recovery,
            accounts: accounts.clone(),
            pipeline: pipeline.clone(),
            posture: Some(Arc::new(crate::posture::Fixed)),
            registry: Arc::new(registry),
            metrics,
            clock,
            version: "0.0.0-test",
            demo: true,
            metrics_are_guarded: false,
            shutdown: stopping.clone(),
        };
        let router = parapet_server::router(state);
        let (server_tls, client_tls) = tls();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener =
            Listener::bind("console", any, server_tls, Limits::default(), &listen_metrics).await.unwrap();
        let address = listener.local_addr();
        let mut stop = stopping;
        let until = async move { drop(stop.wait_for(|stopping| *stopping).await) };
        let serving = tokio::spawn(parapet_listen::serve(listener, router, until));
        let client = connect(address, client_tls).await;
        let authority = format!("localhost:{}", address.port());
        Self { accounts, store, pipeline, password, client, authority, shutdown, serving, _folder: folder }
    }

    /// The origin of the console's own pages.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.authority)
    }

    pub(crate) fn token(&self, scopes: &[Scope]) -> As {
        let wish =
            NewToken { name: "test".into(), scopes: scopes.iter().copied().collect(), expires_in_days: None };
        As::Token(self.accounts.mint_token(wish).unwrap().secret.expose().to_owned())
    }

    pub(crate) async fn login(&self) -> As {
        let body = format!(r#"{{"username":"admin","password":"{}"}}"#, self.password);
        let answer = self.post("/api/v1/session", &As::Nobody, &body).await;
        let csrf = answer.ok()["csrf_token"].as_str().unwrap().to_owned();
        let cookie = answer.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        As::Session { cookie, csrf }
    }

    pub(crate) async fn get(&self, path: &str, who: &As) -> Answer {
        self.send(Method::GET, path, who, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, who: &As, json: &str) -> Answer {
        self.send(Method::POST, path, who, &[("content-type", "application/json")], json).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        who: &As,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let response = self.open(method, path, who, headers, body).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// The answer with its body unread.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        who: &As,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let uri = format!("https://{}{path}", self.authority);
        let mut request =
            Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).unwrap();
        let all = request.headers_mut();
        match who {
            As::Nobody => {}
            As::Token(token) => {
                all.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
            }
            As::Session { cookie, csrf } => {
                all.insert(COOKIE, HeaderValue::try_from(cookie).unwrap());
                all.insert("x-csrf-token", HeaderValue::try_from(csrf).unwrap());
            }
        }
        for (name, value) in headers {
            all.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        if body.is_empty() {
            all.remove(CONTENT_TYPE);
        }
        self.client.clone().send_request(request).await.unwrap()
    }

    /// Stores log lines of now, durable and visible when it returns.
    pub(crate) async fn log(&self, service: &str, lines: &[&str]) {
        let receipt = self.log_at(jiff::Timestamp::now(), service, lines).await;
        assert_eq!(receipt.kept, lines.len() as u64);
    }

    /// Delivers log lines of some time, which the store may refuse.
    pub(crate) async fn log_at(&self, time: jiff::Timestamp, service: &str, lines: &[&str]) -> Receipt {
        let time = UnixNanos(i64::try_from(time.as_nanosecond()).unwrap());
        let record = |line: &&str| LogRecord {
            time,
            observed_time: time,
            severity_number: SeverityNumber::INFO,
            body: (*line).into(),
            ..LogRecord::default()
        };
        let attributes = parapet_signal::Attributes::new().with("service.name", service).with("test", true);
        let group = Grouped {
            resource: Arc::new(Resource { attributes }),
            scope: Arc::new(LibraryScope::default()),
            records: lines.iter().map(record).collect(),
        };
        self.store.deliver(Delivery { source: None, batch: Batch::Logs(vec![group]) }).await.unwrap()
    }

    /// Tells the process's parts to stop, as Ctrl-C does.
    pub(crate) fn stop(&self) {
        self.shutdown.send_replace(true);
    }

    pub(crate) async fn stopped(self) -> Drained {
        self.stop();
        drop(self.client);
        self.serving.await.unwrap()
    }
}

/// As the value of a parameter.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn connect(address: SocketAddr, tls: Arc<ClientConfig>) -> SendRequest<Body> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let session = TlsConnector::from(tls).connect(name, tcp).await.unwrap();
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(session)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn tls() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let now = jiff::Timestamp::now();
    let authority = Authority::generate(now).unwrap();
    let leaf = authority.issue(&Names::new([]).unwrap(), now).unwrap();
    let server = ServerIdentity::new(leaf).server_config(&[]).unwrap();
    let mut client = Arc::unwrap_or_clone(parapet_pki::client_config(authority.certificate_pem()).unwrap());
    client.alpn_protocols = vec![b"h2".to_vec()];
    (server, Arc::new(client))
}
