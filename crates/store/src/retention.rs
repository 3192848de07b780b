//! Dropping what is old: whole hours of rows, whole days of rollup. Files go once no snapshot holds them.

use std::sync::Arc;

use parapet_signal::Signal;

use crate::core::Core;
use crate::error::StoreError;
use crate::manifest::Change;
use crate::rollup;
use crate::schema;
use crate::state::Unlisted;
use crate::time::Hour;

impl Core {
    /// Drops the hours and days that are over their retention. An hour of traffic that the rollup has not counted stays
    /// . Durable when this returns.
    pub(crate) fn expire(&self) -> Result<(), StoreError> {
        for signal in Signal::ALL {
            self.expire_rows(signal)?;
        }
        self.expire_deltas()?;
        self.forget_sources()
    }

    /// Removes the files that nobody lists or reads any more. One whose removal fails is tried again.
    pub(crate) fn sweep(&self) {
        let files = self.state().unheld();
        let mut kept = Vec::new();
        for file in files {
            let path = match &file {
                Unlisted::Segment(segment) => &segment.path,
                Unlisted::Delta(delta) => &delta.path,
            };
            if let Err(error) = self.fs.remove_file(path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "file of dropped rows not removed, will try again");
                kept.push(file);
                continue;
            }
            // The folder goes with its last file; it is in use otherwise, which is no failure.
            if let Some(folder) = path.parent() {
                let _ = self.fs.remove_dir(folder);
            }
        }
        self.state().rebury(kept);
    }

    fn expire_rows(&self, signal: Signal) -> Result<(), StoreError> {
        let now = self.now();
        let (segments, rollup) = {
            let state = self.state();
            (Arc::clone(&state.segments[schema::index(signal)]), Arc::clone(&state.rollup))
        };
        let uncounted: Vec<Hour> = match signal {
            Signal::Traffic => rollup::due(&segments, &rollup).into_iter().map(|(hour, _)| hour).collect(),
            Signal::Logs | Signal::Spans | Signal::Metrics => Vec::new(),
        };
        let keep = self.config.retention(signal);
        let old: Vec<Hour> = segments
            .keys()
            .copied()
            .filter(|hour| hour.expired(now, keep) && !uncounted.contains(hour))
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        let gone: Vec<_> = old.iter().flat_map(|hour| &segments[hour]).collect();
        let removed: Vec<_> = gone.iter().map(|segment| segment.id).collect();
        let rows: u64 = gone.iter().map(|segment| segment.rows).sum();
        // Without rows the ledger has nothing to say: whatever still comes has higher numbers and is counted once.
        let forget = if signal == Signal::Traffic { old.clone() } else { Vec::new() };
        let change = Change { remove: removed.clone(), forget_hours: forget.clone(), ..Change::default() };
        self.publish(&change, |state| {
            state.replace_segments(signal, Vec::new(), &removed);
            state.forget_hours(&forget);
        })?;
        self.metrics.expired(signal, rows);
        tracing::info!(table = signal.name(), hours = old.len(), rows, "rows past their retention dropped");
        Ok(())
    }

    fn expire_deltas(&self) -> Result<(), StoreError> {
        let (now, keep) = (self.now(), self.config.rollup_retention());
        let rollup = Arc::clone(&self.state().rollup);
        let old = rollup.deltas.iter().filter(|(day, _)| day.expired(now, keep));
        let removed: Vec<_> = old.flat_map(|(_, deltas)| deltas).map(|delta| delta.id).collect();
        if removed.is_empty() {
            return Ok(());
        }
        let change = Change { remove_deltas: removed.clone(), ..Change::default() };
        self.publish(&change, |state| state.replace_deltas(Vec::new(), &removed, &[]))
    }

    fn forget_sources(&self) -> Result<(), StoreError> {
        let ids = {
            let state = self.state();
            state.sources.forgettable(self.now(), self.config.source_retention(), self.config.sources)
        };
        if ids.is_empty() {
            return Ok(());
        }
        let change = Change { forget_sources: ids.clone(), ..Change::default() };
        self.publish(&change, |state| state.sources.forget(&ids))
    }
}
