//! The command line: what can be said, and which module answers it.

#[cfg(feature = "posture")]
mod audit;
#[cfg(feature = "guard")]
mod cert;
mod completions;
#[cfg(feature = "up")]
mod doctor;
#[cfg(feature = "guard")]
pub(crate) mod guard;
#[cfg(feature = "up")]
mod logs;
#[cfg(feature = "operator")]
pub(crate) mod operator;
#[cfg(feature = "posture")]
mod policy;
#[cfg(feature = "posture")]
mod reach;
#[cfg(feature = "up")]
mod sql;
#[cfg(feature = "up")]
mod token;
#[cfg(feature = "up")]
pub(crate) mod up;
mod version;

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
    #[cfg(feature = "up")]
    Up(Box<up::UpArguments>),
    /// Print the newest log lines that match, or follow them.
    #[cfg(feature = "up")]
    Logs(logs::LogsArguments),
    /// Run one read-only SQL query.
    #[cfg(feature = "up")]
    Sql(sql::SqlArguments),
    /// Make, list and revoke tokens for OTLP senders and API clients.
    #[cfg(feature = "up")]
    Token(token::TokenArguments),
    /// Verify a data folder: every checksum, every invariant. Changes nothing.
    #[cfg(feature = "up")]
    Doctor(doctor::DoctorArguments),
    /// Guard an endpoint: TLS, authentication and authorisation by the API server, in front of a plain upstream.
    #[cfg(feature = "guard")]
    #[command(after_help = guard::EXAMPLES)]
    Guard(Box<parapet_guard::settings::GuardArguments>),
    /// Show, check and explain certificates: files, folders, or what a server shows.
    #[cfg(feature = "guard")]
    Cert(cert::CertArguments),
    /// Say who can talk to whom in a cluster, and why.
    #[cfg(feature = "posture")]
    #[command(after_help = reach::EXAMPLES)]
    Reach(reach::ReachArguments),
    /// Find what is open, weak or broken in the manifests of an observability stack, and how to put it right.
    #[cfg(feature = "posture")]
    #[command(after_help = audit::EXAMPLES)]
    Audit(Box<audit::AuditArguments>),
    /// Write the least network policies for declared, referenced or seen flows, and prove them.
    #[cfg(feature = "posture")]
    #[command(after_help = policy::EXAMPLES)]
    Policy(policy::PolicyArguments),
    /// Look after Elasticsearch, Kibana and APM Server, as their manifests say.
    #[cfg(feature = "operator")]
    #[command(after_help = operator::EXAMPLES)]
    Operator(Box<operator::OperatorArguments>),
    /// Print a shell's completion script.
    Completions(completions::CompletionsArguments),
    /// Print the version, what was built in, and whether cryptography is a FIPS module's.
    Version(version::VersionArguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let done = match self.command {
            #[cfg(feature = "up")]
            Command::Up(arguments) => crate::up::run(*arguments),
            #[cfg(feature = "up")]
            Command::Logs(arguments) => wait_for(arguments.run()),
            #[cfg(feature = "up")]
            Command::Sql(arguments) => wait_for(arguments.run()),
            #[cfg(feature = "up")]
            Command::Token(arguments) => wait_for(arguments.run()),
            #[cfg(feature = "up")]
            Command::Doctor(arguments) => arguments.run(),
            #[cfg(feature = "guard")]
            Command::Guard(arguments) => crate::guard::run(*arguments),
            #[cfg(feature = "guard")]
            Command::Cert(arguments) => arguments.run(),
            #[cfg(feature = "posture")]
            Command::Reach(arguments) => return arguments.run(),
            #[cfg(feature = "posture")]
            Command::Audit(arguments) => return arguments.run(),
            #[cfg(feature = "posture")]
            Command::Policy(arguments) => arguments.run(),
            #[cfg(feature = "operator")]
            Command::Operator(arguments) => return arguments.answer(),
            Command::Completions(arguments) => arguments.run(),
            Command::Version(arguments) => arguments.run(),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

/// Runs a command that asks a server: one thread is enough.
#[cfg(feature = "up")]
fn wait_for(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from)?;
    runtime.block_on(command)
}
