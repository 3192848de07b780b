//! The highest position kept per source: how a delivery that comes again is recognised (D-2).
//!
//! A delivery is asked about when it comes in, to spare the work, and again when its frame is applied, where the answer
//! counts. Replay applies the same frames in the same order, so it must start from the same answers: the manifest holds
//! positions over the frames below the lowest floor and no others. Later ones wait in `journal`, which is as long as the
//! WAL has frames.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use parapet_signal::{SourceId, UnixNanos};

use crate::manifest::SourceRow;

/// Positions by source.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    known: HashMap<u64, Known>,
    /// What the manifest does not hold yet, by rising `seq`.
    journal: VecDeque<(u64, SourceRow)>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    position: u64,
    seen: i64,
}

impl Sources {
    /// From the manifest.
    pub(crate) fn new(rows: &[SourceRow]) -> Self {
        let known =
            rows.iter().map(|row| (row.id, Known { position: row.position, seen: row.seen })).collect();
        Self { known, journal: VecDeque::new() }
    }

    /// The highest position kept for a source.
    pub(crate) fn high_water(&self, source: SourceId) -> Option<u64> {
        self.known.get(&source.0).map(|known| known.position)
    }

    /// Whether a delivery was kept before.
    pub(crate) fn is_repeat(&self, source: SourceId, position: u64) -> bool {
        self.high_water(source).is_some_and(|kept| position <= kept)
    }

    /// Decides on the delivery of a frame whose last row has `seq`: `false` if it was kept before.
    pub(crate) fn admit(&mut self, source: SourceId, position: u64, seq: u64, now: UnixNanos) -> bool {
        if self.is_repeat(source, position) {
            return false;
        }
        let seen = now.micros();
        self.known.insert(source.0, Known { position, seen });
        self.journal.push_back((seq, SourceRow { id: source.0, position, seen }));
        true
    }

    /// What the manifest has to hold once its lowest floor is `floor`.
    pub(crate) fn below(&self, floor: u64) -> Vec<SourceRow> {
        let rows = self.journal.iter().take_while(|(seq, _)| *seq < floor).map(|(_, row)| (row.id, *row));
        // Later positions of one source replace earlier ones.
        rows.collect::<HashMap<_, _>>().into_values().collect()
    }

    /// The manifest holds it.
    pub(crate) fn release(&mut self, floor: u64) {
        while self.journal.front().is_some_and(|(seq, _)| *seq < floor) {
            self.journal.pop_front();
        }
    }

    /// The sources to forget: not heard of for `keep`, or beyond `most`, the longest unheard first. Never one that the
    /// journal names: replay would decide differently about its frames.
    pub(crate) fn forgettable(&self, now: UnixNanos, keep: Duration, most: usize) -> Vec<u64> {
        let oldest = now.saturating_sub(keep).micros();
        let excess = self.known.len().saturating_sub(most);
        if excess == 0 && self.known.values().all(|known| known.seen >= oldest) {
            return Vec::new();
        }
        let journal: HashSet<u64> = self.journal.iter().map(|(_, row)| row.id).collect();
        let mut candidates: Vec<_> = self
            .known
            .iter()
            .filter(|(id, _)| !journal.contains(id))
            .map(|(id, known)| (known.seen, *id))
            .collect();
        candidates.sort_unstable();
        let forget = candidates.iter().enumerate().filter(|(at, (seen, _))| *at < excess || *seen < oldest);
        forget.map(|(_, (_, id))| *id).collect()
    }

    /// Forgets sources that the manifest no longer holds.
    pub(crate) fn forget(&mut self, ids: &[u64]) {
        for id in ids {
            self.known.remove(id);
        }
    }

    /// How many sources are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SourceId = SourceId(1);
    const B: SourceId = SourceId(2);

    #[test]
    fn a_position_is_admitted_once() {
        let mut sources = Sources::default();
        assert!(sources.admit(A, 5, 1, UnixNanos(0)));
        assert!(!sources.admit(A, 5, 2, UnixNanos(0)));
        assert!(!sources.admit(A, 4, 3, UnixNanos(0)));
        assert!(sources.admit(A, 6, 4, UnixNanos(0)));
        assert!(sources.admit(B, 1, 5, UnixNanos(0)));
        assert_eq!(sources.high_water(A), Some(6));
    }

    #[test]
    fn the_manifest_gets_positions_below_the_floor_only() {
        let mut sources = Sources::default();
        for (position, seq) in [(5, 10), (6, 20), (7, 30)] {
            sources.admit(A, position, seq, UnixNanos(0));
        }
        let positions: Vec<_> = sources.below(30).iter().map(|row| row.position).collect();
        assert_eq!(positions, [6]);
        sources.release(30);
        assert_eq!(sources.below(30), []);
        assert_eq!(sources.below(31).len(), 1);
        // A restart from that state decides about the remaining frame as the first run did.
        let mut again = Sources::new(&[SourceRow { id: 1, position: 6, seen: 0 }]);
        assert!(again.admit(A, 7, 30, UnixNanos(0)));
    }

    #[test]
    fn the_longest_unheard_are_forgotten_unless_replay_needs_them() {
        let now = UnixNanos(1_000_000_000_000);
        let mut sources = Sources::new(&[
            SourceRow { id: 1, position: 1, seen: 0 },
            SourceRow { id: 2, position: 1, seen: now.micros() },
            SourceRow { id: 3, position: 1, seen: now.micros() - 5 },
        ]);
        sources.admit(SourceId(4), 1, 1, UnixNanos(0));
        assert_eq!(sources.forgettable(now, Duration::from_secs(10), 100), [1]);
        assert_eq!(sources.forgettable(now, Duration::from_secs(1 << 20), 2), [1, 3]);
        sources.forget(&[1, 3]);
        assert_eq!(sources.len(), 2);
    }
}
