//! A cluster that stays until it is told to stop: a process in the background that holds it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use parapet_testbed::{Cluster, build};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the process in the background says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    pid: i32,
    kubeconfig: PathBuf,
}

/// Starts it, or finds the one that runs; the path of its kubeconfig.
pub(crate) fn up(cache: &Path) -> Result<PathBuf> {
    if let Some(state) = running(cache) {
        return Ok(state.kubeconfig);
    }
    let _ = fs::remove_file(state_file(cache));
    let log = cache.join("testbed/standing.log");
    let log_file = File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
    let program = std::env::current_exe().context("this program has no path")?;
    let mut child = Command::new(program)
        .arg("stand")
        .process_group(0) // it outlives this terminal's Ctrl-C
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log_file)
        .spawn()
        .context("failed to start the process that holds the cluster")?;
    loop {
        if let Some(state) = running(cache) {
            return Ok(state.kubeconfig);
        }
        if let Some(status) = child.try_wait().context("failed to look at it")? {
            bail!("it ended ({status}): {}", fs::read_to_string(&log).unwrap_or_default().trim());
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Stops the one that runs, and waits until nothing is left of it.
pub(crate) fn down(cache: &Path) -> Result<()> {
    let Some(State { pid, .. }) = running(cache) else {
        eprintln!("no testbed is running");
        return Ok(());
    };
    let pid = Pid::from_raw(pid).context("the state names no process")?;
    kill_process(pid, Signal::TERM).context("failed to signal the process that holds the cluster")?;
    while running(cache).is_some() {
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Holds a cluster until SIGTERM.
pub(crate) async fn stand(cache: &Path) -> Result<()> {
    let mut stop = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let cluster = Cluster::start(build()?).await?;
    cluster.kwok().await?;
    let pid = std::process::id().cast_signed();
    let state = State { pid, kubeconfig: cluster.kubeconfig().to_owned() };
    // Complete or absent for those who look.
    let (file, draft) = (state_file(cache), state_file(cache).with_extension("draft"));
    fs::write(&draft, serde_json::to_vec(&state).context("paths are text")?)
        .context("failed to write the state")?;
    fs::rename(&draft, &file).context("failed to write the state")?;
    stop.recv().await;
    cluster.stop()?;
    fs::remove_file(&file).context("failed to remove the state")
}

/// The state, if the process that it names still is one of this program.
fn running(cache: &Path) -> Option<State> {
    let state: State = serde_json::from_slice(&fs::read(state_file(cache)).ok()?).ok()?;
    let command = fs::read(format!("/proc/{}/cmdline", state.pid)).ok()?;
    let mut words = command.split(|&byte| byte == 0);
    let program = words.next()?;
    (program.ends_with(b"parapet-testbed") && words.next()? == b"stand").then_some(state)
}

fn state_file(cache: &Path) -> PathBuf {
    cache.join("testbed/standing.json")
}
