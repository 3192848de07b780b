//! Whether Linux agrees with `reach`: clusters as network namespaces, policies as nftables rules, every pair probed.
//!
//! The rules are made of the objects, field by field, by code that shares nothing with the engine; so a mismatch is a fault
//! of one of the two. What is verified is that nftables reproduces the verdicts, never what a given CNI does.
//!
//! The topology (in the manner of Calico): one network namespace per pod and per outside address, each with a veth to one
//! node that only routes; permanent neighbours, no bridge, nothing outside of these namespaces is touched. They are named
//! after this process, and removed with it.

mod check;
mod matrix;
mod nft;
mod random;
mod tiers;
mod topology;
mod worker;

use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Checks the reachability engine against the kernel.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many random clusters
    #[arg(long, default_value_t = 50)]
    clusters: u32,
    /// Pods of a cluster
    #[arg(long, default_value_t = 10)]
    pods: u8,
    /// Repeats a run's clusters; printed by each run
    #[arg(long)]
    seed: Option<u64>,
    /// The cases of a matrix as well: crates/reach/tests/matrix.json
    #[arg(long, value_name = "FILE")]
    matrix: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves and probes inside of one namespace; started by the check itself
    #[command(hide = true)]
    Worker {
        /// The namespace's address
        address: IpAddr,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Command::Worker { address }) = arguments.command {
        worker::run(address)?;
        return Ok(ExitCode::SUCCESS);
    }
    check::run(&check::Options {
        clusters: arguments.clusters,
        pods: arguments.pods,
        seed: arguments.seed,
        matrix: arguments.matrix,
    })
}
