//! A control plane with an operator that runs in this machine beside it, as a process.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Method;
use kube::Client;
use parapet_testbed::{Cluster, Process, build, free_port};
use tokio::time::sleep;

use crate::usage::Usage;

/// How often the operator is asked what it did.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The definitions, as they are installed.
const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/parapet-operator/files/crds");

/// An operator and its control plane.
pub(super) struct Subject {
    pub(super) client: Client,
    cluster: Cluster,
    operator: Process,
    http: crate::client::Client,
    metrics: String,
}

/// What the operator used and asked for up to a moment, or between two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) cpu_seconds: f64,
    pub(super) rss_bytes: u64,
    pub(super) anonymous_bytes: u64,
    pub(super) peak_rss_bytes: u64,
    /// Calls that change something; its own lease is renewed by none, as nobody competes for it.
    pub(super) writes: u64,
    /// Calls that don't.
    pub(super) reads: u64,
    pub(super) passes: u64,
    /// etcd, API server, controllers and scheduler together.
    pub(super) others_cpu_seconds: f64,
}

impl Sample {
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            writes: self.writes - before.writes,
            reads: self.reads - before.reads,
            passes: self.passes - before.passes,
            others_cpu_seconds: self.others_cpu_seconds - before.others_cpu_seconds,
            ..*self
        }
    }
}

impl Subject {
    /// Starts both, and returns when the operator works.
    pub(super) async fn start(parapet: &Path) -> Result<Self> {
        let cluster = Cluster::start(build()?).await?;
        for file in std::fs::read_dir(DEFINITIONS).with_context(|| format!("no {DEFINITIONS}"))? {
            cluster.define(&std::fs::read_to_string(file?.path())?).await?;
        }
        cluster.namespace("elastic-system").await?;
        cluster.namespace("bench").await?;
        let port = free_port()?;
        let mut command = Command::new(parapet);
        command
            .arg("operator")
            .arg(format!("--kubeconfig={}", cluster.kubeconfig().display()))
            .arg("--operator-namespace=elastic-system")
            .arg("--enable-webhook=false")
            .arg("--enable-leader-election=false")
            .arg("--metrics-secure=false")
            .arg("--metrics-host=127.0.0.1")
            .arg(format!("--metrics-port={port}"));
        let operator = cluster.sandbox().start("operator", command)?;
        let client = cluster.client().await?;
        let metrics = format!("http://127.0.0.1:{port}/metrics");
        let http = crate::client::Client::plain()?;
        let mut subject = Self { client, cluster, operator, http, metrics };
        while subject.page().await.is_err() {
            if let Some(status) = subject.operator.ended()? {
                bail!("the operator ended ({status}):\n{}", subject.operator.last_words());
            }
            sleep(LOOK_AGAIN).await;
        }
        subject.quiet(Duration::from_secs(1)).await?;
        Ok(subject)
    }

    /// Up to now.
    pub(super) async fn sample(&self) -> Result<Sample> {
        let Usage { cpu_seconds, rss_bytes, anonymous_bytes, peak_rss_bytes } =
            Usage::of(self.operator.pid())?;
        let mut others_cpu_seconds = 0.0;
        for pid in self.cluster.pids() {
            others_cpu_seconds += Usage::of(pid)?.cpu_seconds;
        }
        let page = self.page().await?;
        let (mut writes, mut reads, mut passes) = (0, 0, 0);
        for line in page.lines() {
            let counted = |name: &str| -> Result<u64> {
                let Some(rest) = line.strip_prefix(name).filter(|rest| rest.starts_with('{')) else {
                    return Ok(0);
                };
                let count = rest.rsplit_once(' ').and_then(|(_, count)| count.parse::<f64>().ok());
                Ok(count.with_context(|| format!("no count in {line}"))? as u64)
            };
            let called = counted("rest_client_requests_total")?;
            let counter = if line.contains("method=\"GET\"") { &mut reads } else { &mut writes };
            *counter += called;
            passes += counted("controller_runtime_reconcile_total")?;
        }
        Ok(Sample {
            cpu_seconds,
            rss_bytes,
            anonymous_bytes,
            peak_rss_bytes,
            writes,
            reads,
            passes,
            others_cpu_seconds,
        })
    }

    /// Writes that the API server has counted, whoever sent them; without leases and nodes, which its own controllers and kwok renew,
    /// reviews, which change nothing, and what the scheduler says of pods that find no node: their status and events. The operator's
    /// own events are in its own count.
    pub(super) async fn writes_counted(&self) -> Result<u64> {
        let page = self.client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
        let mut writes = 0;
        for line in page.lines() {
            let Some(counted) = line.strip_prefix("apiserver_request_total{") else { continue };
            let (labels, count) = counted.rsplit_once("} ").context("labels and a number")?;
            let has = |name, values: &[&str]| {
                values.iter().any(|value| labels.contains(&format!("{name}=\"{value}\"")))
            };
            if has("verb", &["APPLY", "DELETE", "DELETECOLLECTION", "PATCH", "POST", "PUT"])
                && !has("resource", &["events", "leases", "nodes", "subjectaccessreviews", "tokenreviews"])
                && !(has("resource", &["pods"]) && has("subresource", &["status"]))
            {
                writes += count.parse::<f64>().with_context(|| format!("no count in {line}"))? as u64;
            }
        }
        Ok(writes)
    }

    /// Returns when it called nobody for `long`.
    pub(super) async fn quiet(&self, long: Duration) -> Result<()> {
        let mut last = self.sample().await?;
        let mut since = Instant::now();
        while since.elapsed() < long {
            sleep(LOOK_AGAIN).await;
            let now = self.sample().await?;
            if (now.writes, now.reads) != (last.writes, last.reads) {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Ends both.
    pub(super) fn stop(self) -> Result<()> {
        self.operator.stop()?;
        self.cluster.stop()
    }

    async fn page(&self) -> Result<String> {
        let answer = self.http.send(Method::GET, &self.metrics, &[], Bytes::new()).await?;
        if !answer.status.is_success() {
            bail!("{} answered {}", self.metrics, answer.status);
        }
        String::from_utf8(answer.body.into()).context("metrics are text")
    }
}
