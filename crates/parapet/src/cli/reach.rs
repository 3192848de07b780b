//! `parapet reach`: who can talk to whom, and why.

mod check;
mod diff;
mod input;
mod list;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::exit::Failure;

pub(super) const EXAMPLES: &str = "\
Examples:
  parapet reach list manifests/                         every allowed connection, by workload
  helm template ./chart | parapet reach list -          of a chart's output
  parapet reach list manifests/ -o html -f reach.html   a page with pictures
  parapet reach check web/frontend db/postgres 5432 manifests/
  parapet reach explain web/frontend db/postgres 5432 manifests/
  parapet reach diff before/ after/
  parapet reach list --context prod                     of a live cluster
  parapet reach list --dirpath manifests/ --exposure    netpol-analyzer's flags, and its very lines

Exit codes: 0 fine, allowed, or no difference; 1 denied, or different; 2 nothing useful can be said.";

#[derive(Debug, Args)]
pub(crate) struct ReachArguments {
    #[command(subcommand)]
    command: ReachCommand,
}

#[derive(Debug, Subcommand)]
enum ReachCommand {
    /// List who can talk to whom.
    List(Box<list::ListArguments>),
    /// Compare two sets of manifests by what they allow; exit code 1 if that differs.
    Diff(Box<diff::DiffArguments>),
    /// Say whether SOURCE may connect to DESTINATION at PORT; exit code 0 if it may, 1 if not.
    Check(check::CheckArguments),
    /// Say why SOURCE may, or may not, connect to DESTINATION at PORT, and what would change it.
    Explain(check::CheckArguments),
    /// netpol-analyzer's question about one connection; exit code 0 if it is allowed, 1 if not.
    #[command(visible_aliases = ["eval", "allow"])]
    Evaluate(check::EvaluateArguments),
    /// Find policies that select nobody, match nobody, repeat others or lose to others.
    Queries(check::QueryArguments),
}

impl ReachArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            ReachCommand::List(arguments) => arguments.run(),
            ReachCommand::Diff(arguments) => arguments.run(),
            ReachCommand::Check(arguments) => arguments.check(),
            ReachCommand::Explain(arguments) => arguments.explain(),
            ReachCommand::Evaluate(arguments) => arguments.run(),
            ReachCommand::Queries(arguments) => arguments.run(),
        }
    }
}
