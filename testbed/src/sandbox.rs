//! A folder and the processes in it, which end together: when the handle goes, and when its process is killed.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

use crate::process::Process;

/// Reads `+ PID` and `- PID` until its input ends, which is when its starter is gone however that came to be; then kills
/// the processes that are left, runs `at-end.sh` if there is one, and removes the folder.
const WATCHDOG: &str = r#"
pids=
while read -r change pid; do
  case $change in
    +) pids="$pids $pid" ;;
    -) left=; for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done; pids=$left ;;
  esac
done
[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
[ ! -f "$1/at-end.sh" ] || sh "$1/at-end.sh"
rm -rf -- "$1"
"#;

/// A folder with a watchdog. Clones are the same sandbox; the last one, or the last [`Process`] in it, ends it.
#[derive(Clone, Debug)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    watchdog: Mutex<Watchdog>,
}

#[derive(Debug)]
struct Watchdog {
    child: Child,
    input: Option<ChildStdin>,
}

impl Sandbox {
    /// A new empty folder under the system's temporary one.
    pub fn new() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("parapet-testbed-")
            .tempdir()
            .context("failed to create a temporary folder")?;
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "testbed-watchdog"])
            .arg(dir.path())
            // A group of its own: a Ctrl-C at the terminal is meant for the test, and the watchdog cleans up after it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("failed to start the watchdog")?;
        let watchdog = Watchdog { input: child.stdin.take(), child };
        // From here on the watchdog removes it.
        Ok(Self { inner: Arc::new(Inner { dir: dir.keep(), watchdog: Mutex::new(watchdog) }) })
    }

    /// The folder, removed at the end.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Writes a file into the folder, readable for its owner alone.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.dir().join(name);
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }

    /// A shell script for the end, when the processes are gone, however they went.
    pub fn at_end(&self, script: &str) -> Result<()> {
        self.write("at-end.sh", script).map(drop)
    }

    /// Starts a program in the folder; what it prints goes to `NAME.log` there.
    pub fn start(&self, name: &str, command: Command) -> Result<Process> {
        Process::start(self.clone(), name, command)
    }

    pub(crate) fn started(&self, pid: u32) {
        self.inner.tell(&format!("+ {pid}\n"));
    }

    pub(crate) fn ended(&self, pid: u32) {
        self.inner.tell(&format!("- {pid}\n"));
    }
}

impl Inner {
    fn tell(&self, line: &str) {
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = &mut watchdog.input {
            // Fails only if somebody killed the watchdog; the processes still end with their handles.
            let _ = input.write_all(line.as_bytes());
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let watchdog = self.watchdog.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(watchdog.input.take());
        let _ = watchdog.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_its_processes_go_with_the_sandbox() {
        let sandbox = Sandbox::new().unwrap();
        let dir = sandbox.dir().to_owned();
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = sandbox.start("sleeper", command).unwrap();
        let pid = process.pid();
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        drop(sandbox);
        assert!(dir.exists(), "a process still lives in it");
        drop(process);
        assert!(!dir.exists());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn at_the_end_a_script_puts_back_what_was_changed() {
        let sandbox = Sandbox::new().unwrap();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        sandbox.at_end(&format!("echo done > {}", elsewhere.path().display())).unwrap();
        drop(sandbox);
        assert_eq!(fs::read_to_string(elsewhere.path()).unwrap(), "done\n");
    }

    #[test]
    fn a_process_that_was_never_stopped_is_killed_by_the_watchdog() {
        let sandbox = Sandbox::new().unwrap();
        let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
        sandbox.started(sleeper.id());
        drop(sandbox);
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(sleeper.wait().unwrap().signal(), Some(9));
    }
}
