//! `parapet doctor`: verifies a data folder.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use parapet_store::Report;

use crate::config::default_data_folder;
use crate::exit::{Failure, OrExit as _, Reason};

/// Arguments of `parapet doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    /// The data folder; no server may be running on it.
    #[arg(long, value_name = "DIR", env = "PARAPET_DATA")]
    data: Option<PathBuf>,
}

impl DoctorArguments {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let data = match self.data {
            Some(data) => data,
            None => default_data_folder().or_exit(Reason::Usage)?,
        };
        let progress = progress();
        let report = parapet_store::verify(&parapet_fs::OsFs, &data, |done, total| {
            progress.set_length(total);
            progress.set_position(done);
        })
        .with_context(|| format!("can't verify {}", data.display()))
        .or_exit(Reason::Data)?;
        progress.finish_and_clear();
        std::io::stdout().write_all(text(&report).as_bytes()).context("can't write to standard output")?;
        if report.findings.is_empty() {
            Ok(())
        } else {
            Err(anyhow!("{} is damaged; the findings are above", data.display())).or_exit(Reason::Data)
        }
    }
}

fn text(report: &Report) -> String {
    let Report { segments, rows, rollup_files, wal_frames, wal_rows, wal_torn_bytes, orphans, findings } =
        report;
    let mut text = format!(
        "segments      {segments} with {rows} rows\n\
         rollup files  {rollup_files}\n\
         log           {wal_frames} frames with {wal_rows} rows that the next start replays\n"
    );
    if *wal_torn_bytes > 0 {
        text += &format!(
            "torn tail     {wal_torn_bytes} bytes of an unfinished write, not acknowledged; the next start cuts them\n"
        );
    }
    if *orphans > 0 {
        text += &format!("orphans       {orphans} unlisted files; the next start removes them\n");
    }
    for finding in findings {
        text += &format!("DAMAGED       {} {}: {}\n", finding.invariant, finding.path, finding.what);
    }
    if findings.is_empty() {
        text += "All is well.\n";
    }
    text
}

/// A bar when somebody watches; nothing otherwise.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("verifying {bar:30} {pos}/{len} files, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
}
