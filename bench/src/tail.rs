//! From a container's log file to rows: how many 1 KB lines a CPU-second, and in how much memory; beside rsyslog, which
//! copies the same file without parsing it.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use crate::lines::Lines;
use crate::peer::rsyslog;
use crate::report::{Report, Target, median};
use crate::server::Launch;
use crate::usage::Usage;

/// A line's length: what the collectors that publish figures measure with.
const LINE: usize = 1024;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub parapet: PathBuf,
    /// Lines in the file.
    pub rows: u64,
    /// Runs; medians are reported.
    pub runs: u32,
    /// Print JSON lines.
    pub json: bool,
}

/// Measures and prints.
pub async fn run(options: Options) -> Result<()> {
    let Options { parapet, rows, runs, json } = options;
    let mut report = Report::new(json);
    let dir = tempfile::Builder::new().prefix("parapet-tail-").tempdir().context("no temporary directory")?;
    let file = dir.path().join("0.log");
    let bytes = write_cri(&file, rows)?;
    eprintln!("{rows} lines, {} MB", bytes / 1_000_000);

    let (mut ours, mut theirs, mut missing) = (Vec::new(), Vec::new(), None);
    for run in 0..runs.max(1) {
        eprintln!("run {} of {}", run + 1, runs.max(1));
        ours.push(ours_once(&parapet, &file, rows, &dir.path().join(format!("run-{run}"))).await?);
        if missing.is_none() {
            match rsyslog::copy(&file, bytes, &dir.path().join(format!("rsyslog-{run}"))).await {
                Ok(usage) => theirs.push(usage),
                Err(error) => missing = Some(format!("{error:#}")),
            }
        }
    }
    let per_cpu = rows as f64 / median(ours.iter().map(|(usage, _)| usage.cpu_seconds).collect());
    let seconds = median(ours.iter().map(|(_, seconds)| *seconds).collect());
    let memory = median(ours.iter().map(|(usage, _)| usage.peak_rss_bytes as f64).collect()) / 1e6;
    // The targets are an agent's, that sends on; here every line also becomes durable in the store of the same process.
    report.value(
        "parapet: lines tailed, parsed and stored",
        per_cpu,
        "lines/CPU-s",
        Target::AtLeast(60_000.0),
    );
    report.value("parapet: lines a second", rows as f64 / seconds, "lines/s", Target::None);
    report.value("parapet: memory at most, store included", memory, "MB", Target::None);
    match missing {
        Some(why) => report.peer_missing("rsyslog", &why),
        None => {
            let copied = rows as f64 / median(theirs.iter().map(|usage| usage.cpu_seconds).collect());
            let memory = median(theirs.iter().map(|usage| usage.peak_rss_bytes as f64).collect()) / 1e6;
            report.value("rsyslog: lines copied", copied, "lines/CPU-s", Target::None);
            report.value("rsyslog: memory at most", memory, "MB", Target::None);
            report.value(
                "lines per CPU-second, parapet : rsyslog",
                per_cpu / copied,
                "ratio",
                Target::AtLeast(0.5),
            );
        }
    }
    report.print();
    Ok(())
}

/// CPU from the moment the file appears until its last line is a row, and the seconds that took.
async fn ours_once(parapet: &Path, file: &Path, rows: u64, root: &Path) -> Result<(Usage, f64)> {
    let container = root.join("pods/shop_web-0_4f0c2a52-1111-4222-8333-944444444444/web");
    fs::create_dir_all(&container).with_context(|| format!("failed to create {}", container.display()))?;
    let glob = root.join("pods/*/*/*.log").display().to_string();
    let args = ["--no-host", "--no-self", "--no-pod-logs", "--logs", &glob].map(str::to_owned).to_vec();
    let launch =
        Launch { binary: parapet.to_owned(), data: root.join("data"), run_dir: root.to_owned(), args };
    let server = launch.start().await?;
    let pid = server.ready.pid;
    let before = Usage::of(pid)?;
    let start = Instant::now();
    fs::hard_link(file, container.join("0.log")).context("failed to put the file in place")?;
    let status = format!("{}/api/v1/status", server.ready.console_url.trim_end_matches('/'));
    loop {
        let status = server.admin.get(&status).await?;
        let mut signals = status["signals"].as_array().into_iter().flatten();
        let logs = signals.find(|signal| signal["signal"] == "logs").context("the status names no logs")?;
        if logs["rows_total"].as_u64().is_some_and(|total| total >= rows) {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = Usage::of(pid)?;
    server.stop().await?;
    fs::remove_dir_all(root).with_context(|| format!("failed to remove {}", root.display()))?;
    Ok((Usage { cpu_seconds: after.cpu_seconds - before.cpu_seconds, ..after }, seconds))
}

/// Writes a file as a container runtime does; returns its size.
fn write_cri(path: &Path, rows: u64) -> Result<u64> {
    let file = File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
    let mut out = BufWriter::new(file);
    let mut lines = Lines::new(2);
    let now = jiff::Timestamp::now().as_microsecond();
    let mut line = String::new();
    for row in 0..rows {
        let age = i64::try_from(rows - row).context("too many rows")? * 100;
        let time = jiff::Timestamp::from_microsecond(now - age).context("a time out of range")?;
        line.clear();
        lines.append(&mut line, LINE - 50);
        writeln!(out, "{time:.9} stdout F {line}").context("failed to write the log file")?;
    }
    let file = out.into_inner().context("failed to write the log file")?;
    Ok(file.metadata().context("failed to look at the log file")?.len())
}
