//! What every question about reachability reads, and where its answer goes.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use parapet_reach::render::{Format, INCOMPLETE};
use parapet_reach::{Options, Protocol};

use crate::exit::{Failure, OrExit as _, Reason};
use crate::manifests::{ClusterArguments, ManifestArguments, Manifests};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manifests")]
pub(super) struct InputArguments {
    /// Files, folders, or - for standard input: manifests, `kustomize build` or `helm template` output
    #[arg(value_name = "PATH", help_heading = None::<&str>)]
    pub(super) paths: Vec<PathBuf>,
    /// A folder, with its folders, as netpol-analyzer reads it: its modes and its very lines, too
    #[arg(long, value_name = "DIR", conflicts_with = "paths")]
    pub(super) dirpath: Option<PathBuf>,
    /// Read the folders' folders too
    #[arg(short = 'R', long)]
    pub(super) recursive: bool,
    /// The namespace of objects that name none
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(super) default_namespace: String,
    /// Exit code 2 if anything can't be read
    #[arg(long)]
    pub(super) fail: bool,
    /// Say nothing about what can't be read
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) cluster: ClusterArguments,
    #[command(flatten)]
    known: NetpolAnalyzerArguments,
}

/// Flags of netpol-analyzer that ask for what is done anyway: its users' scripts go on working.
#[derive(Clone, Debug, Args)]
pub(super) struct NetpolAnalyzerArguments {
    /// JSON files are always read
    #[arg(long, hide = true)]
    include_json: bool,
    /// There is one network of pods here: the primary one
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    multiple_networks: Option<bool>,
    /// What is wrong with the input is always said
    #[arg(short, long, hide = true, conflicts_with = "quiet")]
    verbose: bool,
}

impl InputArguments {
    /// Reads the manifests, and says what is wrong with them.
    pub(super) fn read(&self) -> Result<Manifests, Failure> {
        let paths = match &self.dirpath {
            Some(dirpath) => vec![dirpath.clone()],
            None => self.paths.clone(),
        };
        let manifests = ManifestArguments {
            paths,
            filename: Vec::new(),
            recursive: self.recursive || self.dirpath.is_some(),
            default_namespace: self.default_namespace.clone(),
            cluster: self.cluster.clone(),
        };
        read(&manifests, self.fail, self.quiet)
    }
}

/// Reads manifests, and says what is wrong with them.
pub(super) fn read(arguments: &ManifestArguments, fail: bool, quiet: bool) -> Result<Manifests, Failure> {
    checked(arguments.read()?, fail, quiet)
}

/// Says what is wrong with manifests; a cluster without a single pod leaves nothing to say.
pub(super) fn checked(manifests: Manifests, fail: bool, quiet: bool) -> Result<Manifests, Failure> {
    if !quiet {
        manifests.report()?;
    }
    if fail && manifests.cluster.incomplete {
        return Err(Failure::new(
            Reason::Usage,
            anyhow!("something could not be read, and --fail was given"),
        ));
    }
    if manifests.cluster.pods.is_empty() {
        let error = anyhow!("no workload was found, so there is nothing to say about who can talk to whom");
        return Err(Failure::new(Reason::Usage, error));
    }
    Ok(manifests)
}

/// What an answer begins with: the modes, and whether something could not be read.
pub(super) fn head(options: &Options, incomplete: bool) -> String {
    let mark = if incomplete { format!("# {INCOMPLETE}\n") } else { String::new() };
    format!("# modes: {options}\n{mark}")
}

/// Writes an answer to a file, or to standard output.
pub(super) fn write(answer: &str, file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(file) => std::fs::write(file, answer)
            .with_context(|| format!("can't write {}", file.display()))
            .or_exit(Reason::Failed),
        None => match io::stdout().lock().write_all(answer.as_bytes()) {
            // Who closed the pipe has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("can't write to standard output").or_exit(Reason::Failed),
        },
    }
}

/// A form of output by its name.
pub(super) fn format(name: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, format)| format).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
        format!("there are {}", names.join(", "))
    })
}

/// `9300`, `udp/53`, `53/udp` or `tcp-80`.
pub(super) fn port(text: &str) -> Result<(Protocol, u16), String> {
    let expected = || format!("{text:?} is no port such as 9300, udp/53 or tcp-80");
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    if let Some(port) = number(text) {
        return Ok((Protocol::Tcp, port));
    }
    let (one, other) = text.split_once(['/', '-']).ok_or_else(expected)?;
    let (protocol, port) = match number(other) {
        Some(port) => (one, port),
        None => (other, number(one).ok_or_else(expected)?),
    };
    let protocol = Protocol::from_name(&protocol.to_uppercase()).ok_or_else(expected)?;
    Ok((protocol, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_every_usual_form() {
        for (text, expected) in [
            ("9300", (Protocol::Tcp, 9300)),
            ("udp/53", (Protocol::Udp, 53)),
            ("53/UDP", (Protocol::Udp, 53)),
            ("tcp-80", (Protocol::Tcp, 80)),
            ("SCTP/7", (Protocol::Sctp, 7)),
        ] {
            assert_eq!(port(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "70000", "http", "tcp/", "icmp/8", "80-90"] {
            assert!(port(text).is_err(), "{text}");
        }
    }
}
