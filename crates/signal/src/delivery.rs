//! The hand-over from whoever received records to whoever keeps them, and what an acknowledgement means.
//!
//! A [`Receipt`] says: every row that is not listed as refused is on disk, synced, and will be found again after any crash.
//! A [`DeliveryError`] says: nothing of the batch was kept; its methods tell whether trying again can help.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::Batch;

/// Names a sequence of deliveries that is applied at most once each: a file, a spool, an exporter's queue.
/// Random, and kept by the source itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

/// A batch on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The source and the position in it after this batch. A delivery whose position is not above the highest one
    /// kept for its source is acknowledged without being applied again. `None`: applied each time it is delivered.
    pub source: Option<(SourceId, u64)>,
    /// The records.
    pub batch: Batch,
}

/// Why single rows of an acknowledged batch were not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Older than the table's retention.
    OlderThanRetention,
    /// More than an hour in the future.
    InTheFuture,
    /// A row larger than the store takes.
    TooLarge,
    /// Lacks what its table needs, such as a span without ids.
    Invalid,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OlderThanRetention, Self::InTheFuture, Self::TooLarge, Self::Invalid];

    /// The value of the `reason` label in metrics, and the word in messages.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OlderThanRetention => "older_than_retention",
            Self::InTheFuture => "in_the_future",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
        }
    }

    /// A sentence for people, such as OTLP's `partial_success.error_message`.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::OlderThanRetention => "older than the retention of this table",
            Self::InTheFuture => "more than an hour in the future; check the sender's clock",
            Self::TooLarge => "larger than a row may be",
            Self::Invalid => "lacks a required field",
        }
    }
}

/// Some rows that were not kept, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedRows {
    /// Why.
    pub refusal: Refusal,
    /// How many.
    pub rows: u64,
}

/// Everything that is not refused here is durable and queryable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Rows kept; 0 for a delivery that had been kept before.
    pub kept: u64,
    /// Rows refused, one entry a reason.
    pub refused: Vec<RefusedRows>,
}

/// Nothing of the batch was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Too much is under way; the same batch will be taken later.
    #[error("too busy: {reason}; try again in {} s", retry_after.as_secs().max(1))]
    Busy {
        /// What is full (`wal`, `memtable`, `disk`): the `reason` label in metrics.
        reason: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The store is closing; the next start will take the batch.
    #[error("shutting down")]
    ShuttingDown,
    /// Writing failed; the store does not take anything until it is restarted.
    #[error("storage failed: {0}")]
    Failed(String),
}

impl DeliveryError {
    /// How long to wait before the same batch is sent again.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            Self::ShuttingDown => Duration::from_secs(5),
            Self::Failed(_) => Duration::from_secs(30),
        }
    }

    /// The value of the `reason` label in metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Busy { reason, .. } => reason,
            Self::ShuttingDown => "shutting_down",
            Self::Failed(_) => "storage_failed",
        }
    }
}

/// Where deliveries go.
pub trait Sink: Send + Sync + 'static {
    /// Resolves when the batch is durable, or when it is certain that nothing of it was kept.
    /// Dropping the future does not undo the delivery.
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<Receipt, DeliveryError>>;

    /// The highest position kept for `source`: where to read on after a restart.
    fn high_water(&self, source: SourceId) -> Option<u64>;
}
