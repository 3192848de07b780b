//! A listener, its certificate, and clients of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parapet_listen::{Drained, Limits, Listener, Metrics};
use parapet_pki::{Authority, Names, ServerIdentity};
use prometheus_client::registry::Registry;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    registry: Registry,
    authority: Authority,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Drained>,
}

/// Deadlines that no test waits for, however busy the machine is.
pub(crate) fn patient() -> Limits {
    let long = Duration::from_secs(600);
    Limits {
        handshake_timeout: long,
        header_timeout: long,
        idle_timeout: long,
        shutdown_grace: long,
        unread_time: long,
        ..Limits::default()
    }
}

impl World {
    pub(crate) async fn serve(limits: Limits, service: Router) -> Self {
        let authority = Authority::generate(jiff::Timestamp::now()).unwrap();
        let tls = server_tls(&authority);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::bind("test", any, tls, limits, &metrics).await.unwrap();
        let address = listener.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(parapet_listen::serve(listener, service, async { drop(stopped.await) }));
        Self { address, registry, authority, stop: Some(stop), serving }
    }

    /// What another listener of the same server would show.
    pub(crate) fn server_tls(&self) -> Arc<ServerConfig> {
        server_tls(&self.authority)
    }

    /// Asks the listener to stop; [`World::drained`] waits for it.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn drained(mut self) -> Drained {
        self.stop();
        self.serving.await.unwrap()
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn tls(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate().clone()).unwrap();
        self.tls_with(roots, alpn).await.unwrap()
    }

    pub(crate) async fn tls_with(
        &self,
        roots: RootCertStore,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.tcp().await).await
    }

    pub(crate) async fn h1(&self) -> http1::SendRequest<Body> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(self.tls(&["http/1.1"]).await)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    pub(crate) async fn h2(&self) -> http2::SendRequest<Body> {
        let io = TokioIo::new(self.tls(&["h2"]).await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// The value of one metric, 0 if it was never counted.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until a metric has a value: what it counts happens in another task.
    pub(crate) async fn until(&self, sample: &str, value: u64) {
        while self.metric(sample) != value {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn get(path: &str) -> Request {
    Request::builder()
        .uri(format!("https://localhost{path}"))
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap()
}

pub(crate) async fn text(response: hyper::Response<hyper::body::Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn server_tls(authority: &Authority) -> Arc<ServerConfig> {
    let leaf = authority.issue(&Names::new([]).unwrap(), jiff::Timestamp::now()).unwrap();
    ServerIdentity::new(leaf).server_config(&[]).unwrap()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
