//! Asking for a rotation from outside, by whoever may write the folder: of the process that has it open, or, if there is
//! none, by opening it oneself.
//!
//! | file | content | written by |
//! |---|---|---|
//! | `lock` | nothing; locked for as long as somebody has the folder open | whoever opens it |
//! | `asked.json` | a number and what is asked | who asks |
//! | `answer.json` | the same number, the phase, and what was wrong | who has it open, before it removes `asked.json` |
//!
//! A process that dies between acting and answering finds the question again when it comes back: a rotation that is under
//! way is not begun twice, it is an answer.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use parapet_fs::{File, Fs, OpenMode};
use serde::{Deserialize, Serialize};

use crate::rotation::{Phase, RotationError};
use crate::{Folder, PkiError};

const LOCK: &str = "lock";
const ASKED: &str = "asked.json";
const ANSWER: &str = "answer.json";
/// Each holds one line.
const FILE_LIMIT: u64 = 4096;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Begin a rotation although none is due.
    Rotate,
    /// Give up the one that is under way.
    Abort,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// The phase afterwards.
    pub phase: Phase,
    /// Why it was not done.
    pub refused: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    number: u64,
    what: Request,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    number: u64,
    answered: Answered,
}

/// The folder is this process's, until dropped.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "held, not used")] Box<dyn File>);

impl FolderLock {
    /// The lock; `None` while another process has it. Makes the folder if there is none.
    pub fn take(fs: &dyn Fs, dir: &Path) -> Result<Option<Self>, PkiError> {
        parapet_fs::ensure_dir(fs, dir).map_err(PkiError::io("create", dir))?;
        let path = dir.join(LOCK);
        let file = fs.open(&path, OpenMode::Create).map_err(PkiError::io("open", &path))?;
        Ok(file.try_lock().map_err(PkiError::io("lock", &path))?.then_some(Self(file)))
    }
}

/// A question on its way.
#[derive(Debug)]
pub struct Question {
    number: u64,
}

impl Question {
    /// Asks the process that has the folder open. A question of somebody else that has no answer yet is replaced.
    pub fn ask(fs: &dyn Fs, dir: &Path, what: Request) -> Result<Self, PkiError> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(PkiError::Random)?;
        let number = u64::from_le_bytes(number);
        write(fs, &dir.join(ASKED), &Asked { number, what })?;
        Ok(Self { number })
    }

    /// The answer, if it is there.
    pub fn answer(&self, fs: &dyn Fs, dir: &Path) -> Result<Option<Answered>, PkiError> {
        let answer: Option<Answer> = read(fs, &dir.join(ANSWER))?;
        Ok(answer.filter(|answer| answer.number == self.number).map(|answer| answer.answered))
    }

    /// Takes the question back, unless it was answered meanwhile.
    pub fn withdraw(self, fs: &dyn Fs, dir: &Path) -> Result<(), PkiError> {
        remove(fs, &dir.join(ASKED))
    }
}

impl Folder {
    /// Does what is asked, durably.
    pub fn perform(&self, what: Request, now: Timestamp) -> Result<Phase, PkiError> {
        match what {
            Request::Rotate => self.rotate(now)?,
            Request::Abort => drop(self.abort(now)?),
        }
        Ok(self.rotation().phase())
    }

    /// Does and answers what another process asks, if one does. `None`: nobody asked.
    pub fn answer(&self, now: Timestamp) -> Result<Option<(Request, Answered)>, PkiError> {
        let (fs, dir) = self.place();
        let path = dir.join(ASKED);
        let Asked { number, what } = match read(fs, &path) {
            Ok(Some(asked)) => asked,
            Ok(None) => return Ok(None),
            Err(error) => {
                // Nobody waits for the answer to what can't be read.
                remove(fs, &path)?;
                return Err(error);
            }
        };
        let refused = self.perform(what, now).err().map(|error| error.with_causes().to_string());
        let answered = Answered { phase: self.rotation().phase(), refused };
        write(fs, &dir.join(ANSWER), &Answer { number, answered: answered.clone() })?;
        remove(fs, &path)?;
        Ok(Some((what, answered)))
    }

    /// Begins a rotation although none is due.
    fn rotate(&self, now: Timestamp) -> Result<(), PkiError> {
        match self.rotation().phase() {
            Phase::Stable => {
                let asked = crate::Reports { asked: true, ..crate::Reports::default() };
                self.tick(now, &asked)?;
                match self.rotation().phase() {
                    Phase::Stable => Err(PkiError::NotBegun),
                    _ => Ok(()),
                }
            }
            phase => Err(RotationError::UnderWay(phase).into()),
        }
    }
}

fn write(fs: &dyn Fs, path: &Path, content: &impl Serialize) -> Result<(), PkiError> {
    let mut text = serde_json::to_vec(content).expect("structs of numbers and words are JSON");
    text.push(b'\n');
    parapet_fs::replace(fs, path, &text).map_err(PkiError::io("write", path))
}

fn read<T: for<'de> Deserialize<'de>>(fs: &dyn Fs, path: &Path) -> Result<Option<T>, PkiError> {
    if fs.metadata(path).map_err(PkiError::io("look at", path))?.is_none() {
        return Ok(None);
    }
    let text = match parapet_fs::read(fs, path, FILE_LIMIT) {
        Ok(text) => text,
        // Removed since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PkiError::io("read", path)(error)),
    };
    let unreadable = |error| PkiError::io("read", path)(io::Error::new(io::ErrorKind::InvalidData, error));
    serde_json::from_slice(&text).map(Some).map_err(unreadable)
}

fn remove(fs: &dyn Fs, path: &Path) -> Result<(), PkiError> {
    match fs.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PkiError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
