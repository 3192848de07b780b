//! Credentials that Vault made for us, and wants back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Location, Snapshot, Version};

/// Leases by what they are for.
#[derive(Default)]
pub(super) struct Leases {
    held: Mutex<State>,
    made: AtomicU64,
}

#[derive(Default)]
struct State {
    current: HashMap<Location, Held>,
    /// Replaced, and perhaps still in use until their users have taken the new ones.
    replaced: Vec<(String, Instant)>,
}

/// A credential.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) id: String,
    /// How long it was when it was made.
    pub(super) lease: Duration,
    renewable: bool,
    session: u64,
    expires_at: Instant,
    snapshot: Snapshot,
}

impl Held {
    pub(super) fn new(
        id: String,
        lease: Duration,
        renewable: bool,
        session: u64,
        mut snapshot: Snapshot,
    ) -> Self {
        let expires_at = Instant::now() + lease;
        snapshot.refresh_after = super::due(lease);
        snapshot.expires_at = Some(expires_at);
        Self { id, lease, renewable, session, expires_at, snapshot }
    }

    /// The same with a new end.
    pub(super) fn prolonged(self, lease: Duration) -> Self {
        Self { lease: self.lease, ..Self::new(self.id, lease, self.renewable, self.session, self.snapshot) }
    }

    pub(super) fn is_worth_renewing(&self, now: Instant) -> bool {
        self.renewable && !self.id.is_empty() && now < self.expires_at
    }
}

impl Leases {
    fn state(&self) -> MutexGuard<'_, State> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names a new credential: there is no version in it, and its lease's id could be used to revoke it.
    pub(super) fn next_version(&self) -> Version {
        Version::new(format!("lease-{}", self.made.fetch_add(1, Ordering::Relaxed) + 1))
    }

    /// The credential for `location`, if this session made it.
    pub(super) fn held(&self, location: &Location, session: u64) -> Option<Held> {
        self.state().current.get(location).filter(|held| held.session == session).cloned()
    }

    /// Which session made the credential for `location`.
    pub(super) fn session_of(&self, location: &Location) -> Option<u64> {
        self.state().current.get(location).map(|held| held.session)
    }

    /// Keeps it; the one before it stays known until it ends.
    pub(super) fn hold(&self, location: &Location, held: Held) -> Snapshot {
        let (snapshot, id, now) = (held.snapshot.clone(), held.id.clone(), Instant::now());
        let mut state = self.state();
        state.replaced.retain(|(_, end)| *end > now);
        if let Some(old) = state.current.insert(location.clone(), held)
            && old.id != id
        {
            state.replaced.push((old.id, old.expires_at));
        }
        snapshot
    }

    /// The lease for `location`, which nobody needs any more.
    pub(super) fn release(&self, location: &Location) -> Option<String> {
        self.state().current.remove(location).map(|held| held.id).filter(|id| !id.is_empty())
    }

    /// All that has not ended yet.
    pub(super) fn release_all(&self) -> Vec<String> {
        let State { current, replaced } = std::mem::take(&mut *self.state());
        let now = Instant::now();
        let current = current.into_values().map(|held| (held.id, held.expires_at));
        current.chain(replaced).filter(|(id, end)| !id.is_empty() && *end > now).map(|(id, _)| id).collect()
    }
}
