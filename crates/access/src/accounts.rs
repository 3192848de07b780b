//! The accounts themselves: every question and every change goes through [`Accounts`].

mod sessions;
mod tokens;
mod users;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use parapet_fs::Fs;
use tokio::sync::Semaphore;

use crate::metrics::Reason;
use crate::state::State;
use crate::throttle::Throttle;
use crate::{AccessError, Denied, Metrics, Secret};

pub use sessions::Session;
pub use tokens::{Minted, NewToken, TokenInfo};
pub use users::UserInfo;

/// Where "now" comes from; `Arc::new(jiff::Timestamp::now)` outside of tests.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Whether a password is the one that somebody else keeps; must take a time that tells nothing of either.
pub type PasswordCheck = Arc<dyn Fn(&Secret) -> bool + Send + Sync>;

/// Passwords that are hashed at the same moment: 19 MiB and a core each.
const HASHING_SLOTS: usize = 2;
/// Logins that wait for a slot; at some 50 ms a login the last one waits less than a second.
const WAITING_LOGINS: usize = 30;

/// How long sessions live.
#[derive(Clone, Debug)]
pub struct Policy {
    /// A session ends after so long without a request.
    pub session_idle: Duration,
    /// A session ends so long after its login, whatever is done with it.
    pub session_absolute: Duration,
}

impl Default for Policy {
    /// Twelve hours idle, so that a working day needs one login; seven days in all.
    fn default() -> Self {
        Self {
            session_idle: Duration::from_secs(12 * 3600),
            session_absolute: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// Users, sessions and tokens of one installation. Clones are handles to the same accounts.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    clock: Clock,
    policy: Policy,
    metrics: Metrics,
    state: RwLock<State>,
    /// Users whose passwords are not in the file.
    elsewhere: RwLock<BTreeMap<String, PasswordCheck>>,
    /// Held while a change is made and written; readers go on meanwhile.
    changing: Mutex<()>,
    /// Something coarse (`last_used_at`, `last_seen_at`) is newer in memory than on disk.
    unsaved: AtomicBool,
    throttle: Mutex<Throttle>,
    hashing: Semaphore,
    logins: Semaphore,
}

impl Accounts {
    /// Reads the accounts file at `path`; without one there are no accounts yet. Blocks on the disk.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of a newer format; it is left as it is.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf, clock: Clock, metrics: Metrics) -> Result<Self, AccessError> {
        Self::open_with(fs, path, clock, metrics, Policy::default())
    }

    /// [`Accounts::open`] with a policy of the caller's.
    pub fn open_with(
        fs: Arc<dyn Fs>,
        path: PathBuf,
        clock: Clock,
        metrics: Metrics,
        policy: Policy,
    ) -> Result<Self, AccessError> {
        let state = RwLock::new(State::load(&*fs, &path)?);
        Ok(Self(Arc::new(Inner {
            fs,
            path,
            clock,
            policy,
            metrics,
            state,
            elsewhere: RwLock::default(),
            changing: Mutex::new(()),
            unsaved: AtomicBool::new(false),
            throttle: Mutex::new(Throttle::default()),
            hashing: Semaphore::new(HASHING_SLOTS),
            logins: Semaphore::new(HASHING_SLOTS + WAITING_LOGINS),
        })))
    }

    /// Whether [`Accounts::flush`] has something to write.
    pub fn has_unsaved(&self) -> bool {
        self.0.unsaved.load(Ordering::Relaxed)
    }

    /// Writes what is only in memory: when tokens and sessions were last used. Called at shutdown and now and then;
    /// a crash before it loses nothing else. Blocks on the disk.
    pub fn flush(&self) -> Result<(), AccessError> {
        if self.has_unsaved() { self.change(|_| Ok(())) } else { Ok(()) }
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.0.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a change, writes it, and only then shows it to readers. Blocks on the disk.
    fn change<R>(&self, make: impl FnOnce(&mut State) -> Result<R, AccessError>) -> Result<R, AccessError> {
        let _changing = lock(&self.0.changing);
        // Before the copy is taken: what is touched after it stays unsaved.
        self.0.unsaved.store(false, Ordering::Relaxed);
        let mut next = self.read(State::clone);
        let result = make(&mut next)
            .and_then(|made| next.save(&*self.0.fs, &self.0.path).map(|()| made))
            .inspect_err(|_| self.0.unsaved.store(true, Ordering::Relaxed))?;
        *self.0.state.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(result)
    }

    /// Notes a use in memory; [`Accounts::flush`] writes it.
    fn touch(&self, note: impl FnOnce(&mut State)) {
        note(&mut self.0.state.write().unwrap_or_else(PoisonError::into_inner));
        self.0.unsaved.store(true, Ordering::Relaxed);
    }

    fn deny(&self, denied: Denied) -> Denied {
        self.0.metrics.denied.get_or_create(&Reason { reason: denied.reason() }).inc();
        denied
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("path", &self.0.path).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `duration` after `from`; the end of time if that is later.
fn after(from: Timestamp, duration: Duration) -> Timestamp {
    from.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// Names of users and tokens: printable where they are shown, and no room for tricks in logs.
fn check_name(name: &str) -> Result<(), AccessError> {
    let fits = |c: char| c.is_alphanumeric() || " ._-@/:".contains(c);
    if name.is_empty() || name.chars().count() > 64 || name.trim() != name || !name.chars().all(fits) {
        return Err(AccessError::InvalidName);
    }
    Ok(())
}
