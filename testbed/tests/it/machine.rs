//! A real node: pods with containers, and nothing of them left, however it ends.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use parapet_testbed::{Programs, machine_lacks, skip};

const SETTING: &str = "/proc/sys/vm/overcommit_memory";

/// Starts a command on a node; `None`: there can't be one here, and the test is reported as skipped.
fn on_a_node(script: &str) -> Result<Option<Child>> {
    if Programs::find()?.is_none() {
        skip("the testbed is not built");
        return Ok(None);
    }
    if let Some(lack) = machine_lacks() {
        skip(&lack);
        return Ok(None);
    }
    let child = Command::new(env!("CARGO_BIN_EXE_parapet-testbed"))
        .args(["run", "--node", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(Some(child))
}

fn first_line(child: &mut Child) -> Result<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("piped above")?).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The control groups of a machine, whose name is that of its folder.
fn control_groups(folder: &Path) -> Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str()).context("a folder has a name")?;
    let found = Command::new("find").args(["/sys/fs/cgroup", "-maxdepth", "2", "-name", name]).output()?;
    Ok(String::from_utf8_lossy(&found.stdout).into_owned())
}

#[test]
fn a_command_on_a_node_gets_its_exit_code_and_leaves_nothing() -> Result<()> {
    let before = std::fs::read_to_string(SETTING)?;
    // Whatever it is, the kubelet may want it otherwise; here it certainly is.
    let script = format!("echo 2 > {SETTING}; echo $TMPDIR $(cat {SETTING}); test -s $KUBECONFIG && exit 7");
    let Some(mut child) = on_a_node(&script)? else { return Ok(()) };
    let said = first_line(&mut child)?;
    let folder = PathBuf::from(said.strip_suffix(" 2").context("the machine has settings of its own")?);
    assert_eq!(std::fs::read_to_string(SETTING)?, before);
    assert!(folder.is_absolute());
    assert_eq!(child.wait()?.code(), Some(7));
    assert!(!folder.exists());
    assert_eq!(control_groups(&folder)?, "");
    Ok(())
}

#[test]
fn a_killed_machine_leaves_nothing() -> Result<()> {
    let Some(mut child) = on_a_node("echo $TMPDIR; cat")? else { return Ok(()) };
    let folder = PathBuf::from(first_line(&mut child)?);
    assert!(folder.exists() && !control_groups(&folder)?.is_empty());
    child.kill()?;
    child.wait()?;
    // Its watchdog is nobody's child any more: all that can be done is to look. If it fails, this test hangs.
    while folder.exists() || !control_groups(&folder)?.is_empty() {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
