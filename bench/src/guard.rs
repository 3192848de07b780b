//! The guard beside its peers, one after the other in one run, in front of the same upstream and with the same API server:
//! what a request costs when the decision is remembered, and what an idle connection holds.

mod idle;
mod load;
mod subjects;

use std::path::PathBuf;

use anyhow::Result;

use crate::report::{Report, Target, median};
use crate::usage::Usage;
use load::{Load, Outcome, PROTOCOLS};
use subjects::{Subjects, Track};

/// Connections at once.
const CONNECTIONS: [u32; 2] = [2, 16];
/// Idle connections that are held: a scraper fleet's.
const IDLE: usize = 10_000;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub parapet: PathBuf,
    /// Where the Go peers are kept.
    pub cache: PathBuf,
    /// Runs; medians are reported.
    pub runs: u32,
    /// How long each load takes.
    pub seconds: u32,
    /// Print JSON lines.
    pub json: bool,
}

/// All outcomes of one subject under one load.
struct Row {
    subject: usize,
    load: Load,
    outcomes: Vec<Outcome>,
}

/// Measures and prints.
pub async fn run(options: Options) -> Result<()> {
    let Options { parapet, cache, runs, seconds, json } = options;
    let mut report = Report::new(json);
    idle::allow_many_files()?;
    let subjects = Subjects::start(&parapet, &cache, &mut report).await?;
    let guard = subjects.guard();
    let rss_at_start = Usage::of(guard.pid)?.rss_bytes;

    let mut rows = Vec::new();
    for protocol in PROTOCOLS {
        for connections in CONNECTIONS {
            for subject in 0..subjects.all.len() {
                let load = Load { protocol, connections, seconds };
                rows.push(Row { subject, load, outcomes: Vec::new() });
            }
        }
    }
    for run in 0..runs.max(1) {
        eprintln!("run {} of {}", run + 1, runs.max(1));
        for row in &mut rows {
            let subject = &subjects.all[row.subject];
            row.outcomes.push(load::measure(subject, &subjects.token, row.load, subjects.dir()).await?);
        }
    }
    for row in &rows {
        tell(&mut report, &subjects, row);
    }
    ratios(&mut report, &subjects, &rows);
    report.value(
        "parapet guard: memory before the load",
        megabytes(rss_at_start),
        "MB",
        Target::AtMost(15.0),
    );
    for subject in subjects.all.iter().filter(|subject| subject.track != Track::Direct) {
        let target = if subject.track == Track::Guard { Target::AtMost(15.0) } else { Target::None };
        let name = format!("{}: memory after the load", subject.name);
        let usage = Usage::of(subject.pid)?;
        report.value(name, megabytes(usage.rss_bytes), "MB", target);
        let name = format!("{}: of it its own, not pages of its program", subject.name);
        report.value(name, megabytes(usage.anonymous_bytes), "MB", Target::None);
    }
    idle(&mut report, &subjects).await?;
    report.print();
    Ok(())
}

fn tell(report: &mut Report, subjects: &Subjects, Row { subject, load, outcomes }: &Row) {
    let subject = &subjects.all[*subject];
    let name = |what: &str| {
        format!("{}, {}, {} connections: {what}", subject.name, load.protocol.name, load.connections)
    };
    let median_of = |of: fn(&Outcome) -> f64| median(outcomes.iter().map(of).collect());
    report.value(
        name("requests"),
        median_of(|outcome| outcome.requests_per_second),
        "requests/s",
        Target::None,
    );
    if subject.track != Track::Direct {
        let target = if subject.track == Track::Guard { Target::AtMost(25.0) } else { Target::None };
        report.value(name("CPU"), median_of(|outcome| outcome.cpu_micros), "µs/request", target);
        report.value(name("per core"), median_of(Outcome::per_core), "requests/CPU-s", Target::None);
    }
    report.value(name("p50"), median_of(|outcome| outcome.p50_millis), "ms", Target::None);
    report.value(name("p99"), median_of(|outcome| outcome.p99_millis), "ms", Target::None);
}

/// How many times the requests of each peer the guard answers with the same CPU time, load by load.
fn ratios(report: &mut Report, subjects: &Subjects, rows: &[Row]) {
    let per_core = |row: &Row| median(row.outcomes.iter().map(Outcome::per_core).collect());
    for row in rows {
        let peer = &subjects.all[row.subject];
        if matches!(peer.track, Track::Guard | Track::Direct) {
            continue;
        }
        let ours = rows
            .iter()
            .find(|other| other.load == row.load && subjects.all[other.subject].track == Track::Guard)
            .expect("the guard is measured under every load");
        let target = if peer.track == Track::Reference { Target::AtLeast(4.0) } else { Target::None };
        let Load { protocol, connections, .. } = row.load;
        let name =
            format!("parapet guard ÷ {}, {}, {connections} connections: per core", peer.name, protocol.name);
        report.value(name, per_core(ours) / per_core(row), "times", target);
    }
}

async fn idle(report: &mut Report, subjects: &Subjects) -> Result<()> {
    for subject in
        subjects.all.iter().filter(|subject| matches!(subject.track, Track::Guard | Track::Reference))
    {
        eprintln!("{IDLE} idle connections to {}", subject.name);
        let before = Usage::of(subject.pid)?.rss_bytes;
        let held = idle::hold(subject.port, &subjects.ca, IDLE).await?;
        let after = Usage::of(subject.pid)?.rss_bytes;
        let answered = held.ask_again().await;
        let each = after.saturating_sub(before) as f64 / IDLE as f64 / 1024.0;
        let is_ours = subject.track == Track::Guard;
        let name = |what: &str| format!("{}: {IDLE} idle TLS connections, {what}", subject.name);
        // research on rustls: 27 KB with its own buffers alone; the bound is what hyper and a task may add.
        report.value(
            name("memory each"),
            each,
            "KiB",
            if is_ours { Target::AtMost(45.0) } else { Target::None },
        );
        let all = Target::AtLeast(IDLE as f64);
        report.value(
            name("answered afterwards"),
            answered as f64,
            "connections",
            if is_ours { all } else { Target::None },
        );
    }
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
