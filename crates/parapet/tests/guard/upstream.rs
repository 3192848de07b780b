//! What the guard protects: answers 200 to everything, and remembers what reached it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parapet_testbed::{Authority, Leaf, Pair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A metric, so that Prometheus is content too.
const ANSWER: &str = "# TYPE behind_the_guard gauge\nbehind_the_guard 1\n";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

/// Serves on 127.0.0.1 until the test's runtime ends.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// HTTP/1.1 and, from those who know, HTTP/2 in clear text.
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    /// HTTPS for those who show a certificate of `authority` alone.
    pub(crate) async fn with_client_certificates(authority: &Authority) -> Self {
        let leaf = Leaf { common_name: "upstream", organization: None, names: &["127.0.0.1"] };
        let Pair { certificate, key } = authority.sign(leaf).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(WebPkiClientVerifier::builder(roots.into()).build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        Self::serve(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// What reached it so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The value of a header of the last request; several lines are joined by `, `.
    pub(crate) fn last_header(&self, name: &str) -> Option<String> {
        let last = self.seen().pop().expect("something reached the upstream");
        let values: Vec<_> = last.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// `http://127.0.0.1:PORT/`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, log) = (tls.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    match tls {
                        None => answer(socket, log).await,
                        Some(tls) => {
                            // A stranger without a certificate is what some tests send.
                            if let Ok(socket) = tls.accept(socket).await {
                                answer(socket, log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }
}

async fn answer(socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, log: Arc<Mutex<Vec<Seen>>>) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        log.lock().unwrap().push(Seen {
            target,
            version: request.version(),
            headers: request.headers().clone(),
        });
        let mut answer = Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
        answer.headers_mut().insert("content-type", HeaderValue::from_static("text/plain; version=0.0.4"));
        async { Ok::<_, Infallible>(answer) }
    });
    // A connection that the guard drops is no failure of the upstream.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
}

/// Writes a certificate and its key; their paths as text.
pub(crate) fn written(pair: &Pair, sandbox: &parapet_testbed::Sandbox, name: &str) -> (String, String) {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = pair.write(sandbox, name).unwrap();
    (text(&certificate), text(&key))
}
