//! Other systems that do a part of the same work, measured in the same run; each may be missing, and then says so.

pub mod duckdb;
pub mod loki;
pub mod rsyslog;

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};

/// A peer's configuration from the repository, with every `@NAME@` in it filled in.
pub(crate) fn fill_in(template: &str, values: &[(&str, &Path)]) -> String {
    values
        .iter()
        .fold(template.to_owned(), |text, (name, path)| text.replace(name, &path.display().to_string()))
}

/// Runs a step of building or preparing a peer; its output is only shown when it fails.
pub(crate) async fn prepare(command: &mut Command) -> Result<String> {
    // Arguments may be whole scripts: the program's name is enough.
    let program = command.as_std().get_program().display().to_string();
    let output =
        command.stdin(Stdio::null()).output().await.with_context(|| format!("failed to start {program}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = errors.lines().rev().take(5).collect();
        bail!("{program} failed: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts a peer in the folder `root`, where its output goes to the file `log`; it ends with ours. A relative path in its
/// configuration is then below `root` too, and not below wherever the driver was called.
pub(crate) fn start(command: &mut Command, root: &Path, log: &str) -> Result<Child> {
    let log = root.join(log);
    let log = std::fs::File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
    command
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("failed to share the log file")?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("failed to start {command:?}"))
}
