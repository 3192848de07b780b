//! The proof that what was acknowledged is there once: writers count acknowledgements, the server is killed with
//! SIGKILL at random moments and started again, and everything is looked for through the API.
//!
//! What it checks, after every few kills and at the end, once every writer has its answer and the gateway's file is read:
//! - each writer's records: as many as were acknowledged, and none twice (they are numbered);
//! - the gateway's file: each line one row, none twice;
//! - `traffic_hourly`: for each hour, kind and service, exactly the sums of what was written, late lines included.
//!
//! A batch whose answer was lost is sent again with the same source and position until it is acknowledged, as an agent
//! would: so a record that the server had kept, but could not acknowledge, must not come twice.

mod gateway;
mod verify;
mod writer;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::{Mutex, RwLock, watch};
use tokio::time::sleep;

use crate::client::Client;
use crate::server::{Launch, Server};

use self::gateway::Gateway;
use self::writer::Writer;

/// So many senders at once.
const WRITERS: u16 = 4;
/// Kills between two verifications: often enough to say which kill lost something.
const CYCLES_PER_VERIFICATION: u32 = 5;
/// One kill in so many comes before the server answers: recovery is killed too.
const ONE_IN_STARTING: u32 = 4;
/// Rows go to segments at this age (the default is minutes): kills hit flushes, rollups and the manifest's commits as well.
const CONFIGURATION: &str = "store:\n  flushAge: 1s\n";

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub parapet: PathBuf,
    /// How often to kill it.
    pub cycles: u32,
    /// Decides moments, sizes and contents.
    pub seed: u64,
    /// Keep the data folder.
    pub keep: bool,
}

/// What came of it: checks that held and checks that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Held.
    pub passed: u64,
    /// Did not.
    pub failed: u64,
}

/// Where writers send while the server is up; `None` while it is down.
type Up = watch::Receiver<Option<Arc<Endpoint>>>;

#[derive(Debug)]
struct Endpoint {
    ingest: Client,
    logs_url: String,
}

/// What all tasks share.
#[derive(Debug, Default)]
struct Shared {
    /// Held for reading while something is written and not yet acknowledged; for writing while everything is compared.
    pause: RwLock<()>,
    /// Batches sent again because their answer was lost or said to come later.
    sent_again: AtomicU64,
    /// What no retry can help with: the first one ends the run.
    broken: Mutex<Option<String>>,
}

/// Runs it all. An error is a failure of the driver or of the server to start; lost and doubled records are in the outcome.
pub async fn run(options: Options) -> Result<Outcome> {
    let Options { parapet, cycles, seed, keep } = options;
    println!("crash: {cycles} cycles, seed {seed}");
    let mut dir =
        tempfile::Builder::new().prefix("parapet-crash-").tempdir().context("no temporary directory")?;
    dir.disable_cleanup(keep);
    let root = dir.path();
    let traffic = root.join("traffic");
    std::fs::create_dir_all(&traffic).context("failed to create the gateway's directory")?;
    let configuration = root.join("parapet.yaml");
    std::fs::write(&configuration, CONFIGURATION).context("failed to write the configuration")?;
    let glob = traffic.join("*_traffic*.log");
    let args = ["--no-host", "--no-self", "--no-pod-logs", "--config"].map(str::to_owned);
    let paths =
        [configuration.display().to_string(), "--open-traffic".to_owned(), glob.display().to_string()];
    let args = args.into_iter().chain(paths).collect();
    let launch = Launch { binary: parapet, data: root.join("data"), run_dir: root.to_owned(), args };
    if keep {
        println!("kept: {}", root.display());
    }

    let mut rng = SmallRng::seed_from_u64(seed);
    let shared = Arc::new(Shared::default());
    let (up_sender, up) = watch::channel(None);
    let writers: Vec<Writer> = (0..WRITERS).map(|id| Writer::new(id, rng.random())).collect();
    let gateway = Gateway::new(&traffic, rng.random());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in &writers {
        tasks.spawn(writer.clone().run(up.clone(), Arc::clone(&shared)));
    }
    tasks.spawn(gateway.clone().run(Arc::clone(&shared)));

    let mut outcome = Outcome::default();
    let started = Instant::now();
    for cycle in 1..=cycles {
        if rng.random_ratio(1, ONE_IN_STARTING) {
            let starting = launch.spawn()?;
            // A start takes some hundred milliseconds; the range covers all of it, and a little after.
            sleep(Duration::from_millis(rng.random_range(1..1500))).await;
            starting.kill().await?;
        }
        let server = start(&launch, &up_sender).await?;
        sleep(Duration::from_millis(rng.random_range(50..1500))).await;
        let verify_now = cycle % CYCLES_PER_VERIFICATION == 0 || cycle == cycles;
        let _ = up_sender.send_replace(None);
        server.kill().await?;
        if let Some(broken) = shared.broken.lock().await.take() {
            println!("FAILED: {broken}");
            outcome.failed += 1;
            break;
        }
        outcome.passed += 1;
        progress(cycle, cycles, &writers, &gateway).await;
        if verify_now {
            let server = start(&launch, &up_sender).await?;
            let quiet = shared.pause.write().await;
            if let Some(broken) = shared.broken.lock().await.take() {
                println!("FAILED: {broken}");
                outcome.failed += 1;
                break;
            }
            let failures = verify::all(&server, &writers, &gateway).await?;
            outcome.passed += verify::CHECKS.saturating_sub(failures.len() as u64);
            outcome.failed += failures.len() as u64;
            for failure in &failures {
                println!("FAILED after cycle {cycle}: {failure}");
            }
            let _ = up_sender.send_replace(None);
            server.kill().await?;
            drop(quiet);
            if !failures.is_empty() {
                break;
            }
        }
    }
    tasks.shutdown().await;
    summary(&writers, &gateway, &shared, started).await;
    println!("{} passed, {} failed", outcome.passed, outcome.failed);
    if outcome.failed > 0 {
        println!("again with: cargo xtask crash --cycles {cycles} --seed {seed}");
    }
    Ok(outcome)
}

async fn start(launch: &Launch, up: &watch::Sender<Option<Arc<Endpoint>>>) -> Result<Server> {
    let server = launch.start().await.context("the server did not start again")?;
    let logs_url = format!("{}/v1/logs", server.ready.otlp_http_url.trim_end_matches('/'));
    up.send_replace(Some(Arc::new(Endpoint { ingest: server.ingest.clone(), logs_url })));
    Ok(server)
}

async fn progress(cycle: u32, cycles: u32, writers: &[Writer], gateway: &Gateway) {
    let acknowledged: u64 = writers.iter().map(Writer::acknowledged).sum();
    let line = format!(
        "killed {cycle} of {cycles}: {acknowledged} records acknowledged, {} gateway lines",
        gateway.lines().await
    );
    if std::io::stdout().is_terminal() {
        use std::io::Write as _;
        print!("\r\x1b[K{line}");
        if cycle == cycles {
            println!();
        }
        // A progress line that can't be written is nothing to fail for.
        let _ = std::io::stdout().flush();
    } else {
        println!("{line}");
    }
}

async fn summary(writers: &[Writer], gateway: &Gateway, shared: &Shared, started: Instant) {
    let acknowledged: u64 = writers.iter().map(Writer::acknowledged).sum();
    println!(
        "{acknowledged} records acknowledged and {} gateway lines written in {:.0} s; {} batches were sent again",
        gateway.lines().await,
        started.elapsed().as_secs_f64(),
        shared.sent_again.load(Ordering::Relaxed),
    );
}
