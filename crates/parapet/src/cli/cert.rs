//! `parapet cert`: what certificates say, whether they will do, what happens to them next, and rotations by hand.

mod rotate;
mod target;
mod text;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use parapet_pki::inspect::{self, CertificateFacts, Finding, Question, Severity};
use parapet_pki::{Bundle, Request};
use rustls::pki_types::ServerName;
use serde::Serialize;

use crate::exit::{Failure, OrExit as _, Reason};
use target::Loaded;

const EXAMPLES: &str = "\
Examples:
  parapet cert show tls.crt
  parapet cert check /var/run/secrets/tls --within 14d
  parapet cert check es-http.elastic.svc:9200 --ca ca.crt
  parapet cert explain ~/.local/share/parapet/pki
  parapet cert rotate ~/.local/share/parapet/pki

Exit codes of `check`: 0 fine; 1 something fails, or will within --within; 2 command line wrong, or nothing to read;
4 server not reached. Private keys are compared with their certificates and never printed.";

/// Arguments of `parapet cert`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CertArguments {
    #[command(subcommand)]
    command: CertCommand,
}

#[derive(Debug, Subcommand)]
enum CertCommand {
    /// Print what certificates say: names, times, keys, who signed them.
    #[command(after_help = EXAMPLES)]
    Show(Targets),
    /// Find what fails, or will, and say what to do about it.
    #[command(after_help = EXAMPLES)]
    Check(Targets),
    /// Tell a chain as a story: who vouches for whom, what is wrong, what is replaced when.
    #[command(after_help = EXAMPLES)]
    Explain(Targets),
    /// Replace the authority in a folder by one with a new key, in four phases, although none is due.
    #[command(after_help = rotate::PHASES)]
    Rotate(rotate::RotateArguments),
    /// Give up the rotation of the authority in a folder.
    #[command(after_help = rotate::PHASES)]
    Abort(rotate::RotateArguments),
}

#[derive(Args, Debug)]
struct Targets {
    /// Files (PEM or DER), folders (mounted Secrets, Parapet's `pki`), or servers as HOST:PORT.
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// Judge as clients that trust the authorities in this file; a folder's own `ca.crt` is used without being asked.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Compare with this private key; a folder's own `tls.key` is used without being asked.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The name that clients connect by; of a server, HOST unless this is given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What expires within this time is as good as expired.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    within: Duration,
    /// How long a server may take to show its certificates.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON array, an object for each target.
    Json,
}

/// Everything about one target.
#[derive(Serialize)]
struct Report {
    target: String,
    /// What a server said of its connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<target::Connection>,
    /// How far the rotation of a folder's authority has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<parapet_pki::rotation::Rotation>,
    certificates: Vec<CertificateFacts>,
    private_keys: usize,
    /// Whether trust was judged, or only what the certificates say of themselves.
    trust_checked: bool,
    findings: Vec<Finding>,
}

impl CertArguments {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (kind, targets) = match self.command {
            CertCommand::Show(targets) => (text::Kind::Show, targets),
            CertCommand::Check(targets) => (text::Kind::Check, targets),
            CertCommand::Explain(targets) => (text::Kind::Explain, targets),
            CertCommand::Rotate(arguments) => return arguments.run(Request::Rotate),
            CertCommand::Abort(arguments) => return arguments.run(Request::Abort),
        };
        let now = Timestamp::now();
        let reports = targets.reports(now)?;
        let printed = match targets.output {
            Output::Json => serde_json::to_string_pretty(&reports).context("can't write the report")? + "\n",
            Output::Text => {
                reports.iter().map(|report| text::of(report, kind, now)).collect::<Vec<_>>().join("\n")
            }
        };
        std::io::stdout().write_all(printed.as_bytes()).context("can't write to standard output")?;
        let failing = reports.iter().filter(|report| report.fails()).count();
        if kind != text::Kind::Check || failing == 0 {
            return Ok(());
        }
        let all = reports.len();
        Err(anyhow!("{failing} of {all} will not do; what to do is above")).or_exit(Reason::Failed)
    }
}

impl Targets {
    fn reports(&self, now: Timestamp) -> Result<Vec<Report>, Failure> {
        let within = SignedDuration::try_from(self.within)
            .context("--within is longer than any certificate lives")
            .or_exit(Reason::Usage)?;
        let name = match &self.name {
            Some(name) => Some(
                ServerName::try_from(name.clone())
                    .with_context(|| format!("{name:?} is neither a DNS name nor an IP address"))
                    .or_exit(Reason::Usage)?,
            ),
            None => None,
        };
        let trust = self.ca.as_deref().map(target::bundle).transpose()?;
        let key = self.key.as_deref().map(target::file).transpose()?;
        let mut reports = Vec::new();
        for target in &self.targets {
            let mut loaded = target::load(target, name.clone(), self.timeout)?;
            if let Some(key) = &key {
                loaded.found = loaded.found.and(inspect::read(key).or_exit(Reason::Usage)?);
            }
            reports.push(report(target, loaded, trust.as_ref(), name.clone(), within, now)?);
        }
        Ok(reports)
    }
}

impl Report {
    fn fails(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

fn report(
    target: &str,
    loaded: Loaded,
    trust: Option<&Bundle>,
    name: Option<ServerName<'static>>,
    within: SignedDuration,
    now: Timestamp,
) -> Result<Report, Failure> {
    let Loaded { found, connection, rotation, bundle, host } = loaded;
    let trust = trust.or(bundle.as_ref());
    let question = Question { now, within, trust, name: name.or(host) };
    let unreadable = |(position, error): (usize, parapet_pki::PkiError)| {
        anyhow!("{target}: certificate {}: {}", position + 1, error.with_causes())
    };
    if found.certificates.is_empty() {
        return Err(anyhow!("{target} has keys, but no certificate")).or_exit(Reason::Failed);
    }
    let certificates = found.facts().map_err(unreadable).or_exit(Reason::Failed)?;
    let findings = inspect::judge(&found, &question).map_err(unreadable).or_exit(Reason::Failed)?;
    Ok(Report {
        target: target.to_owned(),
        connection,
        rotation,
        certificates,
        private_keys: found.keys(),
        trust_checked: trust.is_some(),
        findings,
    })
}
