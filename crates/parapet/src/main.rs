//! The binary: arguments, configuration, wiring. Everything else it delegates to the crates that know it.

mod cli;
#[cfg(feature = "up")]
mod client;
#[cfg(feature = "up")]
mod config;
#[cfg(feature = "up")]
mod credentials;
mod exit;
#[cfg(feature = "up")]
mod gate;
#[cfg(feature = "guard")]
mod guard;
#[cfg(feature = "posture")]
mod manifests;
#[cfg(feature = "operator")]
mod operator;
#[cfg(all(test, feature = "up", feature = "guard", feature = "posture"))]
mod reference;
#[cfg(feature = "up")]
mod up;
#[cfg(any(feature = "up", feature = "posture"))]
mod yaml;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    #[cfg(feature = "guard")]
    let words = cli::guard::spelled(std::env::args_os());
    #[cfg(not(feature = "guard"))]
    let words = std::env::args_os();
    #[cfg(feature = "operator")]
    let words = cli::operator::spelled(words);
    cli::Arguments::parse_from(words).run().unwrap_or_else(|failure| failure.report())
}
