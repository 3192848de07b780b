//! Many TLS connections that have asked once and then wait.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connections from one address: below what a gate allows a single caller. 127.0.0.0/8 is all ours.
const PER_ADDRESS: usize = 2000;
/// Handshakes at once.
const AT_ONCE: usize = 64;
/// Without a token: the refusal costs no review, and the connection stays.
const QUESTION: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// Open connections.
pub(super) struct Held {
    connections: Vec<TlsStream<TcpStream>>,
}

/// Raises the bound on open files to what the system allows, for this process and what it starts.
pub(super) fn allow_many_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("failed to raise the bound on open files")
}

/// Opens `count` connections to a local port and asks once on each.
pub(super) async fn hold(port: u16, ca: &str, count: usize) -> Result<Held> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca.as_bytes()).context("the CA is no PEM")?;
    roots.add(ca).context("the CA is no certificate")?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let mut connections = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for number in 0..count {
        if opening.len() >= AT_ONCE {
            connections
                .push(opening.join_next().await.context("something opens")?.context("a task panicked")??);
        }
        opening.spawn(open(connector.clone(), port, number));
    }
    while let Some(opened) = opening.join_next().await {
        connections.push(opened.context("a task panicked")??);
    }
    Ok(Held { connections })
}

impl Held {
    /// Asks again on each; how many answer.
    pub(super) async fn ask_again(self) -> usize {
        let mut answered = 0;
        for mut connection in self.connections {
            answered += usize::from(ask(&mut connection).await.is_ok());
        }
        answered
    }
}

async fn open(connector: TlsConnector, port: u16, number: usize) -> Result<TlsStream<TcpStream>> {
    let from =
        Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + u32::try_from(number / PER_ADDRESS).unwrap_or(0));
    let socket = TcpSocket::new_v4().context("no socket")?;
    socket.bind((from, 0).into()).with_context(|| format!("failed to take a port of {from}"))?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.context("failed to connect")?;
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let mut connection = connector.connect(name, stream).await.context("the handshake failed")?;
    ask(&mut connection).await?;
    Ok(connection)
}

/// Sends the question and reads the whole answer: a refusal with a Content-Length.
async fn ask(connection: &mut TlsStream<TcpStream>) -> Result<()> {
    connection.write_all(QUESTION).await.context("failed to ask")?;
    connection.flush().await.context("failed to ask")?;
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        if connection.read_buf(&mut answer).await.context("failed to read the answer")? == 0 {
            bail!("the connection ended");
        }
    }
    if !answer.starts_with(b"HTTP/1.1 401") {
        bail!("expected 401, got {:?}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        assert!(!is_whole(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n"));
        assert!(!is_whole(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\na"));
        assert!(is_whole(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nab"));
    }
}
