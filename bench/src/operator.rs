//! The operator on a real control plane: what many clusters cost until everything of theirs exists, and what they cost
//! afterwards, when nothing changes and no Elasticsearch answers.
//!
//! Every number of clusters gets a control plane and an operator of its own. Pods are made and never scheduled.

mod objects;
mod subject;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use crate::report::{Report, Target};
use subject::{Sample, Subject};

/// How many clusters, one after the other.
const SIZES: [u32; 3] = [1, 100, 500];
/// Passes are over when the operator called nobody for so long.
const QUIET: Duration = Duration::from_secs(5);
/// How long nothing happens, to see what that costs.
const IDLE: Duration = Duration::from_secs(60);

/// The reference, version 3.5, on the same control plane and machine: seconds and CPU seconds until all objects were there.
const REFERENCE: [(u32, f64, f64); 2] = [(1, 0.98, f64::NAN), (100, 53.0, 62.0)];
/// The reference with 100 clusters, idle: cores, megabytes.
const REFERENCE_IDLE: (f64, f64) = (1.9, 145.0);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub parapet: PathBuf,
    /// How long to idle, in seconds; a minute if not said.
    pub idle: Option<u32>,
    /// Numbers of clusters; 1, 100 and 500 if none is said.
    pub clusters: Vec<u32>,
    /// Print JSON lines.
    pub json: bool,
}

/// What one number of clusters came to.
struct Outcome {
    clusters: u32,
    seconds: f64,
    applied: Sample,
    idle: Sample,
    /// Writes while idle that the API server counted, whoever sent them.
    idle_writes_counted: u64,
    idle_seconds: f64,
    objects: u64,
}

/// Measures and prints.
pub async fn run(options: Options) -> Result<()> {
    let sizes = if options.clusters.is_empty() { SIZES.to_vec() } else { options.clusters.clone() };
    let idle = options.idle.map_or(IDLE, |seconds| Duration::from_secs(seconds.into()));
    let mut report = Report::new(options.json);
    let mut outcomes = Vec::new();
    let mut each = None;
    // How many objects a cluster has is counted on one.
    for clusters in [1].into_iter().chain(sizes.into_iter().filter(|size| *size != 1)) {
        eprintln!("{clusters} clusters");
        let outcome = measure(&options.parapet, clusters, each, idle).await?;
        each.get_or_insert(outcome.objects);
        outcomes.push(outcome);
    }
    for outcome in &outcomes {
        tell(&mut report, outcome);
    }
    for pair in outcomes.windows(2) {
        growth(&mut report, &pair[0], &pair[1]);
    }
    report.print();
    Ok(())
}

/// `each`: how many objects a cluster has, if that is known.
async fn measure(
    parapet: &std::path::Path,
    clusters: u32,
    each: Option<u64>,
    idle: Duration,
) -> Result<Outcome> {
    let subject = Subject::start(parapet).await?;
    // The API server prepares for a new kind when it is asked for it first, which takes it two seconds.
    objects::try_out(&subject.client).await?;
    let before = subject.sample().await?;
    let begun = Instant::now();
    let watched = objects::Watched::start(&subject.client);
    objects::apply(&subject.client, clusters).await?;
    let seconds = match each {
        Some(each) => {
            watched.reach(each * u64::from(clusters)).await?;
            begun.elapsed().as_secs_f64()
        }
        None => watched.settle(QUIET).await?.duration_since(begun).as_secs_f64(),
    };
    let applied = subject.sample().await?.since(&before);
    let objects = watched.count();
    drop(watched);
    subject.quiet(QUIET).await?;
    let counted = subject.writes_counted().await?;
    let before = subject.sample().await?;
    let begun = Instant::now();
    sleep(idle).await;
    let after = subject.sample().await?;
    let counted = subject.writes_counted().await?.saturating_sub(counted);
    let outcome = Outcome {
        clusters,
        seconds,
        applied,
        idle: after.since(&before),
        idle_writes_counted: counted,
        idle_seconds: begun.elapsed().as_secs_f64(),
        objects,
    };
    subject.stop()?;
    Ok(outcome)
}

fn tell(report: &mut Report, outcome: &Outcome) {
    let Outcome { clusters, seconds, applied, idle, idle_writes_counted, idle_seconds, objects } = outcome;
    let name = |what: &str| format!("{clusters} clusters of three nodes: {what}");
    let theirs = REFERENCE.iter().find(|(size, ..)| size == clusters);
    let (time, cpu) = match clusters {
        1 => (Target::AtMost(0.5), Target::None),
        100 => (Target::AtMost(13.0), Target::AtMost(15.0)),
        _ => (Target::None, Target::None),
    };
    report.value(name("until all objects exist"), *seconds, "s", time);
    report.value(name("CPU until then"), applied.cpu_seconds, "CPU-s", cpu);
    let others = applied.others_cpu_seconds;
    report.value(name("CPU of the control plane until then"), others, "CPU-s", Target::None);
    if let Some((_, reference, reference_cpu)) = theirs {
        report.value(name("the reference ÷ this, time"), reference / seconds, "times", Target::None);
        if reference_cpu.is_finite() {
            let ratio = reference_cpu / applied.cpu_seconds;
            report.value(name("the reference ÷ this, CPU"), ratio, "times", Target::None);
        }
    }
    let each = f64::from(*clusters);
    report.value(name("objects each"), *objects as f64 / each, "objects", Target::None);
    report.value(name("writes each"), applied.writes as f64 / each, "calls", Target::None);
    report.value(name("reads each"), applied.reads as f64 / each, "calls", Target::None);
    report.value(name("passes each"), applied.passes as f64 / each, "passes", Target::None);
    let (cores, memory) = match clusters {
        100 => (Target::AtMost(0.05), Target::AtMost(50.0)),
        500 => (Target::None, Target::AtMost(100.0)),
        _ => (Target::None, Target::None),
    };
    report.value(name("idle, writes"), idle.writes as f64, "calls", Target::AtMost(0.0));
    let counted = *idle_writes_counted as f64;
    report.value(name("idle, writes counted by the API server"), counted, "calls", Target::AtMost(0.0));
    report.value(name("idle, reads"), idle.reads as f64, "calls", Target::None);
    report.value(name("idle, CPU"), idle.cpu_seconds / idle_seconds, "cores", cores);
    report.value(name("idle, memory"), idle.rss_bytes as f64 / 1e6, "MB", memory);
    let own = idle.anonymous_bytes as f64 / 1e6;
    report.value(name("idle, of it not pages of the program"), own, "MB", Target::None);
    report.value(name("peak memory"), idle.peak_rss_bytes as f64 / 1e6, "MB", Target::None);
    if *clusters == 100 {
        let (cores, memory) = REFERENCE_IDLE;
        let ratio = cores / (idle.cpu_seconds / idle_seconds).max(0.001);
        report.value(name("idle, the reference ÷ this, CPU"), ratio, "times", Target::None);
        let ratio = memory * 1e6 / idle.rss_bytes as f64;
        report.value(name("idle, the reference ÷ this, memory"), ratio, "times", Target::None);
    }
}

/// How many times as much per doubling of the number of clusters; linear is 2.
fn growth(report: &mut Report, less: &Outcome, more: &Outcome) {
    let doublings = (f64::from(more.clusters) / f64::from(less.clusters)).log2();
    if doublings < 1.0 {
        return;
    }
    let per_doubling = |less: f64, more: f64| (more / less).powf(1.0 / doublings);
    let name = |what: &str| format!("{} → {} clusters, per doubling: {what}", less.clusters, more.clusters);
    report.value(name("time"), per_doubling(less.seconds, more.seconds), "times", Target::None);
    let cpu = per_doubling(less.applied.cpu_seconds, more.applied.cpu_seconds);
    report.value(name("CPU"), cpu, "times", Target::None);
    let memory = per_doubling(less.idle.rss_bytes as f64, more.idle.rss_bytes as f64);
    report.value(name("memory"), memory, "times", Target::None);
}
