//! The control plane for tests: built, and handed to people; its own program in `testbed/` does the work.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::process::Step;
use crate::server;
use crate::tools::Tool;
use crate::workspace::Workspace;

/// The program's exit code when there is no Go compiler to build the control plane with.
const NO_GO: i32 = 3;
/// Set, tests fail where they would skip for want of a control plane; as in `testbed/src/shared.rs`.
pub(crate) const REQUIRED: &str = "PARAPET_TESTBED_REQUIRED";

/// How long the control plane may take to be fetched and compiled: four times what it takes on two cores.
const BUILT_WITHIN: Duration = Duration::from_secs(40 * 60);

#[derive(Subcommand)]
pub(crate) enum Testbed {
    /// Build its programs into the cache, if they are not there (about ten minutes, once; needs Go)
    Build,
    /// Start one that stays, and print its kubeconfig's path: `export KUBECONFIG=$(cargo xtask testbed up)`
    Up,
    /// Stop the one that `up` started
    Down,
    /// Start one, run a command with KUBECONFIG set and helm in PATH, stop it
    Run {
        /// With a real node (containerd, kubelet, kube-proxy) in namespaces of their own, where the command runs too; needs root
        #[arg(long)]
        node: bool,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Write its Go module again after testbed/versions.yaml changed
    Pin,
}

pub(crate) fn run(workspace: &Workspace, action: Testbed) -> Result<()> {
    let program = program(workspace)?;
    match action {
        Testbed::Build => program.arg("build").run(),
        Testbed::Up => program.arg("up").become_it(),
        Testbed::Down => program.arg("down").run(),
        Testbed::Run { node, command } => {
            let mut step = program.arg("run");
            if node {
                Tool::Containerd.ensure(workspace)?;
                step = step.arg("--node");
            }
            let step = step.arg("--");
            command.into_iter().fold(step, Step::arg).become_it()
        }
        Testbed::Pin => program.arg("pin").arg(&workspace.root).run(),
    }
}

/// Builds the control plane if this machine can; whether tests may rely on it. Says visibly if not.
pub(crate) fn prepare(workspace: &Workspace) -> Result<bool> {
    let status = program(workspace)?.arg("build").within(BUILT_WITHIN).status()?;
    match status.code() {
        Some(0) => Ok(true),
        Some(NO_GO) => {
            println!("the control plane can't be built here; the tests that need it say SKIPPED");
            Ok(false)
        }
        _ => bail!("the testbed's programs could not be built: {status}"),
    }
}

fn program(workspace: &Workspace) -> Result<Step> {
    // With --workspace, features are those of `cargo test --workspace`, so that nothing is built twice.
    Step::cargo(workspace, ["build", "--quiet", "--workspace", "--locked", "--bin", "parapet-testbed"])
        .run()?;
    let program = server::own_copy(workspace, "dev", "parapet-testbed")?;
    Ok(Step::new(program, [""; 0], &std::env::current_dir()?).env("PARAPET_CACHE", &workspace.cache))
}
