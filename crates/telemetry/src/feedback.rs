//! Keeps own telemetry from feeding on itself.
//!
//! A record that is delivered makes the store work, and the store says so; recorded, that would be delivered too, for ever.
//! Three rules break the circle:
//! - F1: what is said inside a delivery of own telemetry (same task) is never recorded;
//! - F2: below INFO, the crates on the way of a record and the transports below them are never recorded: they also speak
//!   from threads of their own, where F1 does not reach;
//! - F3: at INFO and above, the crates on the way of a record get [`PER_SECOND`] records a second at most.
//!
//! The lines on stderr are not affected.

use std::sync::Mutex;

use parapet_signal::UnixNanos;
use tracing::{Level, Metadata};

/// Enough for what the store has to say in normal work (a flush, a rollup, a compaction), too little to keep itself busy.
const PER_SECOND: i64 = 10;
/// A start or a recovery says more than that at once.
const BURST: i64 = 200;

const INGEST_PATH: [&str; 4] = ["parapet_fs", "parapet_store", "parapet_telemetry", "parapet_wal"];
const TRANSPORTS: [&str; 12] = [
    "datafusion",
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "opentelemetry",
    "opentelemetry_sdk",
    "redb",
    "rustls",
    "tokio",
    "tonic",
    "tower",
];

tokio::task_local! {
    static DELIVERING: ();
}

/// Runs a delivery of own telemetry under rule F1.
pub(crate) async fn muted<F: Future>(delivery: F) -> F::Output {
    DELIVERING.scope((), delivery).await
}

/// Whether an event or span may be recorded at all, by rules F1 and F2.
pub(crate) fn may_record(metadata: &Metadata<'_>) -> bool {
    let inside_delivery = DELIVERING.try_with(|()| ()).is_ok();
    !inside_delivery
        && (*metadata.level() <= Level::INFO
            || !of(&INGEST_PATH, metadata.target()) && !of(&TRANSPORTS, metadata.target()))
}

/// Whether rule F3 applies to the target.
pub(crate) fn is_on_ingest_path(target: &str) -> bool {
    of(&INGEST_PATH, target)
}

fn of(crates: &[&str], target: &str) -> bool {
    crates.contains(&target.split("::").next().unwrap_or(target))
}

/// Rule F3: a token bucket.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    nanotokens: i64,
    filled_at: UnixNanos,
}

const NANOTOKENS: i64 = 1_000_000_000;

impl Throttle {
    pub(crate) fn new(now: UnixNanos) -> Self {
        Self(Mutex::new(Bucket { nanotokens: BURST * NANOTOKENS, filled_at: now }))
    }

    pub(crate) fn admit(&self, now: UnixNanos) -> bool {
        let mut bucket = self.0.lock().expect("nothing panics while holding the lock");
        let elapsed = now.0.saturating_sub(bucket.filled_at.0).max(0);
        bucket.filled_at = now;
        bucket.nanotokens =
            bucket.nanotokens.saturating_add(elapsed.saturating_mul(PER_SECOND)).min(BURST * NANOTOKENS);
        let admitted = bucket.nanotokens >= NANOTOKENS;
        if admitted {
            bucket.nanotokens -= NANOTOKENS;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_matched_by_crate_not_by_prefix() {
        assert!(is_on_ingest_path("parapet_store"));
        assert!(is_on_ingest_path("parapet_store::flush"));
        assert!(!is_on_ingest_path("parapet_storefront"));
        assert!(!is_on_ingest_path("parapet_server::store"));
    }

    #[test]
    fn a_throttle_lets_a_burst_through_then_so_many_a_second() {
        let throttle = Throttle::new(UnixNanos(0));
        let admitted = (0..1000).filter(|_| throttle.admit(UnixNanos(0))).count();
        assert_eq!(admitted, 200);
        let admitted = (0..1000).filter(|_| throttle.admit(UnixNanos(2_000_000_000))).count();
        assert_eq!(admitted, 20);
    }
}
