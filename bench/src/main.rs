//! The driver's command line; `cargo xtask crash`, `bench` and `sdk` call it with everything built.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line driver")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use parapet_bench::{crash, guard, ingest, operator, page, sdk, tail};
use rand::Rng as _;

/// Drives a Parapet from outside.
#[derive(Parser)]
struct Cli {
    /// The parapet binary
    #[arg(long)]
    parapet: PathBuf,
    /// Where peers and generated data are kept
    #[arg(long)]
    cache: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Kill the server again and again; nothing acknowledged may be lost or doubled
    Crash {
        #[arg(long, default_value_t = 25)]
        cycles: u32,
        /// Drawn if not given
        #[arg(long)]
        seed: Option<u64>,
        /// Keep the data folder
        #[arg(long)]
        keep: bool,
    },
    /// Measure
    Bench {
        what: Bench,
        /// Records, such as 1e6; each bench has its own default
        #[arg(long, value_parser = rows)]
        rows: Option<u64>,
        /// Runs, of which the medians are told
        #[arg(long, default_value_t = 3)]
        runs: u32,
        #[arg(long)]
        json: bool,
        /// A Python that has DuckDB
        #[arg(long)]
        duckdb_python: Option<PathBuf>,
        /// Seconds of each load of the guard's bench
        #[arg(long, default_value_t = 3)]
        seconds: u32,
        /// Seconds without work of the operator's bench; a minute if not given
        #[arg(long)]
        idle: Option<u32>,
        /// Numbers of clusters of the operator's bench, such as 1,100,500
        #[arg(long, value_delimiter = ',')]
        clusters: Vec<u32>,
    },
    /// Send with other people's clients
    Sdk {
        #[arg(long)]
        python: PathBuf,
        #[arg(long)]
        scripts: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    Ingest,
    Page,
    Tail,
    Guard,
    Operator,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command; how many checks failed.
async fn run(Cli { parapet, cache, command }: Cli) -> Result<u64> {
    Ok(match command {
        Command::Crash { cycles, seed, keep } => {
            // 32 bits are enough to differ and short enough to type again.
            let seed = seed.unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
            crash::run(crash::Options { parapet, cycles, seed, keep }).await?.failed
        }
        Command::Bench { what, rows, runs, json, duckdb_python, seconds, idle, clusters } => {
            match what {
                // 1e6 lines are 200 MB of requests, held in memory by the senders.
                Bench::Ingest => {
                    let rows = rows.unwrap_or(1_000_000);
                    ingest::run(ingest::Options { parapet, cache, rows, runs, json }).await?;
                }
                // 1e7 rows are sent in minutes; the targets are for 1e8.
                Bench::Page => {
                    let rows = rows.unwrap_or(10_000_000);
                    page::run(page::Options { parapet, cache, rows, duckdb_python, json }).await?;
                }
                // 3e5 lines are a file of 300 MB.
                Bench::Tail => {
                    let rows = rows.unwrap_or(300_000);
                    tail::run(tail::Options { parapet, rows, runs, json }).await?;
                }
                Bench::Operator => {
                    operator::run(operator::Options { parapet, idle, clusters, json }).await?;
                }
                Bench::Guard => guard::run(guard::Options { parapet, cache, runs, seconds, json }).await?,
            }
            0
        }
        Command::Sdk { python, scripts } => {
            let (passed, failed) = sdk::run(sdk::Options { parapet, python, scripts }).await?;
            println!("{passed} passed, {failed} failed");
            failed
        }
    })
}

/// Reads `1000000` and `1e6` alike.
fn rows(text: &str) -> Result<u64, String> {
    let rows: f64 = text.parse().map_err(|_| format!("{text:?} is no number of rows, such as 1e6"))?;
    if (1.0..=1e12).contains(&rows) && rows.fract() == 0.0 {
        Ok(rows as u64)
    } else {
        Err(format!("{text:?} is no number of rows"))
    }
}
