//! Fuzzing the parsers of foreign bytes: `fuzz/` lies outside the workspace, because it needs a tool that most don't have.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

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
    // The stable compiler takes the coverage flags when told to; sanitisers need a nightly, and this code has no unsafe.
    let corpus = workspace.root.join("fuzz/corpus").join(target);
    let seeds = workspace.root.join("fuzz/seeds").join(target);
    std::fs::create_dir_all(&corpus).with_context(|| format!("failed to create {}", corpus.display()))?;
    let run = ["fuzz", "run", "--sanitizer", "none", "--target-dir"];
    let mut step = Step::new(cargo_fuzz(workspace)?, run, &workspace.root)
        .arg(workspace.target.join("fuzz"))
        .arg(target)
        .arg(corpus);
    // What earlier runs found worth keeping; new finds go to the corpus, which is nobody else's.
    if seeds.exists() {
        step = step.arg(seeds);
    }
    step.arg("--").arg(format!("-max_total_time={seconds}")).env("RUSTC_BOOTSTRAP", "1").run()
}

/// cargo-fuzz, installed into the cache at its first use.
fn cargo_fuzz(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.cache.join("cargo-tools");
    let program = root.join("bin/cargo-fuzz");
    if !program.exists() {
        eprintln!("cargo-fuzz is missing; installing it into {}", root.display());
        Step::cargo(workspace, ["install", "--locked", "cargo-fuzz", "--root"]).arg(&root).run()?;
    }
    Ok(program)
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
