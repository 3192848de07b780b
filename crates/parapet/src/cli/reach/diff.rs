//! `parapet reach diff`: two sets of manifests, or a live cluster and what would become of it.

mod applied;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use parapet_manifest::{Limits, Source};
use parapet_reach::Reachability;
use parapet_reach::render::{self, Compared, Format};

use super::input::{self, NetpolAnalyzerArguments};
use super::list::netpol_analyzers_modes;
use crate::exit::{Failure, OrExit as _, Reason};
use crate::manifests::{ClusterArguments, ManifestArguments, Manifests, ModeArguments};

const EXAMPLES: &str = "\
Examples:
  parapet reach diff before/ after/                     two folders, such as two checkouts
  parapet reach diff new-policy.yaml --context prod     what applying this would change in the cluster
  parapet reach diff before/ after/ -o html -f diff.html   a page with pictures of what changes
  parapet reach diff --dir1 before/ --dir2 after/       netpol-analyzer's flags, and its very lines

Each line is a connection that is added, removed, or changed to other ports.
Exit codes: 0 no difference; 1 something differs; 2 nothing useful can be said.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiffArguments {
    /// The manifests before: a file or a folder; with --context the manifests that are to be applied to that cluster
    #[arg(value_name = "BEFORE", required_unless_present = "dir1")]
    before: Option<PathBuf>,
    /// The manifests after
    #[arg(
        value_name = "AFTER",
        required_unless_present_any = ["dir2", "context", "kubeconfig"],
        conflicts_with_all = ["context", "kubeconfig"]
    )]
    after: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    known: NetpolAnalyzerArguments,
    /// The manifests before, as netpol-analyzer names and reads them
    #[arg(
        long,
        value_name = "DIR",
        requires = "dir2",
        conflicts_with_all = ["before", "context", "kubeconfig"]
    )]
    dir1: Option<PathBuf>,
    /// The manifests after
    #[arg(long, value_name = "DIR", requires = "dir1", conflicts_with = "after")]
    dir2: Option<PathBuf>,
    #[command(flatten)]
    modes: ModeArguments,
    /// Read the folders' folders too
    #[arg(short = 'R', long, help_heading = "Manifests")]
    recursive: bool,
    /// The namespace of objects that name none
    #[arg(long, value_name = "NAMESPACE", default_value = "default", help_heading = "Manifests")]
    default_namespace: String,
    /// Exit code 2 if anything can't be read
    #[arg(long, help_heading = "Manifests")]
    fail: bool,
    /// Say nothing about what can't be read
    #[arg(short, long, help_heading = "Manifests")]
    quiet: bool,
    /// The form of the output: txt, json, csv, md, dot, mermaid, svg, html
    #[arg(short, long, value_name = "FORMAT", default_value = "txt", value_parser = input::format, help_heading = "Output")]
    output: Format,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    file: Option<PathBuf>,
    /// Exit code 0 even if there are differences
    #[arg(long, help_heading = "Output")]
    exit_zero: bool,
}

impl DiffArguments {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let compatible = self.dir1.is_some();
        let (before, after) = self.read()?;
        let options = if compatible { netpol_analyzers_modes() } else { self.modes.options() };
        let (one, two) = Reachability::compute_both(&before.cluster, &after.cluster, &options);
        let lines = render::diff_lines(&one, &two, compatible);
        let names = match compatible {
            true => ("dir1", "dir2"),
            false if self.cluster.is_named() => ("cluster", "applied"),
            false => ("before", "after"),
        };
        let incomplete = before.cluster.incomplete || after.cluster.incomplete;
        let compared = Compared { names, options: &options, incomplete, compatible };
        input::write(&render::diff(&lines, &compared, self.output), self.file.as_deref())?;
        if lines.is_empty() || self.exit_zero {
            return Ok(ExitCode::SUCCESS);
        }
        Ok(ExitCode::FAILURE)
    }

    fn read(&self) -> Result<(Manifests, Manifests), Failure> {
        let before = self.dir1.as_ref().or(self.before.as_ref());
        let recursive = self.recursive || self.dir1.is_some();
        if let Some(path) = before.filter(|_| self.cluster.is_named()) {
            let source = Source::from_argument(path, recursive);
            let changes = parapet_manifest::load(&[source], &Limits::default(), &mut io::stdin().lock());
            let live = self.cluster.load().or_exit(Reason::Usage)?;
            let after = applied::applied(&live, changes, &self.default_namespace);
            let read = |loaded| {
                input::checked(Manifests::of(loaded, &self.default_namespace), self.fail, self.quiet)
            };
            return Ok((read(live)?, read(after)?));
        }
        let (Some(before), Some(after)) = (before, self.dir2.as_ref().or(self.after.as_ref())) else {
            return Err(Failure::new(Reason::Usage, anyhow!("two sets of manifests are needed")));
        };
        let read = |path: &PathBuf| {
            let manifests = ManifestArguments {
                paths: vec![path.clone()],
                filename: Vec::new(),
                recursive,
                default_namespace: self.default_namespace.clone(),
                cluster: ClusterArguments::default(),
            };
            input::read(&manifests, self.fail, self.quiet)
        };
        Ok((read(before)?, read(after)?))
    }
}
