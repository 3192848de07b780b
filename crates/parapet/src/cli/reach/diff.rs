//! `parapet reach diff`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use parapet_reach::Reachability;
use parapet_reach::render::{self, Format};

use super::input;
use super::list::netpol_analyzers_modes;
use crate::exit::{Failure, Reason};
use crate::manifests::{ClusterArguments, ManifestArguments, ModeArguments};

#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The manifests before: a file or a folder
    #[arg(value_name = "BEFORE", required_unless_present = "dir1")]
    before: Option<PathBuf>,
    /// The manifests after
    #[arg(value_name = "AFTER", required_unless_present = "dir2")]
    after: Option<PathBuf>,
    /// The manifests before, as netpol-analyzer names and reads them
    #[arg(long, value_name = "DIR", requires = "dir2", conflicts_with = "before")]
    dir1: Option<PathBuf>,
    /// The manifests after
    #[arg(long, value_name = "DIR", requires = "dir1", conflicts_with = "after")]
    dir2: Option<PathBuf>,
    #[command(flatten)]
    modes: ModeArguments,
    /// The form of the output: txt, json, csv, md, dot
    #[arg(short, long, value_name = "FORMAT", default_value = "txt", value_parser = input::format)]
    output: Format,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Read the folders' folders too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The namespace of objects that name none
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    default_namespace: String,
    /// Stop at the first thing that can't be read
    #[arg(long)]
    fail: bool,
    /// Say nothing about what can't be read
    #[arg(short, long)]
    quiet: bool,
    /// Exit code 0 even if there are differences
    #[arg(long)]
    exit_zero: bool,
}

impl DiffArguments {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let compatible = self.dir1.is_some();
        let (Some(before), Some(after)) = (self.dir1.or(self.before), self.dir2.or(self.after)) else {
            return Err(Failure::new(Reason::Usage, anyhow!("two sets of manifests are needed")));
        };
        if matches!(self.output, Format::Svg | Format::Html | Format::Mermaid) {
            return Err(Failure::new(Reason::Usage, anyhow!("differences are txt, json, csv, md or dot")));
        }
        let recursive = self.recursive || compatible;
        let read = |path: PathBuf| {
            let manifests = ManifestArguments {
                filename: vec![path],
                recursive,
                default_namespace: self.default_namespace.clone(),
                cluster: ClusterArguments::default(),
            };
            input::read(&manifests, self.fail, self.quiet)
        };
        let (before, after) = (read(before)?, read(after)?);
        let options = if compatible { netpol_analyzers_modes() } else { self.modes.options() };
        let one = Reachability::compute(&before.cluster, &options);
        let two = Reachability::compute(&after.cluster, &options);
        let lines = render::diff_lines(&one, &two, compatible);
        let names = if compatible { ("dir1", "dir2") } else { ("before", "after") };
        let mut answer = String::new();
        if !compatible && self.output == Format::Text {
            answer += &format!("# modes: {options}\n");
        }
        if !lines.is_empty() || self.output != Format::Text {
            answer += &render::diff(&lines, names, self.output);
        }
        input::write(&answer, self.file.as_deref())?;
        if lines.is_empty() || self.exit_zero {
            return Ok(ExitCode::SUCCESS);
        }
        Ok(ExitCode::FAILURE)
    }
}
