//! The operator's image on a real node; `testbed/node` does the work.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::counts::Counts;
use crate::process::Step;
use crate::tools::Tool;
use crate::workspace::Workspace;
use crate::{image, server, testbed};

/// Makes images of a binary, else of the one that tests run, and checks them on a node.
pub(crate) fn verify(workspace: &Workspace, binary: Option<PathBuf>) -> Result<Counts> {
    // Without it the check says SKIPPED, and why; where installing is allowed, it need not.
    if let Err(error) = Tool::Containerd.ensure(workspace) {
        eprintln!("{error}");
    }
    testbed::prepare(workspace)?;
    // With --workspace, features are those of `cargo test --workspace`, so that nothing is built twice.
    Step::cargo(workspace, ["build", "--quiet", "--workspace", "--locked", "--bin", "parapet-node-check"])
        .run()?;
    let program = server::own_copy(workspace, "dev", "parapet-node-check")?;
    let binary = binary.map_or_else(|| server::build(workspace, "dev"), Ok)?;
    let folder = workspace.own_dir().join("node-check");
    let [operator, guard] = image::operator_and_gate(&binary, &folder)?;
    let counts = Step::new(program, ["--operator"], &workspace.root)
        .arg(operator)
        .arg("--guard")
        .arg(guard)
        .arg("--root")
        .arg(&workspace.root)
        .env("PARAPET_CACHE", &workspace.cache)
        .run_counted()?;
    fs::remove_dir_all(&folder).with_context(|| format!("failed to remove {}", folder.display()))?;
    Ok(counts)
}
