//! The process by itself, without an API server: what ends it, and what doesn't.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use parapet_testbed::{Authority, Leaf, Pair};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio_rustls::TlsConnector;

/// A kubeconfig of a server that isn't there: port 1 is nobody's.
const NOWHERE: &str = "{apiVersion: v1, kind: Config, current-context: a, users: [{name: a, user: {token: x}}], \
    clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: a, context: {cluster: a, user: a}}]}";

/// A guard in a folder of its own.
struct Guard {
    folder: tempfile::TempDir,
    child: Child,
    /// The listener that is asked.
    at: &'static str,
    said: Lines<BufReader<ChildStderr>>,
}

fn command(folder: &Path, flags: &[&str]) -> Command {
    std::fs::write(folder.join("kubeconfig"), NOWHERE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
    command
        .arg("guard")
        .args([
            "--secure-listen-address=127.0.0.1:0",
            "--upstream=http://127.0.0.1:1",
            "--kubeconfig=kubeconfig",
        ])
        .args(flags)
        .current_dir(folder)
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Guard {
    /// Listens when this returns.
    async fn start(folder: tempfile::TempDir, flags: &[&str]) -> Self {
        let flags = [flags, &["--ready-file=ready"]].concat();
        let mut child = command(folder.path(), &flags).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut guard = Self { folder, child, at: "secure", said };
        guard.says("listening").await;
        while !guard.folder.path().join("ready").exists() {
            tokio::task::yield_now().await;
        }
        guard
    }

    /// Reads on until a line has these words.
    async fn says(&mut self, words: &str) {
        loop {
            let line = self.said.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended without saying {words:?}"));
            if line.contains(words) {
                return;
            }
        }
    }

    /// Asks for a path by TLS, trusting one authority, without a token; the first line of the answer.
    async fn ask(&self, trusted: &Authority, path: &str) -> std::io::Result<String> {
        let answer = self.ask_with(trusted, path, "").await?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }

    /// The whole answer. `header` ends its lines itself.
    async fn ask_with(&self, trusted: &Authority, path: &str, header: &str) -> std::io::Result<String> {
        let ready = std::fs::read(self.folder.path().join("ready")).unwrap();
        let ready: serde_json::Value = serde_json::from_slice(&ready).unwrap();
        let stream = TcpStream::connect(ready[self.at].as_str().unwrap()).await?;
        let config = parapet_pki::client_config(trusted.certificate()).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(&config)).connect(name, stream).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        // Not every server says goodbye to TLS before it closes.
        let _ = stream.read_to_string(&mut answer).await;
        Ok(answer)
    }

    async fn ends(mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().await.unwrap()
    }
}

fn pair(authority: &Authority) -> Pair {
    authority.sign(Leaf { common_name: "guard", names: &["localhost"], ..Leaf::default() }).unwrap()
}

fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("tls.crt"), folder.join("tls.key"))
}

/// The reference ends on each of these.
#[tokio::test]
async fn a_bad_rotation_ends_nothing() {
    let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = files(folder.path());
    let (before, after) = (pair(&old), pair(&new));
    std::fs::write(&certificate, &before.certificate).unwrap();
    std::fs::write(&key, &before.key).unwrap();
    let flags = ["--tls-cert-file=tls.crt", "--tls-private-key-file=tls.key", "--tls-reload-interval=1s"];
    let mut guard = Guard::start(folder, &flags).await;
    assert_eq!(guard.ask(&old, "/").await.unwrap(), "HTTP/1.1 401 Unauthorized");

    // One half of the new pair, nothing, something else, and no file.
    std::fs::write(&certificate, &after.certificate).unwrap();
    guard.says("unusable").await;
    std::fs::write(&key, "").unwrap();
    guard.says("unusable").await;
    std::fs::write(&certificate, "not PEM").unwrap();
    guard.says("unusable").await;
    std::fs::remove_file(&key).unwrap();
    guard.says("unusable").await;
    assert_eq!(guard.ask(&old, "/").await.unwrap(), "HTTP/1.1 401 Unauthorized");
    assert!(guard.ask(&new, "/").await.is_err());

    std::fs::write(&key, &after.key).unwrap();
    std::fs::write(&certificate, &after.certificate).unwrap();
    guard.says("certificates replaced").await;
    assert_eq!(guard.ask(&new, "/").await.unwrap(), "HTTP/1.1 401 Unauthorized");
    assert!(guard.ask(&old, "/").await.is_err());
    assert_eq!(guard.ends().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_wrong_at_the_start_is_said_and_serves_nothing() {
    let authority = Authority::new("a").unwrap();
    let (mine, other) = (pair(&authority), pair(&authority));
    for (flags, words) in [
        (&["--kubeconfig=missing"][..], "--kubeconfig: can't use missing"),
        (&["--kubeconfig=garbage"], "--kubeconfig: can't use garbage"),
        (
            &["--tls-cert-file=missing", "--tls-private-key-file=tls.key"],
            "--tls-cert-file: can't use the files",
        ),
        (
            &["--tls-cert-file=garbage", "--tls-private-key-file=tls.key"],
            "--tls-cert-file: can't use the files",
        ),
        (
            &["--tls-cert-file=tls.crt", "--tls-private-key-file=other.key"],
            "--tls-cert-file: can't use the files",
        ),
        (&["--client-ca-file=garbage"], "--client-ca-file: can't use the files"),
        (
            &["--oidc-issuer=https://127.0.0.1:1", "--oidc-clientID=a", "--oidc-ca-file=garbage"],
            "--oidc-ca-file: can't",
        ),
        (
            &["--upstream=https://127.0.0.1:1", "--upstream-ca-file=garbage"],
            "--upstream-ca-file: can't use the files",
        ),
        (&["--config-file=garbage"], "garbage:1:1"),
        (&["--secure-listen-address="], "--secure-listen-address: expected host:port"),
        (&["--nonsense"], "unexpected argument '--nonsense'"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = files(folder.path());
        std::fs::write(certificate, &mine.certificate).unwrap();
        std::fs::write(key, &mine.key).unwrap();
        std::fs::write(folder.path().join("other.key"), &other.key).unwrap();
        std::fs::write(folder.path().join("garbage"), "garbage").unwrap();
        let ended = command(folder.path(), flags).output().await.unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(words), "{flags:?}: {said}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_failure() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let flag = format!("--secure-listen-address={}", taken.local_addr().unwrap());
    let ended = command(folder.path(), &[&flag]).output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("can't listen on 127.0.0.1"), "{said}");
}

/// An API server that isn't there refuses everybody, and says when to come again; what is open stays open.
#[tokio::test]
async fn nobody_to_ask() {
    let authority = Authority::new("a").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = files(folder.path());
    let served = pair(&authority);
    std::fs::write(certificate, &served.certificate).unwrap();
    std::fs::write(key, &served.key).unwrap();
    let flags = ["--tls-cert-file=tls.crt", "--tls-private-key-file=tls.key", "--ignore-paths=/open"];
    let guard = Guard::start(folder, &flags).await;
    assert_eq!(guard.ask(&authority, "/closed").await.unwrap(), "HTTP/1.1 401 Unauthorized");
    let answer = guard.ask_with(&authority, "/closed", "Authorization: Bearer x\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1"), "{answer}");
    assert_eq!(guard.ask(&authority, "/open").await.unwrap(), "HTTP/1.1 502 Bad Gateway");
    assert_eq!(guard.ends().await.code(), Some(0));
}

#[tokio::test]
async fn health_is_for_everybody_and_metrics_are_not() {
    let authority = Authority::new("a").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = files(folder.path());
    let served = pair(&authority);
    std::fs::write(certificate, &served.certificate).unwrap();
    std::fs::write(key, &served.key).unwrap();
    let port = format!("--proxy-endpoints-port={}", parapet_testbed::free_port().unwrap());
    let flags =
        ["--tls-cert-file=tls.crt", "--tls-private-key-file=tls.key", "--ignore-paths=/metrics", &port];
    let mut guard = Guard::start(folder, &flags).await;
    guard.at = "health";
    for (path, status) in [
        ("/healthz", "HTTP/1.1 200 OK"),
        ("/livez", "HTTP/1.1 200 OK"),
        ("/readyz", "HTTP/1.1 200 OK"),
        // What is open at the upstream isn't open here.
        ("/metrics", "HTTP/1.1 401 Unauthorized"),
        ("/healthz/../metrics", "HTTP/1.1 404 Not Found"),
        ("/other", "HTTP/1.1 404 Not Found"),
    ] {
        assert_eq!(guard.ask(&authority, path).await.unwrap(), status, "{path}");
    }
    assert!(guard.ask_with(&authority, "/healthz", "").await.unwrap().ends_with("\r\nok"));
}
