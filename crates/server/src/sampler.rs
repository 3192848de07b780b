//! What has to be looked at again and again: how fast rows come in, and whether there is something to save.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parapet_signal::Signal;
use parapet_store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::app::Shared;
use crate::causes::Causes;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// Looks kept: rates are over half a minute, which shows a burst without jumping with every batch.
const LOOKS: usize = 7;
/// When credentials were last used is saved every so many looks: once a minute.
const SAVE_EVERY: u32 = 12;

/// The totals of the last looks.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<VecDeque<(Instant, [u64; 4])>>);

impl Rates {
    /// Rows per second over the looks that are kept; 0 before the second.
    pub(crate) fn per_second(&self, signal: Signal) -> f64 {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some((began, first)), Some((ended, last))) = (looks.front(), looks.back()) else { return 0.0 };
        let seconds = ended.duration_since(*began).as_secs_f64();
        let at = index(signal);
        if seconds > 0.0 { last[at].saturating_sub(first[at]) as f64 / seconds } else { 0.0 }
    }

    fn look(&self, at: Instant, totals: [u64; 4]) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() == LOOKS {
            looks.pop_front();
        }
        looks.push_back((at, totals));
    }
}

/// Looks until the process stops.
pub(crate) async fn run(app: Shared) {
    let mut shutdown = app.state.shutdown.clone();
    let app = {
        let weak = Arc::downgrade(&app);
        drop(app);
        weak
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = 0u32;
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stopping| *stopping) => return,
            _ = ticks.tick() => {}
        }
        let Some(app) = app.upgrade() else { return };
        app.rates.look(Instant::now(), totals(&app.state.store));
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(SAVE_EVERY) {
            save(&app).await;
        }
    }
}

/// Rows kept since the start, in the order of [`Signal::ALL`].
fn totals(store: &Store) -> [u64; 4] {
    let signals = store.status().signals;
    Signal::ALL.map(|signal| {
        signals.iter().find(|status| status.signal == signal.name()).map_or(0, |status| status.rows_total)
    })
}

async fn save(app: &Shared) {
    let accounts = app.state.accounts.clone();
    if !accounts.has_unsaved() {
        return;
    }
    match tokio::task::spawn_blocking(move || accounts.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = %Causes(&error), "saving when credentials were used failed");
        }
        Err(error) => tracing::warn!(%error, "saving when credentials were used was given up"),
    }
}

/// Position of `signal` in [`Signal::ALL`].
fn index(signal: Signal) -> usize {
    Signal::ALL.iter().position(|each| *each == signal).expect("ALL has all of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_over_the_looks_that_are_kept() {
        let rates = Rates::default();
        assert_eq!(rates.per_second(Signal::Logs), 0.0);
        let start = Instant::now();
        for look in 0..20u64 {
            // 10 rows a second at first, then 100.
            let rows = if look < 10 { look * 50 } else { 500 + (look - 10) * 500 };
            rates.look(start + EVERY * u32::try_from(look).unwrap(), [0, rows, 0, 0]);
        }
        assert_eq!(rates.per_second(Signal::Spans), 100.0);
        assert_eq!(rates.per_second(Signal::Logs), 0.0);
    }
}
