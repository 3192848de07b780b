//! A certificate that somebody else issues, by reference: shown, replaced while the server runs, and never told.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use parapet_pki::{Authority, Leaf, Names};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::world::{Up, up};

/// A folder as kubelet makes it of a TLS secret.
struct Volume {
    root: PathBuf,
    config: PathBuf,
}

impl Volume {
    fn new(folder: &Path) -> Self {
        let root = folder.join("secrets");
        fs::create_dir_all(root.join("web")).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        let config = folder.join("parapet.yaml");
        let key = |name: &str| format!("{{secretRef: {{provider: mounted, path: web, key: {name}}}}}");
        let yaml = format!(
            "secrets:\n  startDeadline: 2s\n  providers: {{mounted: {{file: {{root: '{}', poll: 1s}}}}}}\n\
             listen:\n  tls: {{certificate: {}, privateKey: {}, authority: {}}}\n",
            root.display(),
            key("tls.crt"),
            key("tls.key"),
            key("ca.crt")
        );
        fs::write(&config, yaml).unwrap();
        Self { root, config }
    }

    fn put(&self, version: &str, leaf: &Leaf, key: &str, authority: &Authority) {
        let web = self.root.join("web");
        let folder = web.join(format!("..{version}"));
        fs::create_dir(&folder).unwrap();
        let files = [
            ("tls.crt", leaf.certificate_pem()),
            ("tls.key", key.to_owned()),
            ("ca.crt", authority.certificate_pem().to_owned()),
        ];
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
            if !web.join(name).exists() {
                symlink(Path::new("..data").join(name), web.join(name)).unwrap();
            }
        }
        symlink(format!("..{version}"), web.join("..data_tmp")).unwrap();
        fs::rename(web.join("..data_tmp"), web.join("..data")).unwrap();
    }

    /// `up` with this configuration.
    fn flags(&self) -> [&str; 5] {
        let config = self.config.to_str().unwrap();
        ["--config", config, "--log-level", "trace", "--no-host"]
    }
}

fn issued() -> (Authority, Leaf) {
    let authority = Authority::generate(Timestamp::now()).unwrap();
    let leaf = authority.issue(&Names::new([]).unwrap(), Timestamp::now()).unwrap();
    (authority, leaf)
}

/// Whether a client that trusts this authority alone gets through the handshake.
fn trusts(url: &str, authority: &Authority) -> bool {
    let client = parapet_pki::client_config(authority.certificate_pem()).unwrap();
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let connection = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(connection, socket).flush().is_ok()
}

#[test]
fn a_given_certificate_is_shown_replaced_and_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Volume::new(folder.path());
    let ((first_ca, first), (second_ca, second)) = (issued(), issued());
    volume.put("1", &first, &first.key_pem(), &first_ca);
    let server = Up::start(&folder.path().join("data"), &volume.flags());
    let url = server.url("console_url").to_owned();
    assert!(trusts(&url, &first_ca) && !trusts(&url, &second_ca));
    server.said(&["token", "list"]);

    // A key of another certificate is refused, and the old pair stays.
    volume.put("2", &second, &first.key_pem(), &second_ca);
    let refused = "SELECT body FROM logs WHERE body LIKE '%a new version of a secret is unusable%'";
    while server.sql(refused).is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(trusts(&url, &first_ca));
    volume.put("3", &second, &second.key_pem(), &second_ca);
    while !trusts(&url, &second_ca) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!trusts(&url, &first_ca));
    // What the process says of itself arrives a little later; by commands that find the new authority by themselves.
    let applied =
        "SELECT attributes FROM logs WHERE body LIKE '%secret applied%' AND attributes LIKE '%mounted:web%'";
    while server.sql(applied).len() < 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let status: serde_json::Value = serde_json::from_str(&server.read("/api/v1/status")).unwrap();
    let secret = &status["secrets"][0];
    let expect = serde_json::json!({"name": "mounted:web", "version": secret["version"], "stale": false,
        "age_seconds": secret["age_seconds"], "required": true, "failures": 0, "last_failure": null,
        "users": [{"name": "listeners", "applied": secret["version"], "refused": null}]});
    assert!(secret["version"].is_string() && secret["age_seconds"].is_u64(), "{secret}");
    assert_eq!(*secret, expect);
    let rows =
        server.said(&["sql", "SELECT body, attributes FROM logs", "--max-rows", "10000", "-o", "json"]);
    let metrics = server.said(&["sql", "SELECT * FROM metrics", "--max-rows", "10000", "-o", "json"]);

    let proc = Path::new("/proc").join(server.pid().to_string());
    let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let mut shown = vec![
        ("environment", read(proc.join("environ"))),
        ("arguments", read(proc.join("cmdline"))),
        ("own logs", rows),
        ("own metrics", metrics),
        ("status", status.to_string()),
        ("metrics", server.read("/metrics")),
        ("file for clients", read(folder.path().join("data/pki/given-ca.crt"))),
    ];
    let (_, said) = server.interrupt();
    shown.push(("log", said));
    for leaf in [&first, &second] {
        let key = leaf.key_pem();
        for line in key.lines().filter(|line| line.len() > 20 && !line.starts_with('-')) {
            for (place, text) in &shown {
                assert!(!text.contains(line), "a private key is shown in the {place}");
            }
        }
    }
}

#[test]
fn a_certificate_that_is_not_there_or_unusable_stops_the_start_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Volume::new(folder.path());
    let refused = |code: i32, expected: &str| {
        let output = up(&folder.path().join("data"), &volume.flags()[..2]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{expected:?} is missing in: {said}");
    };
    refused(1, "mounted:web (missing)");
    let ((authority, leaf), (_, other)) = (issued(), issued());
    volume.put("1", &leaf, &other.key_pem(), &authority);
    refused(1, "the private key does not belong to the certificate");
}
