//! Certificates for tests.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use parapet_guard::proxy::Security;
use parapet_pki::{
    Authority, ClientCertificates, ClientProfile, ClientTls, LeafOptions, Material, Names, Options, PkiError,
    Reloader, Reloading, ServerProfile, ServerTls, Source, Usage, client_config, reloading,
};
use prometheus_client::registry::Registry;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Material that a test may replace.
#[derive(Clone)]
pub(crate) struct Memory {
    material: Arc<Mutex<Material>>,
    changed: Arc<Notify>,
}

impl Memory {
    fn new(material: Material) -> Self {
        Self { material: Arc::new(Mutex::new(material)), changed: Arc::default() }
    }

    pub(crate) fn replace(&self, material: Material) {
        *self.material.lock().unwrap() = material;
        self.changed.notify_one();
    }
}

impl Source for Memory {
    fn read(&self) -> Result<Material, PkiError> {
        Ok(self.material.lock().unwrap().clone())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// An authority and what it issued for `localhost`.
pub(crate) struct Certificates {
    pub(crate) authority: Authority,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self { authority: Authority::generate(Timestamp::now()).unwrap() }
    }

    /// A new leaf for both sides, and trust in the authority.
    pub(crate) fn material(&self) -> Material {
        let options = LeafOptions { usage: Usage::Both, ..LeafOptions::default() };
        let leaf = self.authority.issue_with(&options, &Names::new([]).unwrap(), Timestamp::now()).unwrap();
        Material {
            pair: Some((leaf.certificate_pem().into_bytes(), leaf.key_pem().as_bytes().to_vec().into())),
            trust: Some(self.authority.certificate_pem().as_bytes().to_vec()),
        }
    }

    pub(crate) fn server(
        &self,
        asked: ClientCertificates,
    ) -> (Reloading<ServerTls>, Memory, Reloader<Memory, ServerProfile>) {
        let source = Memory::new(self.material());
        let profile = ServerProfile {
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            client_certificates: asked,
            ..ServerProfile::default()
        };
        let (tls, reloader) = reloading(source.clone(), profile, options()).unwrap();
        (tls, source, reloader)
    }

    pub(crate) fn security(&self) -> Security {
        Security::Tls(self.server(ClientCertificates::NotAsked).0)
    }

    /// For the upstream side, with a client certificate.
    pub(crate) fn client(&self, alpn: &[&str]) -> Reloading<ClientTls> {
        let profile = ClientProfile {
            alpn: alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
            ..ClientProfile::default()
        };
        reloading(Memory::new(self.material()), profile, options()).unwrap().0
    }

    /// A TLS connection to a gate.
    pub(crate) async fn connect(
        &self,
        address: std::net::SocketAddr,
        alpn: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = client_config(self.authority.certificate_pem()).unwrap();
        Arc::make_mut(&mut config).alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(config).connect("localhost".try_into().unwrap(), stream).await
    }
}

fn options() -> Options {
    let mut options = Options::new("test", parapet_pki::Metrics::register(&mut Registry::default()));
    options.settle = std::time::Duration::from_millis(1);
    options
}
