//! The bytes of one file: as seen, as synced, and what lies between.

use std::sync::{Arc, Mutex, MutexGuard};

use rand::Rng;
use rand::rngs::SmallRng;

/// The unit in which disks write whole or not at all.
const SECTOR: u64 = 512;

/// A change of a file's bytes.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    SetLen(u64),
    /// Never shortens.
    Grow(u64),
}

impl Change {
    pub(super) fn len_after(&self, len: u64) -> u64 {
        match self {
            Self::Write { bytes, .. } if bytes.is_empty() => len,
            Self::Write { offset, bytes } => len.max(offset + bytes.len() as u64),
            Self::SetLen(to) => *to,
            Self::Grow(to) => len.max(*to),
        }
    }

    /// What of a write ends at or before `end`.
    pub(super) fn cut_to(&self, end: u64) -> Option<Self> {
        match self {
            Self::Write { offset, bytes } if *offset < end => {
                let fits = bytes.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
                Some(Self::Write { offset: *offset, bytes: bytes[..fits].to_vec() })
            }
            _ => None,
        }
    }

    /// An arbitrary part: sectors of a write, all or nothing of the rest.
    pub(super) fn part(&self, rng: &mut SmallRng) -> Vec<Self> {
        // Half of the time nothing is torn: whole survivals and whole losses are the likelier ends.
        if rng.random() {
            return if rng.random() { vec![self.clone()] } else { Vec::new() };
        }
        match self {
            Self::Write { offset, bytes } => {
                let mut kept = Vec::new();
                let end = offset + bytes.len() as u64;
                let mut at = *offset;
                while at < end {
                    let next = end.min((at / SECTOR + 1) * SECTOR);
                    if rng.random() {
                        let from = usize::try_from(at - offset).expect("an index of bytes in memory");
                        let to = usize::try_from(next - offset).expect("an index of bytes in memory");
                        kept.push(Self::Write { offset: at, bytes: bytes[from..to].to_vec() });
                    }
                    at = next;
                }
                kept
            }
            other => {
                if rng.random() {
                    vec![other.clone()]
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn apply(&self, to: &mut Vec<u8>) {
        let len = usize::try_from(self.len_after(to.len() as u64)).expect("a simulated file fits in memory");
        to.resize(len, 0);
        if let Self::Write { offset, bytes } = self
            && !bytes.is_empty()
        {
            let at = usize::try_from(*offset).expect("a simulated file fits in memory");
            to[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }
}

/// One file, whatever names it has.
#[derive(Debug, Default)]
pub(super) struct FileNode {
    content: Mutex<Content>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
    since: Vec<Change>,
    locked_by: Option<u64>,
}

impl FileNode {
    pub(super) fn len(&self) -> u64 {
        self.lock().seen.len() as u64
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> usize {
        let content = self.lock();
        let rest =
            usize::try_from(offset).ok().and_then(|offset| content.seen.get(offset..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        n
    }

    pub(super) fn change(&self, change: Change) {
        let mut content = self.lock();
        change.apply(&mut content.seen);
        content.since.push(change);
    }

    pub(super) fn sync(&self) {
        let mut content = self.lock();
        for change in std::mem::take(&mut content.since) {
            change.apply(&mut content.synced);
        }
    }

    /// The kernel marks pages clean whose writing failed: what is lost here, no later sync brings.
    pub(super) fn fail_sync(&self, rng: &mut SmallRng) {
        let mut content = self.lock();
        for change in std::mem::take(&mut content.since) {
            change.part(rng).iter().for_each(|part| part.apply(&mut content.synced));
        }
    }

    pub(super) fn after_power_loss(&self, rng: &mut SmallRng) -> Arc<Self> {
        let content = self.lock();
        let mut found = content.synced.clone();
        for change in &content.since {
            change.part(rng).iter().for_each(|part| part.apply(&mut found));
        }
        Arc::new(Self {
            content: Mutex::new(Content { seen: found.clone(), synced: found, ..Content::default() }),
        })
    }

    pub(super) fn after_kill(&self) -> Arc<Self> {
        let content = Content { locked_by: None, ..self.lock().clone() };
        Arc::new(Self { content: Mutex::new(content) })
    }

    pub(super) fn try_lock(&self, handle: u64) -> bool {
        *self.lock().locked_by.get_or_insert(handle) == handle
    }

    pub(super) fn unlock(&self, handle: u64) {
        let mut content = self.lock();
        if content.locked_by == Some(handle) {
            content.locked_by = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no code panics while it holds this lock")
    }
}
