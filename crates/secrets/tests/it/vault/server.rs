//! A server that answers the calls that we make, with state, leases and faults, and refuses all others.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use parapet_pki::{Authority, Names, ServerIdentity};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::state::{Answer, State};

/// A running server. Dropped, it is gone; a call that it doesn't know fails the test then.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) ca_file: PathBuf,
    pub(crate) folder: TempDir,
    state: Arc<Mutex<State>>,
    faults: Arc<Mutex<Vec<Fault>>>,
    calls: watch::Sender<Vec<Called>>,
    accepting: JoinHandle<()>,
}

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    /// Method and path.
    pub(crate) what: String,
    pub(crate) namespace: Option<String>,
    pub(crate) marked: bool,
}

/// What happens to the next calls whose method and path contain this text.
pub(crate) struct Fault {
    pub(crate) on: &'static str,
    pub(crate) times: usize,
    pub(crate) answer: Answer,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let authority = Authority::generate(Timestamp::now()).unwrap();
        Self::start_with(&authority).await
    }

    /// With a certificate of this authority.
    pub(crate) async fn start_with(authority: &Authority) -> Self {
        let leaf = authority.issue(&Names::new([]).unwrap(), Timestamp::now()).unwrap();
        let tls = TlsAcceptor::from(ServerIdentity::new(leaf).server_config(&[b"http/1.1"]).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, authority.certificate_pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let faults = Arc::default();
        let calls = watch::Sender::new(Vec::new());
        let each = Each { state: Arc::clone(&state), faults: Arc::clone(&faults), calls: calls.clone() };
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(each.clone().serve(tls.clone(), socket));
            }
        });
        Self { address, ca_file, folder, state, faults, calls, accepting }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn fault(&self, on: &'static str, times: usize, answer: Answer) {
        self.faults.lock().unwrap().push(Fault { on, times, answer });
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn calls(&self) -> Vec<Called> {
        self.calls.borrow().clone()
    }

    /// How often a call whose method and path contain this text has arrived.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.calls.borrow().iter().filter(|called| called.what.contains(what)).count()
    }

    /// Returns when such a call has arrived this often.
    pub(crate) async fn called(&self, what: &str, times: usize) {
        let often = |calls: &Vec<Called>| calls.iter().filter(|c| c.what.contains(what)).count() >= times;
        self.calls.subscribe().wait_for(often).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        if !std::thread::panicking() {
            assert_eq!(self.state().unknown, Vec::<String>::new(), "calls that no specification names");
        }
    }
}

#[derive(Clone)]
struct Each {
    state: Arc<Mutex<State>>,
    faults: Arc<Mutex<Vec<Fault>>>,
    calls: watch::Sender<Vec<Called>>,
}

impl Each {
    async fn serve(self, tls: TlsAcceptor, socket: tokio::net::TcpStream) {
        // A client that trusts somebody else goes away here.
        let Ok(stream) = tls.accept(socket).await else { return };
        let service = service_fn(|request| self.clone().answer(request));
        // Clients close connections as they like.
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let what = format!("{} {}", head.method, head.uri.path_and_query().unwrap());
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let Answer { status, headers, body } = match self.faulty(&what) {
            Some(answer) => answer,
            None => {
                let token = text(&head.headers, "x-vault-token").unwrap_or_default();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                self.state.lock().unwrap().answer(&what, &token, &body)
            }
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        let called = Called {
            what,
            namespace: text(&head.headers, "x-vault-namespace"),
            marked: text(&head.headers, "x-vault-request").as_deref() == Some("true"),
        };
        self.calls.send_modify(|calls| calls.push(called));
        Ok(response.body(Full::from(body)).unwrap())
    }

    fn faulty(&self, what: &str) -> Option<Answer> {
        let mut faults = self.faults.lock().unwrap();
        let fault = faults.iter_mut().find(|fault| fault.times > 0 && what.contains(fault.on))?;
        fault.times -= 1;
        Some(fault.answer.clone())
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}
