//! Secrets stay where they belong: not in arguments, environment, logs, status, metrics, nor in files that others may read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::world::Up;

#[test]
fn no_secret_leaves_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Up::start(&data, &["--log-level", "trace", "--no-host"]);
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let created = server.said(&["token", "create", "ci", "--scope", "read"]);
    let authorities: serde_json::Value = serde_json::from_str(&read("pki/authorities.json")).unwrap();
    let key = authorities["current"]["key"].as_str().unwrap();
    let key = key.lines().find(|line| !line.starts_with("-----")).unwrap().to_owned();
    let secrets = [
        server.ready["password"].as_str().unwrap().to_owned(),
        read("credentials/cli.token").trim().to_owned(),
        read("credentials/otlp.token").trim().to_owned(),
        created.trim().to_owned(),
        key,
    ];
    assert!(secrets.iter().all(|secret| secret.len() > 20), "all of them are there to be looked for");

    let listed = server.said(&["token", "list"]);
    let rows =
        server.said(&["sql", "SELECT body, attributes FROM logs", "--max-rows", "10000", "-o", "json"]);
    let proc = Path::new("/proc").join(server.pid().to_string());
    let mut shown = vec![
        ("environment", std::fs::read(proc.join("environ")).unwrap()),
        ("arguments", std::fs::read(proc.join("cmdline")).unwrap()),
        ("token list", listed.into_bytes()),
        ("own logs in the store", rows.into_bytes()),
        ("metrics", server.read("/metrics").into_bytes()),
        ("status", server.read("/api/v1/status").into_bytes()),
        ("accounts", std::fs::read(data.join("accounts.json")).unwrap()),
    ];
    let (_, said) = server.interrupt();
    assert!(
        said.contains("\"level\":\"DEBUG\""),
        "the log was to be talkative: {}",
        &said[..said.len().min(2000)]
    );
    shown.push(("log", said.into_bytes()));
    for (place, text) in &shown {
        let text = String::from_utf8_lossy(text);
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret is shown in the {place}");
        }
    }
    assert_private(&data);
}

/// Nothing in the folder can be read by anybody else.
fn assert_private(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0, "{} can be read by others", entry.path().display());
        if entry.file_type().unwrap().is_dir() {
            assert_private(&entry.path());
        }
    }
}
