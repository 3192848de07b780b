//! The automation of this repository: every step that people and CI run, by name.
//!
//! It doesn't know how anything works inside: it prepares tools, calls cargo, npm and the bench driver, and adds up what they say.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is for the terminal it was called from"
)]

mod check;
mod cli;
mod clients;
mod console;
mod counts;
mod deps;
mod fuzz;
mod image;
mod kernel;
mod manifests;
mod node;
mod process;
mod pss;
mod sarif;
mod server;
mod silence;
mod summary;
mod test;
mod testbed;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
