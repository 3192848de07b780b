//! The binary: built with the console inside, and started for people.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::console;
use crate::process::Step;
use crate::workspace::Workspace;

/// Builds the console where it changed, then the binary, and returns the binary's path.
pub(crate) fn build(workspace: &Workspace, profile: &str) -> Result<PathBuf> {
    console::build_if_changed(workspace)?;
    Step::cargo(workspace, ["build", "--locked", "-p", "parapet", "--profile", profile]).run()?;
    own_copy(workspace, profile, "parapet")
}

/// Builds everything, then becomes `parapet up`.
pub(crate) fn up(workspace: &Workspace, demo: bool, args: &[String]) -> Result<()> {
    let binary = build(workspace, "dev")?;
    let mut step = Step::new(&binary, ["up"], &std::env::current_dir().context("no current directory")?);
    if demo {
        step = step.arg("--demo");
    }
    for arg in args {
        step = step.arg(arg);
    }
    step.become_it()
}

/// Links a binary that was just built into this checkout's own directory; see [`Workspace::own_dir`].
pub(crate) fn own_copy(workspace: &Workspace, profile: &str, name: &str) -> Result<PathBuf> {
    let built = workspace.profile_dir(profile).join(name);
    let dir = workspace.own_dir().join(profile);
    let own = dir.join(name);
    fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
    match fs::remove_file(&own) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to replace {}", own.display()));
        }
        _ => {}
    }
    // A hard link costs nothing; across file systems it is a copy.
    fs::hard_link(&built, &own)
        .or_else(|_| fs::copy(&built, &own).map(drop))
        .with_context(|| format!("failed to link {} to {}", built.display(), own.display()))?;
    Ok(own)
}
