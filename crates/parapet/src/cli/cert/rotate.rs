//! `parapet cert rotate` and `parapet cert abort`: an authority gives way to one with a new key, or does not after all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use clap::Args;
use jiff::Timestamp;
use parapet_fs::{Fs, OsFs};
use parapet_pki::inspect;
use parapet_pki::rotation::Phase;
use parapet_pki::{Answered, Folder, FolderLock, FolderOptions, Names, Question, Request};

use crate::exit::{Failure, OrExit as _, Reason};

pub(super) const PHASES: &str = "\
What happens:
  Prepare  An authority with a new key is made. FOLDER/ca.crt has both; the old one still signs. Give the new ca.crt to
           clients on other machines now: there are 30 days.
  Switch   The new one signs; the server's certificate is issued anew, and shown from the next connection on.
  Drain    Both are trusted until the last certificate of the old one has expired: 90 days at most.
  Finish   ca.crt has the new one alone, and the old key is erased.

`rotate` begins with Prepare; everything after that happens by itself while `parapet up` runs. `parapet cert explain FOLDER`
says where it stands. `abort` gives it up: in Prepare the new authority is dropped; in Switch and Drain the two change
roles and it goes back the same way, both trusted all the while; from Finish on it is too late, and a new rotation is
the way forward.

If a process has the folder open, it is asked to do it; otherwise this command does it.

Exit codes: 0 done; 1 not possible in this phase, or not answered in time; 2 command line wrong, or not a folder with an
authority of Parapet's own.";

/// How often it is looked for an answer.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What makes a folder one of Parapet's.
const RECORD: &str = "authorities.json";
const LEAF: &str = "server.pem";

#[derive(Args, Debug)]
pub(super) struct RotateArguments {
    /// The folder with the authority: `pki` in the data folder of `parapet up`.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// How long the process that has the folder open may take to answer.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl RotateArguments {
    pub(super) fn run(self, what: Request) -> Result<(), Failure> {
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        let folder = std::path::absolute(&self.folder).context("no such place").or_exit(Reason::Usage)?;
        if !folder.join(RECORD).is_file() {
            let folder = folder.display();
            return Err(anyhow!("{folder} has no authority of Parapet's own: there is no {RECORD} in it"))
                .or_exit(Reason::Usage);
        }
        let lock = FolderLock::take(&*fs, &folder).or_exit(Reason::Failed)?;
        let answered = match lock {
            Some(_held) => act(&fs, &folder, what)?,
            None => ask(&*fs, &folder, what, self.timeout)?,
        };
        if let Some(refused) = answered.refused {
            return Err(anyhow!(refused)).or_exit(Reason::Failed);
        }
        let said = says(what, answered.phase, &folder);
        std::io::stdout().write_all(said.as_bytes()).context("can't write to standard output")?;
        Ok(())
    }
}

/// Nobody has the folder open but this process.
fn act(fs: &Arc<dyn Fs>, folder: &Path, what: Request) -> Result<Answered, Failure> {
    let names = names(folder)?;
    let now = Timestamp::now();
    let opened = Folder::open(Arc::clone(fs), folder, FolderOptions::new(names), now)
        .with_context(|| format!("can't open {}", folder.display()))
        .or_exit(Reason::Usage)?;
    let performed = opened.perform(what, now);
    let refused = performed.err().map(|error| error.with_causes().to_string());
    Ok(Answered { phase: opened.rotation().phase(), refused })
}

/// Those of the certificate that is there, so that it is not replaced for want of one.
fn names(folder: &Path) -> Result<Names, Failure> {
    let path = folder.join(LEAF);
    let unusable = || format!("can't use {}", path.display());
    let pem = super::target::file(&path)?;
    let found = inspect::read(&pem).with_context(unusable).or_exit(Reason::Usage)?;
    let facts = found.facts().map_err(|(_, error)| error).with_context(unusable).or_exit(Reason::Usage)?;
    let names = facts.first().map(|leaf| leaf.names.clone()).unwrap_or_default();
    // Told with their kind; the two kinds that Parapet's own certificates have are told apart by what they are.
    let bare = names.iter().filter_map(|name| name.strip_prefix("DNS:").or_else(|| name.strip_prefix("IP:")));
    Names::new(bare).with_context(unusable).or_exit(Reason::Usage)
}

fn ask(fs: &dyn Fs, folder: &Path, what: Request, timeout: Duration) -> Result<Answered, Failure> {
    let question = Question::ask(fs, folder, what).or_exit(Reason::Failed)?;
    let asked = Instant::now();
    loop {
        if let Some(answered) = question.answer(fs, folder).or_exit(Reason::Failed)? {
            return Ok(answered);
        }
        if asked.elapsed() >= timeout {
            question.withdraw(fs, folder).or_exit(Reason::Failed)?;
            let folder = folder.display();
            return Err(anyhow!(
                "the process that has {folder} open did not answer within {}; nothing was changed by this command",
                humantime::format_duration(timeout)
            ))
            .or_exit(Reason::Failed);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn says(what: Request, phase: Phase, folder: &Path) -> String {
    let bundle = folder.join("ca.crt");
    let bundle = bundle.display();
    match (what, phase) {
        (Request::Rotate, _) => format!(
            "The rotation has begun; it is in its phase {}.\n\
             Give {bundle}, which has both authorities now, to clients on other machines; the new one signs in 30 days.\n",
            phase.name()
        ),
        (Request::Abort, Phase::Stable) => format!(
            "The rotation is given up: the new authority had signed nothing and is gone. {bundle} has the old one alone.\n"
        ),
        (Request::Abort, _) => format!(
            "The rotation is given up: the old authority signs again, and the new one goes the way it came (phase {}).\n\
             Both are in {bundle} until then.\n",
            phase.name()
        ),
    }
}
