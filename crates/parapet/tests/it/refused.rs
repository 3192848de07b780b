//! What it refuses, with which exit code, and whether the message says what to do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::world::{Up, parapet, up};

#[track_caller]
fn check(mut command: std::process::Command, code: i32, said: &[&str]) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for part in said {
        assert!(stderr.contains(part), "{part:?} is missing in: {stderr}");
    }
}

#[test]
fn a_configuration_that_is_wrong_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parapet.yaml");
    let cases = [
        ("listen:\n  konsole: 127.0.0.1:1\n", vec!["parapet.yaml:2", "konsole"]),
        ("collect:\n  host: maybe\n", vec!["parapet.yaml:2", "collect.host", "boolean"]),
        ("store:\n  flushAge: soon\n", vec!["parapet.yaml:2", "store.flushAge", "duration such as 5m"]),
        ("demo: true\ndemo: true\n", vec!["parapet.yaml:2", "demo"]),
    ];
    for (yaml, said) in cases {
        std::fs::write(&file, yaml).unwrap();
        let data = folder.path().join("data");
        let mut command = up(&data, &["--config"]);
        command.arg(&file);
        check(command, 2, &said);
        assert!(!data.exists(), "nothing may be made before the configuration is known to be right");
    }
    check(
        up(&folder.path().join("data"), &["--log-level", "lots=of=it"]),
        2,
        &["lots=of=it", "expected error, warn"],
    );
    let mut remote = parapet();
    remote.arg("up").arg("--data").arg(folder.path().join("data")).args(["--console-listen", "0.0.0.0:0"]);
    check(remote, 2, &["--console-listen 0.0.0.0:0", "--allow-remote"]);
}

#[test]
fn a_folder_in_use_names_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = Up::start(&data, &[]);
    let pid = running.pid().to_string();
    check(up(&data, &[]), 3, &["in use", &pid]);
    let mut doctor = parapet();
    doctor.arg("doctor").arg("--data").arg(&data);
    check(doctor, 3, &["in use", &pid]);
}

#[test]
fn a_taken_port_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = parapet();
    command.arg("up").arg("--data").arg(folder.path().join("data")).arg("--no-pod-logs");
    command.args(["--console-listen", "127.0.0.1:0", "--otlp-grpc-listen", &address]);
    check(command, 1, &["otlp_grpc", &address, "--otlp-grpc-listen"]);
}

#[test]
fn no_server_no_folder_and_no_token_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str]| {
        let mut command = parapet();
        command.args(arguments).arg("--data").arg(folder.path());
        command
    };
    check(ask(&["sql", "SELECT 1"]), 4, &["parapet up"]);
    check(ask(&["doctor"]), 3, &[]);

    let data = folder.path().join("data");
    let running = Up::start(&data, &[]);
    let refused = running.ask(&["sql", "COPY logs TO '/tmp/x'"]);
    assert_eq!(refused.status.code(), Some(4));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("403"), "{said}");
    std::fs::write(data.join("credentials/cli.token"), "ppt_0000000000000000_0").unwrap();
    let stranger = running.ask(&["logs"]);
    assert_eq!(stranger.status.code(), Some(4));
    let said = String::from_utf8(stranger.stderr).unwrap();
    assert!(said.contains("401"), "{said}");
}

#[test]
fn nothing_answers_in_clear_text() {
    let folder = tempfile::tempdir().unwrap();
    let running = Up::start(&folder.path().join("data"), &[]);
    for key in ["console_url", "otlp_grpc_url", "otlp_http_url"] {
        let port: u16 = running.url(key).rsplit(':').next().unwrap().parse().unwrap();
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // A reset is as good as a close.
        let _ = socket.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/"), "{key} answered {:?}", String::from_utf8_lossy(&answer));
    }
}
