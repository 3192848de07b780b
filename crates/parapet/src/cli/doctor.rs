//! `parapet doctor`: verifies a data folder.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

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
        let report = parapet_store::verify(&parapet_fs::OsFs, &data, &mut |done, total| {
            progress.set_length(total);
            progress.set_position(done);
        })
        .with_context(|| format!("can't verify {}", data.display()))
        .or_exit(Reason::Data)?;
        progress.finish_and_clear();
        write!(std::io::stdout(), "{report}").context("can't write to standard output")?;
        if report.is_sound() {
            Ok(())
        } else {
            Err(anyhow!("{} is damaged; the findings are above", data.display())).or_exit(Reason::Data)
        }
    }
}

/// A bar when somebody watches; nothing otherwise.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("verifying {bar:30} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
}
