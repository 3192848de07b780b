//! The binary: arguments, configuration, wiring. Everything else it delegates to the crates that know it.

mod cli;
mod client;
mod config;
mod credentials;
mod exit;
mod gate;
#[cfg(test)]
mod reference;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::Arguments::parse().run().unwrap_or_else(|failure| failure.report())
}
