//! A `parapet up` of a test's own: ports that the system chooses, a folder that goes with the test.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

/// The binary, with nothing of the caller's environment that it reads.
pub(crate) fn parapet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
    for name in ["PARAPET_DATA", "PARAPET_SERVER", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command
}

/// A running server.
pub(crate) struct Up {
    child: Child,
    data: PathBuf,
    pub(crate) ready: Value,
    /// What it said on standard output until it was ready.
    pub(crate) welcome: String,
}

impl Up {
    /// Starts one on `data` with these flags besides, and returns when it is ready.
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Self {
        let ready_file = data.with_extension("ready.json");
        // A file takes whatever is said; a pipe that nobody reads would stop the server.
        let log = data.with_extension("log");
        let mut child = up(data, flags)
            .arg("--ready-file")
            .arg(&ready_file)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut welcome = String::new();
        loop {
            match lines.next() {
                Some(line) => welcome += &(line.unwrap() + "\n"),
                None => {
                    let ended = child.wait().unwrap();
                    panic!("it did not start: {ended:?}: {}", std::fs::read_to_string(&log).unwrap());
                }
            }
            if welcome.contains("Ctrl-C stops.") {
                break;
            }
        }
        let ready = serde_json::from_slice(&std::fs::read(&ready_file).unwrap()).unwrap();
        Self { child, data: data.to_owned(), ready, welcome }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap()
    }

    /// A client command against it.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        parapet().args(arguments).arg("--data").arg(&self.data).output().unwrap()
    }

    /// Rows of a query, each an object.
    pub(crate) fn sql(&self, query: &str) -> Vec<Value> {
        self.said(&["sql", query, "-o", "json"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What a client command prints; it must succeed.
    pub(crate) fn said(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What curl is answered at this path, with more arguments: status and body.
    pub(crate) fn curl(&self, path: &str, arguments: &[&str]) -> (u16, String) {
        let output = Command::new("curl")
            .args(["--silent", "--cacert", self.url("ca_file"), "--write-out", "\n%{http_code}"])
            .args(arguments)
            .arg(format!("{}{path}", self.url("console_url")))
            .output()
            .expect("curl is installed");
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// What the local command line's token reads at this path.
    pub(crate) fn read(&self, path: &str) -> String {
        let token = std::fs::read_to_string(self.data.join("credentials/cli.token")).unwrap();
        let (status, body) =
            self.curl(path, &["--header", &format!("Authorization: Bearer {}", token.trim())]);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Ctrl-C; how it ended and what it had said on standard error.
    pub(crate) fn interrupt(mut self) -> (ExitStatus, String) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let ended = self.child.wait().unwrap();
        (ended, std::fs::read_to_string(self.data.with_extension("log")).unwrap())
    }
}

impl Drop for Up {
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `parapet up` on free ports, not started yet.
pub(crate) fn up(data: &Path, flags: &[&str]) -> Command {
    let mut command = parapet();
    command.arg("up").arg("--data").arg(data).arg("--no-pod-logs");
    for listener in ["--console-listen", "--otlp-grpc-listen", "--otlp-http-listen"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    command.args(flags);
    command
}
