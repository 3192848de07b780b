//! Where certificates are looked for: a file, a folder, a server.

use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use parapet_pki::Bundle;
use parapet_pki::inspect::{self, Found, Peer};
use parapet_pki::rotation::Rotation;
use rustls::pki_types::ServerName;
use serde::Serialize;

use crate::exit::{Failure, OrExit as _, Reason};

/// The most that is read of a file; `inspect::read` refuses more than a mebibyte.
const MAX_BYTES: u64 = (1 << 20) + 1;
/// What a folder's certificate may be called: a mounted Secret's, Parapet's own, or an authority's.
const CHAINS: [&str; 4] = ["tls.crt", "server.pem", "cert.pem", "ca.crt"];
/// And its key, when it is not in the same file.
const KEYS: [&str; 2] = ["tls.key", "key.pem"];
const BUNDLE: &str = "ca.crt";
const RECORD: &str = "authorities.json";

/// What a target has.
pub(super) struct Loaded {
    pub(super) found: Found,
    pub(super) connection: Option<Connection>,
    pub(super) rotation: Option<Rotation>,
    /// A folder's own bundle.
    pub(super) bundle: Option<Bundle>,
    /// The name that a server was asked by.
    pub(super) host: Option<ServerName<'static>>,
}

/// What a server said of its connection.
#[derive(Debug, Serialize)]
pub(super) struct Connection {
    pub(super) address: String,
    pub(super) version: Option<String>,
    pub(super) cipher_suite: Option<String>,
    pub(super) asks_for_certificate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<String>,
}

/// Loads a file or folder of that name if there is one, and asks a server otherwise.
pub(super) fn load(
    target: &str,
    name: Option<ServerName<'static>>,
    timeout: Duration,
) -> Result<Loaded, Failure> {
    let path = Path::new(target);
    if path.is_dir() {
        return folder(path);
    }
    if !path.exists()
        && let Some((host, port)) = target.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return server(target, host, name, timeout);
    }
    let found = read(path)?;
    Ok(Loaded { found, connection: None, rotation: None, bundle: None, host: None })
}

/// The authorities in a file.
pub(super) fn bundle(path: &Path) -> Result<Bundle, Failure> {
    Bundle::from_pem(&file(path)?)
        .with_context(|| format!("{} holds no usable certificate authority", path.display()))
        .or_exit(Reason::Usage)
}

/// A file's bytes.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .with_context(|| format!("can't read {}", path.display()))
        .or_exit(Reason::Usage)?;
    Ok(bytes)
}

fn read(path: &Path) -> Result<Found, Failure> {
    inspect::read(&file(path)?).with_context(|| path.display().to_string()).or_exit(Reason::Failed)
}

fn folder(folder: &Path) -> Result<Loaded, Failure> {
    let there = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let chain = there(&CHAINS)
        .ok_or_else(|| anyhow!("{} has none of {}", folder.display(), CHAINS.join(", ")))
        .or_exit(Reason::Usage)?;
    let mut found = read(&chain)?;
    if let Some(key) = there(&KEYS) {
        found = found.and(read(&key)?);
    }
    let trust = folder.join(BUNDLE);
    let bundle = if trust.is_file() { Some(bundle(&trust)?) } else { None };
    // Not ours to read in many cases, and nothing depends on it.
    let rotation = file(&folder.join(RECORD)).ok().and_then(|record| inspect::rotation_of(&record));
    Ok(Loaded { found, connection: None, rotation, bundle, host: None })
}

fn server(
    target: &str,
    host: &str,
    name: Option<ServerName<'static>>,
    timeout: Duration,
) -> Result<Loaded, Failure> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = match name {
        Some(name) => name,
        None => ServerName::try_from(host.to_owned())
            .with_context(|| format!("{host:?} is neither a DNS name nor an IP address"))
            .or_exit(Reason::Usage)?,
    };
    let reach = || -> anyhow::Result<(TcpStream, String)> {
        let addresses = target.to_socket_addrs().with_context(|| format!("can't resolve {host}"))?;
        let mut last = anyhow!("{host} has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => return Ok((stream, address.to_string())),
                Err(error) => last = anyhow!(error).context(format!("can't connect to {address}")),
            }
        }
        Err(last)
    };
    let (stream, address) = reach().or_exit(Reason::Server)?;
    let Peer { chain, version, cipher_suite, asks_for_certificate, ended } =
        ask(stream, name.clone(), timeout)
            .with_context(|| format!("{address} showed no certificate; does it speak TLS there?"))
            .or_exit(Reason::Server)?;
    let connection = Connection { address, version, cipher_suite, asks_for_certificate, ended };
    let found = Found::from(chain);
    Ok(Loaded { found, connection: Some(connection), rotation: None, bundle: None, host: Some(name) })
}

fn ask(mut stream: TcpStream, name: ServerName<'static>, timeout: Duration) -> std::io::Result<Peer> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    inspect::ask(&mut stream, name)
}
