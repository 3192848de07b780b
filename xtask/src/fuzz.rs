//! Fuzzing the parsers of foreign bytes: `fuzz/` lies outside the workspace, because it needs a tool that most don't have.

use std::path::Path;

use anyhow::{Result, bail};

use crate::process::Step;
use crate::workspace::Workspace;

/// Runs `target` for so many seconds, or lists the targets.
pub(crate) fn run(workspace: &Workspace, target: Option<&str>, seconds: u32) -> Result<()> {
    let targets = file_stems(&workspace.root.join("fuzz/fuzz_targets"));
    let Some(target) = target else {
        println!("{}", targets.join("\n"));
        return Ok(());
    };
    if !targets.iter().any(|known| known == target) {
        bail!("no fuzz target {target:?}; there are: {}", targets.join(", "));
    }
    let probe = Step::cargo(workspace, ["fuzz", "--version"]);
    if probe.output().is_none() {
        bail!("cargo-fuzz is missing; install it with\n\n    cargo install --locked cargo-fuzz");
    }
    // The stable compiler takes the coverage flags when told to; sanitisers need a nightly, and this code has no unsafe.
    Step::cargo(workspace, ["fuzz", "run", "--sanitizer", "none", "--target-dir"])
        .arg(workspace.target.join("fuzz"))
        .arg(target)
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .env("RUSTC_BOOTSTRAP", "1")
        .run()
}

/// The names of the files in `dir`, without what follows the dot.
fn file_stems(dir: &Path) -> Vec<String> {
    let mut stems: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    stems.sort();
    stems
}
