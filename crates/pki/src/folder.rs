//! An authority, the server's leaf, and the rotation of both, in a folder.
//!
//! # On disk
//! | file | content | written |
//! |---|---|---|
//! | `authorities.json` | authorities with their keys, and how far a rotation has come | at each phase; the one commit point |
//! | `ca.crt` | certificates of the trusted authorities, PEM; what clients are given | after the record that it follows from |
//! | `server.pem` | the server's certificate and private key, PEM | at each issue, after both |
//!
//! All files are readable by their owner alone and replaced atomically, so each is found whole or not at all; a file with
//! a key that others may read is refused. What a crash leaves between two writes is the earlier of them: `ca.crt` and
//! `server.pem` follow from the record, and whoever opens the folder, or calls [`Folder::tick`], writes what they lack
//! before anything else happens. So the successor is in `ca.crt`, durably, before it signs (K-1).
//!
//! Folders of earlier versions have `ca.key` in place of the record; it is taken over when they are opened.

mod record;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use parapet_fs::Fs;
use zeroize::Zeroizing;

use crate::rotation::{Aborted, Consumers, Facts, InUse, Next, Phase, Policy, Role, Rotation, Why};
use crate::{Authority, AuthorityOptions, Bundle, Leaf, LeafOptions, Names, PkiError, ServerIdentity};
use record::Held;

const RECORD: &str = "authorities.json";
const BUNDLE: &str = "ca.crt";
const LEAF: &str = "server.pem";
/// What folders of earlier versions keep the authority's key in.
const EARLIER_KEY: &str = "ca.key";
/// Ours have less than ten kilobytes; somebody else's chain may have more, but never this much.
const FILE_LIMIT: u64 = 64 << 10;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Why a leaf was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssueReason {
    /// There was none.
    Missing,
    /// What was there is no certificate with its key.
    Unreadable,
    /// Clients would refuse it: expired, of another authority, or without one of the names.
    Unacceptable,
    /// Another authority signs now.
    Rotated,
    /// Most of its life is over.
    Due,
}

impl IssueReason {
    /// The word for it in logs and labels.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Unacceptable => "unacceptable",
            Self::Rotated => "rotated",
            Self::Due => "due",
        }
    }
}

/// What is made in a folder, and how its authority rotates.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// The names of the server's leaf.
    pub names: Names,
    /// How authorities are made.
    pub authority: AuthorityOptions,
    /// How the leaf is made.
    pub leaf: LeafOptions,
    /// How long the phases of a rotation last.
    pub policy: Policy,
}

impl FolderOptions {
    /// For one machine whose clients were given `ca.crt` by hand: authorities for five years, leaves for 90 days, and a
    /// month between the publication of a successor and its first leaf, for everyone to be given the new `ca.crt`.
    pub fn new(names: Names) -> Self {
        let leaf = LeafOptions::default();
        let policy = Policy { publish: DAY * 30, longest_leaf: leaf.life, latest: DAY * 30 };
        let authority = AuthorityOptions { life: DAY * (5 * 365), ..AuthorityOptions::default() };
        Self { names, authority, leaf, policy }
    }
}

/// What those outside the folder say of a rotation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reports {
    /// Whether to begin a rotation although none is due.
    pub asked: bool,
    /// Who has the bundle.
    pub consumers: Consumers,
    /// Leaves besides the folder's own that the old authority signed and that are to be replaced.
    pub to_replace: u64,
    /// What the old authority signed and is still in use.
    pub in_use: InUse,
}

/// What a tick changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The rotation entered a phase.
    Entered(Phase, Why),
    /// A successor that is not valid now was dropped; a clock must have been wrong when it was made.
    Dropped,
    /// The leaf was replaced.
    Issued(IssueReason),
}

/// A folder with an authority and the server's leaf. Its user sees to it that only one process has it open
/// ([`FolderLock`](crate::FolderLock)).
#[derive(Debug)]
pub struct Folder {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: FolderOptions,
    held: Mutex<Held>,
    identity: ServerIdentity,
}

impl Folder {
    /// Opens the folder, or makes one with a new authority. A leaf that is missing, unusable, due for renewal, or lacks
    /// one of the names is issued; an authority that is unusable is an error, because nobody would trust a new one.
    /// Everything is durable when this returns.
    pub fn open(
        fs: Arc<dyn Fs>,
        dir: &Path,
        options: FolderOptions,
        now: Timestamp,
    ) -> Result<Self, PkiError> {
        parapet_fs::ensure_dir(&*fs, dir).map_err(PkiError::io("create", dir))?;
        let held = record::open(&*fs, dir, &options.authority, now)?;
        publish(&*fs, dir, &held)?;
        let path = dir.join(LEAF);
        let stored = read_private(&*fs, &path)?.map(|pem| Leaf::from_pem(&pem));
        let leaf = match judge(stored, &held, &options.names, now) {
            Ok(leaf) => leaf,
            Err(reason) => issue(&*fs, &path, &held, &options, now, reason)?,
        };
        let identity = ServerIdentity::new(leaf);
        Ok(Self { fs, dir: dir.to_owned(), options, held: Mutex::new(held), identity })
    }

    /// Does what is due at `now`, durably: publishes what a crash or failure left unpublished, enters the next phase of a
    /// rotation (one at most, so that a clock that jumps and is set right costs at most one), replaces the leaf, which is
    /// shown from the next handshake on. Call it at least hourly: clocks jump and machines sleep. After an error
    /// everything that was in use goes on being used, and the next call tries again.
    pub fn tick(&self, now: Timestamp, reports: &Reports) -> Result<Vec<Event>, PkiError> {
        let mut held = self.lock();
        publish(&*self.fs, &self.dir, &held)?;
        let mut events = Vec::new();
        if held.rotation.since() > now {
            // The clock was ahead when the phase was entered: its time begins anew.
            let rotation = held.rotation.anchored(now);
            self.commit(&mut held, |held| held.rotation = rotation)?;
        }
        match held.rotation.next(&self.facts(&held, now, reports), &self.options.policy) {
            Next::Wait(..) => {}
            Next::Enter(phase, why) => {
                self.enter(&mut held, phase, now)?;
                tracing::info!(phase = phase.name(), why = ?why, "rotation of the certificate authority");
                events.push(Event::Entered(phase, why));
            }
            Next::Drop => {
                let (rotation, _) =
                    held.rotation.abort(now, held.current.validity(), &self.options.policy)?;
                self.commit(&mut held, |held| (held.rotation, held.successor) = (rotation, None))?;
                tracing::warn!("the successor of the certificate authority is not valid now and was dropped");
                events.push(Event::Dropped);
            }
        }
        publish(&*self.fs, &self.dir, &held)?;
        if let Some(reason) = self.renew(&held, now)? {
            events.push(Event::Issued(reason));
        }
        Ok(events)
    }

    /// Gives a rotation up ([`Rotation::abort`]), durably; the leaf goes back to the old authority at once.
    pub fn abort(&self, now: Timestamp) -> Result<Aborted, PkiError> {
        let mut held = self.lock();
        let (rotation, aborted) = held.rotation.abort(now, held.current.validity(), &self.options.policy)?;
        self.commit(&mut held, |held| {
            held.rotation = rotation;
            match (aborted, held.successor.take()) {
                (Aborted::ChangeRoles, Some(successor)) => {
                    held.successor = Some(std::mem::replace(&mut held.current, successor));
                }
                (Aborted::DropSuccessor | Aborted::ChangeRoles, _) => {}
            }
        })?;
        tracing::warn!(how = ?aborted, "rotation of the certificate authority given up");
        publish(&*self.fs, &self.dir, &held)?;
        self.renew(&held, now)?;
        Ok(aborted)
    }

    /// Where it is.
    pub(crate) fn place(&self) -> (&dyn Fs, &Path) {
        (&*self.fs, &self.dir)
    }

    /// What listeners show.
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// The authority that signs now.
    pub fn authority(&self) -> Arc<Authority> {
        Arc::clone(self.lock().signing())
    }

    /// The authorities that are trusted now; what `ca.crt` has.
    pub fn bundle(&self) -> Result<Bundle, PkiError> {
        self.lock().bundle()
    }

    /// How far the rotation has come.
    pub fn rotation(&self) -> Rotation {
        self.lock().rotation
    }

    /// The file with the certificates that clients are to trust.
    pub fn ca_path(&self) -> PathBuf {
        self.dir.join(BUNDLE)
    }

    /// Name and end of each certificate, for gauges and the status page.
    pub fn expiries(&self) -> Vec<(&'static str, Timestamp)> {
        let held = self.lock();
        let mut expiries = vec![("ca", held.current.not_after()), ("server", self.identity.not_after())];
        expiries.extend(held.successor.iter().map(|successor| ("ca_successor", successor.not_after())));
        expiries
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // What is held is replaced whole, after the write that it follows.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self, held: &Held, now: Timestamp, reports: &Reports) -> Facts {
        let own = self.identity.leaf().check(held.signing(), &self.options.names, now).is_err();
        Facts {
            now,
            current: held.current.validity(),
            successor: held.successor.as_ref().map(|successor| successor.validity()),
            rotate_at: held.current.rotate_at(),
            asked: reports.asked,
            consumers: reports.consumers,
            to_replace: reports.to_replace + u64::from(own),
            in_use: reports.in_use,
        }
    }

    fn enter(&self, held: &mut Held, phase: Phase, now: Timestamp) -> Result<(), PkiError> {
        let rotation = held.rotation.enter(phase, now)?;
        let successor = match phase {
            Phase::Prepare => Some(Arc::new(Authority::generate_with(&self.options.authority, now)?)),
            _ => None,
        };
        self.commit(held, |held| {
            held.rotation = rotation;
            match phase {
                Phase::Prepare => held.successor = successor,
                Phase::Stable => {
                    if let Some(successor) = held.successor.take() {
                        held.current = successor;
                    }
                }
                Phase::Switch | Phase::Drain | Phase::Finish => {}
            }
        })?;
        if phase == Phase::Finish {
            self.identity.forget_sessions();
        }
        Ok(())
    }

    /// Stores a changed state, and only then holds it.
    fn commit(&self, held: &mut Held, change: impl FnOnce(&mut Held)) -> Result<(), PkiError> {
        let mut changed = held.clone();
        change(&mut changed);
        record::write(&*self.fs, &self.dir, &changed)?;
        *held = changed;
        Ok(())
    }

    fn renew(&self, held: &Held, now: Timestamp) -> Result<Option<IssueReason>, PkiError> {
        let leaf = self.identity.leaf();
        let Some(reason) = verdict(&leaf, held, &self.options.names, now) else { return Ok(None) };
        let path = self.dir.join(LEAF);
        self.identity.replace(issue(&*self.fs, &path, held, &self.options, now, reason)?);
        Ok(Some(reason))
    }
}

impl Held {
    fn role(&self, role: Role) -> &Arc<Authority> {
        match (role, &self.successor) {
            (Role::Successor, Some(successor)) => successor,
            _ => &self.current,
        }
    }

    fn signing(&self) -> &Arc<Authority> {
        self.role(self.rotation.signs())
    }

    fn bundle(&self) -> Result<Bundle, PkiError> {
        Bundle::new(self.rotation.trusted().iter().map(|role| self.role(*role).certificate().clone()))
    }
}

/// Brings `ca.crt` to what the state says, if it is something else.
fn publish(fs: &dyn Fs, dir: &Path, held: &Held) -> Result<(), PkiError> {
    let path = dir.join(BUNDLE);
    let pem = held.bundle()?.to_pem();
    if read(fs, &path)?.is_some_and(|published| *published == pem) {
        // It may be there and not be durable yet.
        return fs.sync_dir(dir).map_err(PkiError::io("sync", dir));
    }
    parapet_fs::replace(fs, &path, pem.as_bytes()).map_err(PkiError::io("write", &path))
}

/// The stored leaf if it is to be kept.
fn judge(
    stored: Option<Result<Leaf, PkiError>>,
    held: &Held,
    names: &Names,
    now: Timestamp,
) -> Result<Leaf, IssueReason> {
    let leaf = stored.ok_or(IssueReason::Missing)?.map_err(|_| IssueReason::Unreadable)?;
    verdict(&leaf, held, names, now).map_or(Ok(leaf), Err)
}

/// Why a leaf is to be replaced, if it is.
fn verdict(leaf: &Leaf, held: &Held, names: &Names, now: Timestamp) -> Option<IssueReason> {
    if leaf.check(held.signing(), names, now).is_err() {
        let trusted = held.bundle().is_ok_and(|bundle| leaf.check_against(&bundle, names, now).is_ok());
        return Some(if trusted { IssueReason::Rotated } else { IssueReason::Unacceptable });
    }
    (now >= leaf.renew_at()).then_some(IssueReason::Due)
}

fn issue(
    fs: &dyn Fs,
    path: &Path,
    held: &Held,
    options: &FolderOptions,
    now: Timestamp,
    reason: IssueReason,
) -> Result<Leaf, PkiError> {
    let authority = held.signing();
    let leaf = authority.issue_with(&options.leaf, &options.names, now)?;
    leaf.check(authority, &options.names, now)?;
    parapet_fs::replace(fs, path, leaf.to_pem().as_bytes()).map_err(PkiError::io("write", path))?;
    tracing::info!(reason = reason.reason(), not_after = %leaf.not_after(), "server certificate issued");
    Ok(leaf)
}

/// A file with a key in it, which must be its owner's alone.
fn read_private(fs: &dyn Fs, path: &Path) -> Result<Option<Zeroizing<String>>, PkiError> {
    match fs.is_exposed(path) {
        Ok(true) => Err(PkiError::KeyExposed(path.to_owned())),
        Ok(false) => read(fs, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PkiError::io("look at", path)(error)),
    }
}

fn read(fs: &dyn Fs, path: &Path) -> Result<Option<Zeroizing<String>>, PkiError> {
    match parapet_fs::read(fs, path, FILE_LIMIT).map(Zeroizing::new) {
        // Bytes that are no text are no PEM either; what reads them says so.
        Ok(bytes) => Ok(Some(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PkiError::io("read", path)(error)),
    }
}
