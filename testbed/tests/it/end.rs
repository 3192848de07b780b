//! Nothing stays: not after a handle was dropped, and not after its process was killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use parapet_testbed::{Cluster, Programs, skip};

/// Set, the test below plays the process that is killed.
const VICTIM: &str = "PARAPET_TESTBED_VICTIM";

/// Ended: gone, or waiting to be reaped by whoever is its parent.
fn has_ended(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |status| status.lines().any(|line| line.starts_with("State:\tZ")))
}

#[tokio::test]
async fn a_dropped_cluster_leaves_nothing() -> Result<()> {
    let Some(programs) = Programs::find()? else {
        skip("the testbed is not built");
        return Ok(());
    };
    let cluster = Cluster::start(programs).await?;
    let (pids, dir) = (cluster.pids(), cluster.sandbox().dir().to_owned());
    assert!(pids.len() >= 2 && !pids.iter().any(|&pid| has_ended(pid)), "{pids:?}");
    drop(cluster);
    assert!(pids.iter().all(|&pid| has_ended(pid)), "{pids:?}");
    assert!(!dir.exists());
    Ok(())
}

#[tokio::test]
async fn a_killed_process_leaves_nothing() -> Result<()> {
    let Some(programs) = Programs::find()? else {
        skip("the testbed is not built");
        return Ok(());
    };
    if std::env::var_os(VICTIM).is_some() {
        let cluster = Cluster::start(programs).await?;
        writeln!(std::io::stdout(), "\nvictim {:?} {}", cluster.pids(), cluster.sandbox().dir().display())?;
        return std::future::pending().await;
    }
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["--exact", "end::a_killed_process_leaves_nothing"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(victim.stdout.take().context("piped above")?).lines();
    let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("victim [").map(str::to_owned));
    let said = said.context("the victim started no cluster")?;
    let (pids, dir) = said.split_once("] ").context("the victim says so")?;
    let pids: Vec<u32> = pids.split(", ").map(str::parse).collect::<Result<_, _>>()?;
    let dir = PathBuf::from(dir);
    assert!(dir.exists() && !pids.iter().any(|&pid| has_ended(pid)));
    victim.kill()?;
    victim.wait()?;
    // Its watchdog is nobody's child any more: all that can be done is to look. If it fails, this test hangs.
    while Path::new(&dir).exists() || !pids.iter().all(|&pid| has_ended(pid)) {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
