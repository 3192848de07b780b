//! A program in a sandbox: its log, its end.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::Sandbox;

/// Between two looks at a process that was asked to end; the kernel offers no other way to wait without blocking.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// A program that hasn't ended so long after SIGTERM is killed. kube-apiserver, the slowest, takes 1.3 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of a log an error quotes.
const QUOTED_LINES: usize = 20;

/// A running program. Dropped, it is killed and waited for.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    sandbox: Sandbox,
}

impl Process {
    pub(crate) fn start(sandbox: Sandbox, name: &str, mut command: Command) -> Result<Self> {
        let log = sandbox.dir().join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("failed to share the log")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("failed to start {}", command.get_program().to_string_lossy()))?;
        sandbox.started(child.id());
        Ok(Self { name: name.to_owned(), child, log, sandbox })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its log, for error messages.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("failed to look at {}", self.name))
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().with_context(|| format!("failed to wait for {}", self.name))
    }

    /// Sends it a signal; nothing happens if it has ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks it to end with SIGTERM and waits until it has, at last with SIGKILL.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(LOOK_AGAIN);
        }
        self.signal(Signal::KILL);
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that was waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.sandbox.ended(self.child.id());
    }
}
