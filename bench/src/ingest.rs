//! How many log records a second, and a CPU-second, become durable; beside Loki, which takes the same lines by its own
//! protocol. The senders' CPU is not counted: requests are made before the clock starts, and only the server's process is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::Client;
use crate::lines::Lines;
use crate::otlp::{self, Record};
use crate::peer::loki::{self, Loki};
use crate::report::{Report, Target, median};
use crate::server::Launch;
use crate::usage::{Usage, bytes_below};

/// Lines in one request: some 200 KB, what collectors send by default or a little more.
const BATCH: u64 = 1000;
/// A line's length, that of a web server's access log; the same as the peer was measured with before.
const LINE: usize = 200;
/// Requests under way at once.
const SENDERS: usize = 8;
/// Services that the lines belong to; for Loki, streams.
const SERVICES: u64 = 8;
/// Rows are flushed to segments this soon after the last one came, instead of after minutes.
const CONFIGURATION: &str = "store:\n  flushAge: 5s\n";

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub parapet: PathBuf,
    /// Where Loki is built.
    pub cache: PathBuf,
    /// Records a run.
    pub rows: u64,
    /// Runs; medians are reported.
    pub runs: u32,
    /// Print JSON lines.
    pub json: bool,
}

/// One run of one system.
#[derive(Clone, Copy, Debug)]
struct Run {
    seconds: f64,
    /// Until the last acknowledgement.
    cpu_seconds: f64,
    /// Until everything is in its final files.
    cpu_seconds_flushed: f64,
    peak_rss: u64,
    disk_bytes: u64,
    wal_bytes: u64,
}

/// Measures and prints.
pub async fn run(options: Options) -> Result<()> {
    let Options { parapet, cache, rows, runs, json } = options;
    let mut report = Report::new(json);
    let loki = match loki::build(&cache).await {
        Ok(binary) => Some(binary),
        Err(error) => {
            report.peer_missing("Loki", &format!("{error:#}"));
            None
        }
    };
    let raw_bytes = rows as f64 * LINE as f64;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..runs.max(1) {
        eprintln!("run {} of {}: parapet, {rows} rows", run + 1, runs.max(1));
        ours.push(ours_once(&parapet, rows).await?);
        if let Some(binary) = &loki {
            eprintln!("run {} of {}: Loki", run + 1, runs.max(1));
            theirs.push(loki_once(binary, rows).await.context("Loki")?);
        }
    }
    let middle = |runs: &[Run], value: fn(&Run) -> f64| median(runs.iter().map(value).collect());
    let per_cpu = |runs: &[Run]| rows as f64 / middle(runs, |run| run.cpu_seconds);
    let flushed_per_cpu = |runs: &[Run]| rows as f64 / middle(runs, |run| run.cpu_seconds_flushed);
    for (name, runs) in
        [("parapet", &ours), ("Loki", &theirs)].into_iter().filter(|(_, runs)| !runs.is_empty())
    {
        let of_us = |target| if name == "parapet" { target } else { Target::None };
        report.value(
            format!("{name}: rows acknowledged"),
            rows as f64 / middle(runs, |run| run.seconds),
            "rows/s",
            Target::None,
        );
        report.value(format!("{name}: rows per CPU-second"), per_cpu(runs), "rows/CPU-s", Target::None);
        report.value(format!("{name}: … flush included"), flushed_per_cpu(runs), "rows/CPU-s", Target::None);
        report.value(
            format!("{name}: memory at most"),
            middle(runs, |run| run.peak_rss as f64) / 1e6,
            "MB",
            Target::None,
        );
        let disk = middle(runs, |run| run.disk_bytes as f64) / raw_bytes;
        report.value(format!("{name}: disk per raw byte"), disk, "bytes/byte", of_us(Target::AtMost(0.1)));
        report.value(
            format!("{name}: log beside it"),
            middle(runs, |run| run.wal_bytes as f64) / 1e6,
            "MB",
            Target::None,
        );
    }
    if !theirs.is_empty() {
        // design.md: at least twice Loki's rows per CPU-second in the same run.
        let ratio = per_cpu(&ours) / per_cpu(&theirs);
        report.value("rows per CPU-second, parapet : Loki", ratio, "ratio", Target::AtLeast(2.0));
        let ratio = flushed_per_cpu(&ours) / flushed_per_cpu(&theirs);
        report.value("… flush included", ratio, "ratio", Target::None);
    }
    report.print();
    Ok(())
}

async fn ours_once(parapet: &Path, rows: u64) -> Result<Run> {
    let dir =
        tempfile::Builder::new().prefix("parapet-ingest-").tempdir().context("no temporary directory")?;
    let configuration = dir.path().join("parapet.yaml");
    std::fs::write(&configuration, CONFIGURATION).context("failed to write the configuration")?;
    let args = ["--no-host", "--no-self", "--no-pod-logs", "--config"].map(str::to_owned);
    let args = args.into_iter().chain([configuration.display().to_string()]).collect();
    let data = dir.path().join("data");
    let launch =
        Launch { binary: parapet.to_owned(), data: data.clone(), run_dir: dir.path().to_owned(), args };
    let bodies = batches(rows).map(|(service, records)| otlp::logs(&service, records)).collect();
    let server = launch.start().await?;
    let url = format!("{}/v1/logs", server.ready.otlp_http_url.trim_end_matches('/'));
    let pid = server.ready.pid;

    let before = Usage::of(pid)?;
    let start = Instant::now();
    let client = server.ingest.clone();
    send_all(bodies, move |body| push(client.clone(), url.clone(), body)).await?;
    let seconds = start.elapsed().as_secs_f64();
    let after = Usage::of(pid)?;
    let status = format!("{}/api/v1/status", server.ready.console_url.trim_end_matches('/'));
    while server.admin.get(&status).await?["store"]["memtable_bytes"].as_u64() != Some(0) {
        sleep(Duration::from_millis(200)).await;
    }
    let flushed = Usage::of(pid)?;
    let found = server.admin.sql(&server.ready.console_url, "SELECT count(*) FROM logs").await?.numbers()?;
    if found != [i64::try_from(rows).context("too many rows")?] {
        bail!("{rows} rows were acknowledged, {found:?} are found");
    }
    server.stop().await?;
    let wal_bytes = bytes_of(&data, "wal");
    Ok(Run {
        seconds,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        cpu_seconds_flushed: flushed.cpu_seconds - before.cpu_seconds,
        peak_rss: flushed.peak_rss_bytes,
        disk_bytes: bytes_below(&data) - wal_bytes,
        wal_bytes,
    })
}

async fn push(client: Client, url: String, body: Bytes) -> Result<()> {
    loop {
        let answer = client.send(Method::POST, &url, &[otlp::PROTOBUF], body.clone()).await?;
        match answer.status {
            StatusCode::OK => return Ok(()),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                sleep(answer.retry_after.unwrap_or(Duration::from_millis(100))).await;
            }
            other => bail!("answered {other}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
}

async fn loki_once(binary: &Path, rows: u64) -> Result<Run> {
    let dir = tempfile::Builder::new().prefix("parapet-loki-").tempdir().context("no temporary directory")?;
    let bodies =
        batches(rows).map(|(service, records)| loki::body(&service, records)).collect::<Result<_>>()?;
    let peer = Loki::start(binary, dir.path()).await?;
    let before = Usage::of(peer.pid)?;
    let start = Instant::now();
    let client = peer.sender();
    send_all(bodies, move |body| {
        let client = client.clone();
        async move { loki::push(&client, body).await }
    })
    .await?;
    let seconds = start.elapsed().as_secs_f64();
    let after = Usage::of(peer.pid)?;
    peer.flush().await?;
    let chunks = peer.data.join("chunks");
    // A flush is carried out in the background: it's over when nothing is added any more.
    let mut last = 0;
    loop {
        sleep(Duration::from_secs(2)).await;
        let now = bytes_below(&chunks);
        if now == last && now > 0 {
            break;
        }
        last = now;
    }
    let flushed = Usage::of(peer.pid)?;
    let (wal_bytes, disk_bytes) = (bytes_of(&peer.data, "wal"), last);
    peer.kill().await?;
    Ok(Run {
        seconds,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        cpu_seconds_flushed: flushed.cpu_seconds - before.cpu_seconds,
        peak_rss: flushed.peak_rss_bytes,
        disk_bytes,
        wal_bytes,
    })
}

/// The bodies' content: batches of lines, each of one service, with times just before now.
fn batches(rows: u64) -> impl Iterator<Item = (String, Vec<Record>)> {
    let mut lines = Lines::new(1);
    let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("the clock is past 1970");
    (0..rows.div_ceil(BATCH)).map(move |batch| {
        let size = BATCH.min(rows - batch * BATCH);
        let records = (0..size).map(|n| {
            let mut body = String::with_capacity(LINE + 40);
            let facts = lines.append(&mut body, LINE);
            // Some ten thousand lines a second, up to now.
            let time = now - (rows - batch * BATCH - n) * 100_000;
            Record { time, severity: if facts.status >= 500 { 17 } else { 9 }, body, attributes: Vec::new() }
        });
        (format!("service-{}", batch % SERVICES), records.collect())
    })
}

/// Sends every body once, some at a time.
async fn send_all<F>(bodies: Vec<Bytes>, send: impl Fn(Bytes) -> F + Clone + Send + 'static) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..SENDERS {
        let (bodies, next, send) = (Arc::clone(&bodies), Arc::clone(&next), send.clone());
        tasks.spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                send(body.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a sender panicked")??;
    }
    Ok(())
}

/// Bytes of every directory called `name` below `root`.
fn bytes_of(root: &Path, name: &str) -> u64 {
    let entries =
        std::fs::read_dir(root).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    entries
        .map(|entry| {
            if entry.file_name() == *name {
                bytes_below(&entry.path())
            } else {
                bytes_of(&entry.path(), name)
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_exactly_the_rows_asked_for() {
        let sizes: Vec<usize> = batches(2500).map(|(_, records)| records.len()).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
    }
}
