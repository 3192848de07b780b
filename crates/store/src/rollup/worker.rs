//! Bringing the rollup up to date: rows of segments above the ledger become delta files.

use std::collections::BTreeMap;
use std::sync::Arc;

use parapet_signal::Signal;

use super::delta::Delta;
use super::rows::{COLUMNS, add_rows};
use super::state::States;
use crate::core::Core;
use crate::error::StoreError;
use crate::manifest::Change;
use crate::schema;
use crate::segment::{Segment, batches};
use crate::state::{Rollup, Segments};
use crate::time::{Day, Hour};

/// Rows read at once.
const BATCH_ROWS: usize = 8 << 10;

impl Core {
    /// Counts what no delta counts yet, a day at a time; `true` if there was anything. Durable when this returns.
    ///
    /// All rows of an hour that are in segments have lower numbers than those in memory, as a flush takes all rows of its
    /// table. So the highest number in the segments is what the ledger may stand at.
    pub(crate) fn roll_up(&self) -> Result<bool, StoreError> {
        let (segments, rollup) = {
            let state = self.state();
            (Arc::clone(&state.segments[schema::index(Signal::Traffic)]), Arc::clone(&state.rollup))
        };
        let mut days: BTreeMap<Day, Vec<(Hour, u64)>> = BTreeMap::new();
        for (hour, consumed) in due(&segments, &rollup) {
            days.entry(hour.day()).or_default().push((hour, consumed));
        }
        for (day, hours) in &days {
            self.roll_up_day(*day, hours, &segments)?;
        }
        Ok(!days.is_empty())
    }

    /// Merges the files of days that have many; `true` if there were any. Durable when this returns.
    pub(crate) fn merge_deltas(&self) -> Result<bool, StoreError> {
        let rollup = Arc::clone(&self.state().rollup);
        let many = rollup.deltas.iter().filter(|(_, deltas)| deltas.len() >= self.config.rollup_merge_files);
        let mut merged = false;
        for (day, deltas) in many {
            let mut states = States::default();
            for delta in deltas {
                delta.read(&*self.fs)?.iter().for_each(|state| states.merge(state));
            }
            let removed: Vec<_> = deltas.iter().map(|delta| delta.id).collect();
            let one = Delta::write(&*self.fs, &self.dir, self.new_id(), *day, &states.into_sorted())?;
            let change =
                Change { add_deltas: vec![one.clone()], remove_deltas: removed.clone(), ..Change::default() };
            self.publish(&change, |state| state.replace_deltas(vec![one], &removed, &[]))?;
            merged = true;
        }
        Ok(merged)
    }

    fn roll_up_day(&self, day: Day, hours: &[(Hour, u64)], segments: &Segments) -> Result<(), StoreError> {
        let mut states = States::default();
        let mut ledger = Vec::new();
        for (hour, consumed) in hours {
            let above = segments[hour].iter().filter(|segment| segment.seq_hi > *consumed);
            for segment in above {
                for rows in batches(&*self.fs, &segment.path, Some(&COLUMNS), BATCH_ROWS)? {
                    add_rows(&mut states, &rows?, *consumed);
                }
            }
            ledger.push((*hour, highest(&segments[hour])));
        }
        let mut change = Change { consumed: ledger.clone(), ..Change::default() };
        if !states.is_empty() {
            change.add_deltas.push(Delta::write(
                &*self.fs,
                &self.dir,
                self.new_id(),
                day,
                &states.into_sorted(),
            )?);
        }
        let added = change.add_deltas.clone();
        self.publish(&change, |state| state.replace_deltas(added, &[], &ledger))
    }
}

/// The hours that have rows in segments above the ledger, and where it stands.
pub(crate) fn due(segments: &Segments, rollup: &Rollup) -> Vec<(Hour, u64)> {
    let hours = segments.iter().map(|(hour, segments)| (*hour, rollup.consumed(*hour), highest(segments)));
    hours
        .filter(|(_, consumed, highest)| highest > consumed)
        .map(|(hour, consumed, _)| (hour, consumed))
        .collect()
}

fn highest(segments: &[Arc<Segment>]) -> u64 {
    segments.iter().map(|segment| segment.seq_hi).max().unwrap_or(0)
}
