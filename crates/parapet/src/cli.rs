//! The command line: what can be said, and which module answers it.

pub(crate) mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Failure;

const AFTER_HELP: &str = "\
Exit codes: 0 fine; 1 failed; 2 command line or configuration wrong, nothing started;
3 data folder in use, of a newer format, or damaged; 4 server not reached, or it refused.

Colours are off when standard output is no terminal, or NO_COLOR is set.";

/// Observability that is locked down by default, and can prove it.
#[derive(Debug, Parser)]
#[command(name = "parapet", version, after_help = AFTER_HELP, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Collect, keep and show everything on this machine, in one process.
    Up(up::UpArguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Up(_) => Ok(ExitCode::SUCCESS),
        }
    }
}
