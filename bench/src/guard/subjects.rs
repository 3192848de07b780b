//! Who is measured: the guard and its peers, started once, all in front of one upstream and asking one API server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use parapet_testbed::{Authority, Cluster, Leaf, Process, Sandbox, build, free_port};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::peer::{fill_in, prepare};
use crate::report::Report;

/// Bytes of an answer.
const ANSWER: usize = 1024;
/// Nobody announces that it listens.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A gate's account may ask for reviews, the client's may read /metrics.
const RIGHTS: &str = include_str!("../../peers/guard-rights.yaml");

/// What a subject stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Track {
    /// Ours.
    Guard,
    /// What the usual gate is made of.
    Reference,
    /// controller-runtime's filter in the process that answers.
    InProcess,
    /// A proxy that asks nothing.
    Proxy,
    /// No proxy.
    Direct,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) track: Track,
    pub(super) name: &'static str,
    pub(super) port: u16,
    /// Where HTTP/2 has a port of its own.
    pub(super) http2_port: u16,
    pub(super) pid: u32,
    _process: Process,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Subjects {
    pub(super) all: Vec<Subject>,
    /// A client's that may read /metrics.
    pub(super) token: String,
    /// Signed every gate's certificate; PEM.
    pub(super) ca: String,
    sandbox: Sandbox,
    _cluster: Cluster,
}

impl Subjects {
    /// Starts everything. A peer that can't be had is told in the report, and left out.
    pub(super) async fn start(parapet: &Path, cache: &Path, report: &mut Report) -> Result<Self> {
        let cluster = Cluster::start(build()?).await?;
        cluster.namespace("bench").await?;
        cluster.apply(RIGHTS, "bench").await?;
        let sandbox = cluster.sandbox().clone();
        let authority = Authority::new("bench")?;
        let serving = Leaf { common_name: "bench", organization: None, names: &["127.0.0.1"] };
        let (certificate, key) = authority.sign(serving)?.write(&sandbox, "serving")?;
        let kubeconfig = cluster.kubeconfig_of("bench", "gate").await?;
        let mut subjects = Self {
            all: Vec::new(),
            token: cluster.token("bench", "reader", &[]).await?,
            ca: authority.certificate().to_owned(),
            sandbox,
            _cluster: cluster,
        };

        let (http1, http2) = (free_port()?, free_port()?);
        let body = "a".repeat(ANSWER);
        let ports = [("@HTTP1@", http1.to_string()), ("@HTTP2@", http2.to_string()), ("@BODY@", body)];
        let upstream = subjects.nginx("upstream", include_str!("../../peers/nginx/upstream.conf"), &ports)?;
        let upstream_url = format!("http://127.0.0.1:{http1}/");

        let mut guard = Command::new(parapet);
        let port = free_port()?;
        guard
            .arg("guard")
            .arg(format!("--secure-listen-address=127.0.0.1:{port}"))
            .arg(format!("--upstream={upstream_url}"))
            .arg(option("tls-cert-file", &certificate))
            .arg(option("tls-private-key-file", &key))
            .arg(option("kubeconfig", &kubeconfig));
        subjects.add(Track::Guard, "parapet guard", port, guard).await?;

        match go_peers(cache).await {
            Ok(binaries) => {
                for (track, name, binary, to) in [
                    (Track::Reference, "Go proxy", "reference", Some(&upstream_url)),
                    (Track::InProcess, "controller-runtime in process", "in-process", None),
                ] {
                    let port = free_port()?;
                    let mut command = Command::new(binaries.join(binary));
                    command
                        .arg(format!("-listen=127.0.0.1:{port}"))
                        .arg(format!("-cert={}", certificate.display()))
                        .arg(format!("-key={}", key.display()))
                        .arg(format!("-kubeconfig={}", kubeconfig.display()));
                    command.args(to.map(|upstream| format!("-upstream={upstream}")));
                    subjects.add(track, name, port, command).await?;
                }
            }
            Err(error) => report.peer_missing("Go proxy, controller-runtime", &format!("{error:#}")),
        }

        let port = free_port()?;
        let ports = [("@HTTP1@", http1.to_string()), ("@LISTEN@", port.to_string())];
        let proxy = subjects.nginx_command("proxy", include_str!("../../peers/nginx/proxy.conf"), &ports)?;
        subjects.add(Track::Proxy, "nginx, asking nobody", port, proxy).await?;
        subjects.all.push(Subject {
            track: Track::Direct,
            name: "no proxy, no TLS",
            port: http1,
            http2_port: http2,
            pid: upstream.pid(),
            _process: upstream,
        });
        Ok(subjects)
    }

    pub(super) fn guard(&self) -> &Subject {
        &self.all[0]
    }

    pub(super) fn dir(&self) -> &Path {
        self.sandbox.dir()
    }

    async fn add(&mut self, track: Track, name: &'static str, port: u16, command: Command) -> Result<()> {
        let log = name.replace([' ', ','], "-");
        let mut process = self.sandbox.start(&log, command)?;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = process.ended()? {
                bail!("{name} ended ({status}):\n{}", process.last_words());
            }
            sleep(LOOK_AGAIN).await;
        }
        self.all.push(Subject { track, name, port, http2_port: port, pid: process.pid(), _process: process });
        Ok(())
    }

    fn nginx(&self, name: &str, template: &str, values: &[(&str, String)]) -> Result<Process> {
        self.sandbox.start(&format!("nginx-{name}"), self.nginx_command(name, template, values)?)
    }

    fn nginx_command(&self, name: &str, template: &str, values: &[(&str, String)]) -> Result<Command> {
        let text = values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value));
        let text = fill_in(&text, &[("@ROOT@", self.sandbox.dir())]);
        let config = self.sandbox.write(&format!("nginx-{name}.conf"), text)?;
        // Debian keeps it where only root's PATH leads.
        let path = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(path);
        command.arg("-c").arg(config).arg("-p").arg(self.sandbox.dir());
        Ok(command)
    }
}

/// Builds the Go peers once into the cache; minutes when cold.
async fn go_peers(cache: &Path) -> Result<PathBuf> {
    const FILES: [(&str, &str); 4] = [
        ("go.mod", include_str!("../../peers/guard-go/go.mod")),
        ("go.sum", include_str!("../../peers/guard-go/go.sum")),
        ("reference/main.go", include_str!("../../peers/guard-go/reference/main.go")),
        ("in-process/main.go", include_str!("../../peers/guard-go/in-process/main.go")),
    ];
    let dir = std::path::absolute(cache.join("peers/guard-go")).context("there is no current folder")?;
    let current =
        |(name, text): (&str, &str)| fs::read_to_string(dir.join(name)).is_ok_and(|there| there == text);
    let binaries = dir.join("bin");
    if FILES.into_iter().all(current) && binaries.join("complete").exists() {
        return Ok(binaries);
    }
    eprintln!("building the Go peers into {} (minutes, once)", dir.display());
    let _ = fs::remove_dir_all(&dir);
    for (name, text) in FILES {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&dir))
            .context("failed to create a folder for the Go peers")?;
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let mut go = tokio::process::Command::new("go");
    go.args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "bin/", "./..."])
        .current_dir(&dir);
    prepare(go.env("CGO_ENABLED", "0")).await?;
    fs::write(binaries.join("complete"), "").context("failed to mark the build as complete")?;
    Ok(binaries)
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
