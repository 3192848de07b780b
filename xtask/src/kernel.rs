//! The check of the reachability engine against Linux itself; `testbed/kernel` does the work.

use anyhow::Result;

use crate::counts::Counts;
use crate::process::Step;
use crate::server;
use crate::tools::Tool;
use crate::workspace::Workspace;

/// Builds the check and runs it over so many random clusters.
pub(crate) fn verify(workspace: &Workspace, clusters: u32, seed: Option<u64>) -> Result<Counts> {
    // Without it the check says SKIPPED, and why; where installing is allowed, it need not.
    if let Err(error) = Tool::Nftables.ensure(workspace) {
        eprintln!("{error}");
    }
    // With --workspace, features are those of `cargo test --workspace`, so that nothing is built twice.
    Step::cargo(workspace, ["build", "--quiet", "--workspace", "--locked", "--bin", "parapet-kernel-check"])
        .run()?;
    let program = server::own_copy(workspace, "dev", "parapet-kernel-check")?;
    let mut step = Step::new(program, ["--clusters", &clusters.to_string()], &workspace.root);
    step = step.arg("--matrix").arg(workspace.root.join("crates/reach/tests/matrix.json"));
    if let Some(seed) = seed {
        step = step.arg("--seed").arg(seed.to_string());
    }
    step.run_counted()
}
