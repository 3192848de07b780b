//! A Parapet process: started with ports of its own, found by its ready file, killed or stopped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::client::Client;

/// How often the ready file and the process are looked at while the server starts.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A server that does not answer for so long hangs: the slowest start, replaying a full log unoptimised, takes seconds.
const HANGS: Duration = Duration::from_secs(180);

/// How to start it.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The binary.
    pub binary: PathBuf,
    /// The data folder; kept between starts.
    pub data: PathBuf,
    /// Where the ready file and the log go.
    pub run_dir: PathBuf,
    /// More arguments of `parapet up`.
    pub args: Vec<String>,
}

/// What the server says of itself once it answers (`--ready-file`).
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Its process.
    pub pid: u32,
    /// Console and API.
    pub console_url: String,
    /// OTLP over gRPC.
    pub otlp_grpc_url: String,
    /// OTLP over HTTP.
    pub otlp_http_url: String,
    /// The CA that signed its certificates.
    pub ca_file: PathBuf,
    /// The directory of its tokens.
    pub credentials_dir: PathBuf,
}

/// A process that may not answer yet.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    ready_file: PathBuf,
    log: PathBuf,
}

/// A server that answers.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its addresses.
    pub ready: Ready,
    /// A client with the admin's token.
    pub admin: Client,
    /// A client with the token for sending.
    pub ingest: Client,
}

impl Launch {
    /// Starts the process; it ends with ours.
    pub fn spawn(&self) -> Result<Starting> {
        fs::create_dir_all(&self.run_dir)
            .with_context(|| format!("failed to create {}", self.run_dir.display()))?;
        let ready_file = self.run_dir.join("ready.json");
        match fs::remove_file(&ready_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to remove {}", ready_file.display()));
            }
            _ => {}
        }
        let log = self.run_dir.join("server.log");
        let output = File::options().create(true).append(true).open(&log);
        let output = output.with_context(|| format!("failed to open {}", log.display()))?;
        let child = Command::new(&self.binary)
            .args(["up", "--console-listen", "127.0.0.1:0", "--otlp-grpc-listen", "127.0.0.1:0"])
            .args(["--otlp-http-listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .arg("--ready-file")
            .arg(&ready_file)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("failed to share the log file")?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", self.binary.display()))?;
        Ok(Starting { child, ready_file, log })
    }

    /// Starts it and waits until it answers.
    pub async fn start(&self) -> Result<Server> {
        self.spawn()?.ready().await
    }
}

impl Starting {
    /// Waits until it answers; fails if it ends before.
    pub async fn ready(mut self) -> Result<Server> {
        let started = Instant::now();
        let ready: Ready = loop {
            if started.elapsed() > HANGS {
                bail!("the server is not ready after {} s\n{}", HANGS.as_secs(), tail_of(&self.log));
            }
            if let Some(status) = self.child.try_wait().context("failed to look at the server")? {
                bail!("the server ended while starting: {status}\n{}", tail_of(&self.log));
            }
            // A ready file that is not complete yet is no JSON; the next look finds it.
            if let Some(ready) =
                fs::read(&self.ready_file).ok().and_then(|text| serde_json::from_slice(&text).ok())
            {
                break ready;
            }
            sleep(LOOK_AGAIN).await;
        };
        let client = |name: &str| -> Result<Client> {
            let path = ready.credentials_dir.join(name);
            let token =
                fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
            Client::new(&ready.ca_file, &token)
        };
        let (admin, ingest) = (client("cli.token")?, client("otlp.token")?);
        Ok(Server { child: self.child, ready, admin, ingest })
    }

    /// Kills it with SIGKILL, ready or not.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("failed to kill the server")
    }
}

impl Server {
    /// Kills it with SIGKILL and waits until it's gone.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("failed to kill the server")
    }

    /// Stops it as Ctrl-C's relative SIGTERM does, and waits until it has written everything down.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.ready.pid).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.context("the server's process id is no process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("failed to signal the server")?;
        self.child.wait().await.context("failed to wait for the server")
    }

    /// An error if the process ended by itself.
    pub fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait().context("failed to look at the server")? {
            Some(status) => bail!("the server ended by itself: {status}"),
            None => Ok(()),
        }
    }
}

/// The last lines of a log, for error messages.
fn tail_of(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
