//! Whether the operator's image does on a real node what it does in tests: installed by Helm and from the manifests, probed,
//! mounted, restarted, asked for its metrics through the gate beside it.
//!
//! The node is containerd, the kubelet and kube-proxy in namespaces of their own ([`parapet_testbed::run_in_machine`]); the
//! Elasticsearch that the operator is asked for has no image there, so its pods are made and never run.
#![allow(clippy::print_stdout, reason = "a command-line program")]

mod gate;
mod installed;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use parapet_testbed::{Programs, machine, machine_lacks, run_in_machine};

use crate::world::World;

/// Checks the operator's image on a real node.
///
/// Prints a line for each check and `N passed, N failed`; exit code 1 if one failed.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// The operator's image, an OCI layout
    #[arg(long, value_name = "DIR")]
    operator: PathBuf,
    /// The gate's image, an OCI layout
    #[arg(long, value_name = "DIR")]
    guard: PathBuf,
    /// The checkout: its chart, manifests and examples are applied as they are
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let Some(programs) = Programs::find()? else {
        println!("SKIPPED: node: the testbed is not built; `cargo xtask testbed build` builds it");
        return Ok(ExitCode::SUCCESS);
    };
    if machine().is_none() {
        if let Some(lack) = machine_lacks() {
            println!("SKIPPED: node: {lack}");
            return Ok(ExitCode::SUCCESS);
        }
        return Ok(if run_in_machine()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let world = World::start(programs, &arguments).await?;
    let mut report = Report::default();
    // Each goes on where the one before ended.
    let outcome = match installed::checks(&world, &mut report).await {
        Ok(()) => gate::checks(&world, &mut report).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        println!("{error:#}\n{}", world.last_words().await);
    }
    world.stop()?;
    println!("{} passed, {} failed", report.passed, u8::from(outcome.is_err()));
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was shown so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: u32,
}

impl Report {
    /// Says what a check showed; a check that fails ends the run instead, as those behind it build on it.
    pub(crate) fn shown(&mut self, what: &str) {
        self.passed += 1;
        println!("node: {what} … ok");
    }
}
