//! The testbed for people: `cargo xtask testbed` calls it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod standing;

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use parapet_testbed::{Cluster, NoGo, build, cache_dir, machine, machine_lacks, pin, run_in_machine};

/// There is no Go compiler, so there is no testbed: for `cargo xtask test`, a reason to skip and not a failure.
const NO_GO: u8 = 3;

/// A real Kubernetes control plane on loopback.
///
/// Exit codes: 0 fine; 1 failed; 3 no Go compiler to build it with. `run` ends as its command did.
#[derive(Parser)]
#[command(name = "parapet-testbed")]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Build the programs into the cache, if they are not there
    Build,
    /// Write the Go module again after versions.yaml changed
    Pin {
        /// The checkout
        root: PathBuf,
    },
    /// Start one that stays, with a node whose pods have no containers, and print its kubeconfig's path
    Up,
    /// Stop it
    Down,
    /// Start one, run a command with KUBECONFIG set, stop it
    Run {
        /// With a real node: containerd, kubelet and kube-proxy, in namespaces of their own where the command runs too. Needs
        /// root
        #[arg(long)]
        node: bool,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// What `up` leaves running
    #[command(hide = true)]
    Stand,
}

#[tokio::main]
async fn main() -> ExitCode {
    match act(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) if error.is::<NoGo>() => {
            eprintln!("{error}");
            ExitCode::from(NO_GO)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn act(action: Action) -> Result<ExitCode> {
    match action {
        Action::Build => build().map(drop)?,
        Action::Pin { root } => pin(&root)?,
        Action::Up => {
            build()?;
            println!("{}", standing::up(&cache_dir()?)?.display());
        }
        Action::Down => standing::down(&cache_dir()?)?,
        Action::Run { node: true, command } => return run_with_node(&command).await,
        Action::Run { node: false, command } => {
            let cluster = Cluster::start(build()?).await?;
            let code = run(&cluster, &command)?;
            cluster.stop()?;
            return Ok(code);
        }
        Action::Stand => standing::stand(&cache_dir()?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Inside of a machine it does the work, outside it makes one.
async fn run_with_node(command: &[String]) -> Result<ExitCode> {
    if machine().is_some() {
        let (cluster, node) = Cluster::start_with_node(build()?).await?;
        let code = run(&cluster, command)?;
        node.stop()?;
        cluster.stop()?;
        return Ok(code);
    }
    if let Some(lack) = machine_lacks() {
        bail!(lack);
    }
    build()?;
    let code = run_in_machine()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn run(cluster: &Cluster, command: &[String]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("there is no command")?;
    let mut path = env::var_os("PATH").unwrap_or_default();
    if let Some(tools) = cluster.tools() {
        path = env::join_paths(std::iter::once(tools).chain(env::split_paths(&path)))
            .context("the cache's path holds a colon")?;
    }
    let status = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("PATH", path)
        .status()
        .with_context(|| format!("failed to start {program}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
