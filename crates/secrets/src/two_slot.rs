//! A password that is being rotated: for a while the old one opens too, so that nobody has to change at the same moment.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use crate::{MAX_SECRET_BYTES, Refused, SecretBytes};

/// Which of the two was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The newest.
    Current,
    /// The one before it, during the overlap.
    Previous,
}

/// Accepts the current password, and the one before it for a while after the change. Keeps digests only. A password that
/// is replaced twice within the overlap is gone: there are two slots.
#[derive(Debug)]
pub struct TwoSlot {
    overlap: Duration,
    slots: RwLock<Slots>,
}

struct Slots {
    current: [u8; 32],
    previous: Option<([u8; 32], Instant)>,
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").field("has_previous", &self.previous.is_some()).finish_non_exhaustive()
    }
}

impl TwoSlot {
    /// Starts with one password; `overlap` is how long a replaced one goes on being accepted.
    ///
    /// # Errors
    /// It is empty.
    pub fn new(password: &SecretBytes, overlap: Duration) -> Result<Self, Refused> {
        Ok(Self { overlap, slots: RwLock::new(Slots { current: digest(password)?, previous: None }) })
    }

    /// From now on `password` is the current one. The same again changes nothing, the end of an overlap least of all.
    ///
    /// # Errors
    /// It is empty; the passwords stay as they were.
    pub fn rotate(&self, password: &SecretBytes) -> Result<(), Refused> {
        let new = digest(password)?;
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if !bool::from(slots.current.ct_eq(&new)) {
            let old = std::mem::replace(&mut slots.current, new);
            slots.previous = Some((old, Instant::now() + self.overlap));
        }
        Ok(())
    }

    /// Which password `candidate` is; always compares with both, in a time that depends on the candidate's length alone.
    pub fn accepts(&self, candidate: &[u8]) -> Option<Slot> {
        if candidate.len() > MAX_SECRET_BYTES {
            return None;
        }
        let candidate: [u8; 32] = Sha256::digest(candidate).into();
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let is_current = slots.current.ct_eq(&candidate);
        let (previous, holds) = match &slots.previous {
            Some((digest, until)) => (digest, Instant::now() < *until),
            None => (&slots.current, false),
        };
        let is_previous = previous.ct_eq(&candidate);
        match (bool::from(is_current), bool::from(is_previous) && holds) {
            (true, _) => Some(Slot::Current),
            (false, true) => Some(Slot::Previous),
            (false, false) => None,
        }
    }
}

fn digest(password: &SecretBytes) -> Result<[u8; 32], Refused> {
    if password.is_empty() {
        return Err(Refused("the password is empty"));
    }
    Ok(Sha256::digest(password.expose()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::from(text.as_bytes().to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn both_passwords_open_during_the_overlap_and_one_after_it() {
        let slots = TwoSlot::new(&secret("old"), Duration::from_secs(60)).unwrap();
        assert_eq!(slots.accepts(b"old"), Some(Slot::Current));
        assert_eq!(slots.accepts(b"new"), None);
        slots.rotate(&secret("new")).unwrap();
        tokio::time::advance(Duration::from_secs(59)).await;
        // Told again by a refresh: the overlap doesn't start anew.
        slots.rotate(&secret("new")).unwrap();
        assert_eq!(slots.accepts(b"new"), Some(Slot::Current));
        assert_eq!(slots.accepts(b"old"), Some(Slot::Previous));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(slots.accepts(b"old"), None);
        assert_eq!(slots.accepts(b"new"), Some(Slot::Current));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_two_slots_and_no_more() {
        let slots = TwoSlot::new(&secret("a"), Duration::from_secs(60)).unwrap();
        slots.rotate(&secret("b")).unwrap();
        slots.rotate(&secret("c")).unwrap();
        assert_eq!(
            [slots.accepts(b"a"), slots.accepts(b"b"), slots.accepts(b"c")],
            [None, Some(Slot::Previous), Some(Slot::Current)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_password_is_refused_and_changes_nothing() {
        assert!(TwoSlot::new(&secret(""), Duration::ZERO).is_err());
        let slots = TwoSlot::new(&secret("old"), Duration::from_secs(60)).unwrap();
        assert!(slots.rotate(&secret("")).is_err());
        assert_eq!([slots.accepts(b""), slots.accepts(b"old")], [None, Some(Slot::Current)]);
    }
}
