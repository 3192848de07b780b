//! Running other programs: one progress line each, output as it comes, an error that says what failed.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::counts::{Counts, Reader};
use crate::silence;
use crate::workspace::Workspace;

/// How long a runner may say nothing. A test says that it runs after a minute; none takes a quarter of this.
const SILENCE: Duration = Duration::from_secs(10 * 60);

/// A program about to run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    program: OsString,
    args: Vec<OsString>,
    dir: PathBuf,
    env: Vec<(OsString, OsString)>,
    limit: Option<Duration>,
}

impl Step {
    pub(crate) fn new<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
        dir: &Path,
    ) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Self { program: program.as_ref().to_owned(), args, dir: dir.to_owned(), env: Vec::new(), limit: None }
    }

    /// Cargo, building into the shared target directory.
    pub(crate) fn cargo<A: AsRef<OsStr>>(workspace: &Workspace, args: impl IntoIterator<Item = A>) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(cargo, args, &workspace.root).env("CARGO_TARGET_DIR", &workspace.target)
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Ended, with all that it started, when it takes longer: for what waits for other machines, which may never answer.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// As one would type it.
    pub(crate) fn line(&self) -> String {
        let program = Path::new(&self.program).file_name().unwrap_or(&self.program);
        let mut line = program.to_string_lossy().into_owned();
        for arg in &self.args {
            let arg = arg.to_string_lossy();
            line.push(' ');
            if arg.is_empty() || arg.contains([' ', '*', '"', '$', '\n']) {
                line.push_str(&format!("'{arg}'"));
            } else {
                line.push_str(&arg);
            }
        }
        line
    }

    /// Runs it with our own output and no input; fails if it fails.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.status()?;
        if !status.success() {
            bail!("`{}` failed: {status}", self.line());
        }
        Ok(())
    }

    /// Runs it with our own output and no input, and tells how it ended.
    pub(crate) fn status(&self) -> Result<ExitStatus> {
        announce(&self.line());
        let mut child = self.command().spawn().with_context(|| self.not_started())?;
        let Some(limit) = self.limit else {
            return child.wait().with_context(|| format!("failed to wait for `{}`", self.line()));
        };
        let runner = child.id();
        std::thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            let watch = scope.spawn(move || -> Result<bool> {
                let mut late = false;
                while end.recv_timeout(if late { Duration::from_secs(1) } else { limit })
                    == Err(RecvTimeoutError::Timeout)
                {
                    late = true;
                    silence::end_those_of(runner)?;
                }
                Ok(late)
            });
            let status = child.wait().with_context(|| format!("failed to wait for `{}`", self.line()));
            drop(ended);
            let late = watch.join().expect("a watch that waits and kills panics nowhere")?;
            if late {
                bail!("`{}` took longer than {} minutes and was ended", self.line(), limit.as_secs() / 60);
            }
            status
        })
    }

    /// Runs it, hands each line of its standard output to `see` and prints it; tells whether it succeeded. What it runs is
    /// ended when no line comes for [`SILENCE`], and that is a failure.
    pub(crate) fn run_watched(&self, mut see: impl FnMut(&str)) -> Result<bool> {
        announce(&self.line());
        let mut child = self.command().stdout(Stdio::piped()).spawn().with_context(|| self.not_started())?;
        let lines = BufReader::new(child.stdout.take().expect("stdout was piped above"));
        let mut out = std::io::stdout().lock();
        let mut silenced = false;
        std::thread::scope(|scope| -> Result<()> {
            let (sender, read) = mpsc::sync_channel(1);
            scope.spawn(move || lines.split(b'\n').try_for_each(|line| sender.send(line)));
            loop {
                let line = match read.recv_timeout(SILENCE) {
                    Ok(line) => line,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Err(RecvTimeoutError::Timeout) => {
                        let minutes = SILENCE.as_secs() / 60;
                        let line = self.line();
                        eprintln!("`{line}` said nothing for {minutes} minutes; what it runs is ended");
                        silence::end_those_of(child.id())?;
                        silenced = true;
                        continue;
                    }
                };
                let line = line.with_context(|| format!("failed to read the output of `{}`", self.line()))?;
                let line = String::from_utf8_lossy(&line);
                writeln!(out, "{line}").context("failed to write to standard output")?;
                see(&line);
            }
        })?;
        let status = child.wait().with_context(|| format!("failed to wait for `{}`", self.line()))?;
        Ok(status.success() && !silenced)
    }

    /// Runs a test runner and adds up its closing lines. A runner that failed without counting a failure counts as one
    /// failure; one that counted no test at all is an error: a test step that tests nothing must not look green.
    pub(crate) fn run_counted(&self) -> Result<Counts> {
        let mut reader = Reader::default();
        let succeeded = self.run_watched(|line| reader.line(line))?;
        let mut counts = reader.counts();
        if succeeded && counts == Counts::default() {
            bail!("`{}` ran no test", self.line());
        }
        if !succeeded && counts.failed == 0 {
            eprintln!("`{}` failed", self.line());
            counts.failed = 1;
        }
        counts.take_skipped_away();
        Ok(counts)
    }

    /// Its standard output, without a progress line; `None` if it could not be started or failed.
    pub(crate) fn output(&self) -> Option<String> {
        let output = self.command().stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Becomes the program: its process takes our place, so signals reach it without us in between.
    #[cfg(unix)]
    pub(crate) fn become_it(&self) -> Result<()> {
        use std::os::unix::process::CommandExt as _;
        announce(&self.line());
        let mut command = self.command();
        command.stdin(Stdio::inherit());
        Err(command.exec()).with_context(|| self.not_started())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.dir).stdin(Stdio::null());
        // What `cargo run` told xtask about itself is not meant for what it starts.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self) -> String {
        format!("failed to start `{}`", self.program.to_string_lossy())
    }
}

fn announce(line: &str) {
    let bold = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    if bold {
        eprintln!("\x1b[1m$ {line}\x1b[0m");
    } else {
        eprintln!("$ {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_ended_and_fails() {
        let here = Path::new(".");
        let hangs = Step::new("sh", ["-c", "sleep 1000; sleep 1000"], here).within(Duration::from_millis(50));
        assert!(hangs.run().unwrap_err().to_string().contains("took longer"));
        assert!(Step::new("true", [""; 0], here).within(Duration::from_secs(1000)).run().is_ok());
    }
}
