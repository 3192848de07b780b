//! A rotation that somebody outside asks for.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_fs::sim::SimFs;
use parapet_fs::{Fs, OsFs};
use parapet_pki::rotation::Phase;
use parapet_pki::{Answered, Folder, FolderLock, FolderOptions, Names, Question, Request};

const DIR: &str = "pki";

fn start() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn world() -> (Arc<dyn Fs>, Folder) {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let folder = open(&fs);
    (fs, folder)
}

fn open(fs: &Arc<dyn Fs>) -> Folder {
    Folder::open(Arc::clone(fs), Path::new(DIR), FolderOptions::new(Names::new([]).unwrap()), start())
        .unwrap()
}

fn done(phase: Phase) -> Answered {
    Answered { phase, refused: None }
}

/// Asks, and lets the folder's process answer.
fn ask(fs: &dyn Fs, folder: &Folder, what: Request) -> Answered {
    let question = Question::ask(fs, Path::new(DIR), what).unwrap();
    assert_eq!(question.answer(fs, Path::new(DIR)).unwrap(), None);
    let (asked, answered) = folder.answer(start()).unwrap().unwrap();
    assert_eq!(asked, what);
    assert_eq!(question.answer(fs, Path::new(DIR)).unwrap(), Some(answered.clone()));
    answered
}

#[test]
fn a_rotation_is_begun_once_and_given_up() {
    let (fs, folder) = world();
    assert_eq!(folder.answer(start()).unwrap(), None);
    assert_eq!(ask(&*fs, &folder, Request::Rotate), done(Phase::Prepare));
    assert_eq!(
        folder.bundle().unwrap().certificates().len(),
        2,
        "the successor is published before it signs"
    );
    let again = ask(&*fs, &folder, Request::Rotate);
    assert_eq!(again.phase, Phase::Prepare);
    assert!(again.refused.unwrap().contains("a rotation is under way, in its phase prepare"));
    assert_eq!(ask(&*fs, &folder, Request::Abort), done(Phase::Stable));
    assert_eq!(folder.bundle().unwrap().certificates().len(), 1);
    let nothing = ask(&*fs, &folder, Request::Abort);
    assert_eq!(nothing.refused.as_deref(), Some("no rotation is under way"));
    // Answered once.
    assert_eq!(folder.answer(start()).unwrap(), None);
}

#[test]
fn a_question_survives_the_process_that_was_to_answer_it() {
    let (fs, folder) = world();
    let question = Question::ask(&*fs, Path::new(DIR), Request::Rotate).unwrap();
    drop(folder);
    let folder = open(&fs);
    folder.answer(start()).unwrap().unwrap();
    assert_eq!(question.answer(&*fs, Path::new(DIR)).unwrap(), Some(done(Phase::Prepare)));
}

#[test]
fn a_question_that_was_withdrawn_has_no_answer() {
    let (fs, folder) = world();
    let question = Question::ask(&*fs, Path::new(DIR), Request::Rotate).unwrap();
    question.withdraw(&*fs, Path::new(DIR)).unwrap();
    assert_eq!(folder.answer(start()).unwrap(), None);
    assert_eq!(folder.rotation().phase(), Phase::Stable);
}

#[test]
fn a_clock_at_which_the_authority_is_not_valid_begins_nothing() {
    let (fs, folder) = world();
    let question = Question::ask(&*fs, Path::new(DIR), Request::Rotate).unwrap();
    let long_after = start() + SignedDuration::from_hours(24 * 365 * 20);
    folder.answer(long_after).unwrap().unwrap();
    let answered = question.answer(&*fs, Path::new(DIR)).unwrap().unwrap();
    assert_eq!(answered.phase, Phase::Stable);
    assert!(answered.refused.is_some());
}

#[test]
fn a_question_that_cannot_be_read_is_removed() {
    let (fs, folder) = world();
    for nonsense in [&b"{"[..], b"{\"number\":1,\"what\":\"explode\"}", &[b' '; 5000]] {
        parapet_fs::replace(&*fs, &Path::new(DIR).join("asked.json"), nonsense).unwrap();
        assert!(folder.answer(start()).is_err());
        assert_eq!(folder.answer(start()).unwrap(), None);
    }
    assert_eq!(folder.rotation().phase(), Phase::Stable);
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let held = FolderLock::take(&OsFs, dir.path()).unwrap().unwrap();
    assert!(FolderLock::take(&OsFs, dir.path()).unwrap().is_none());
    drop(held);
    assert!(FolderLock::take(&OsFs, dir.path()).unwrap().is_some());
}
