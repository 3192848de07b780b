//! Taking deliveries: room, repeats, columns, WAL, and the moment rows become visible.
//!
//! Order: is there room? → was it kept before? → columns → WAL frame, synced with its group → on the WAL's thread, in
//! order of `seq`: was it kept before? (the answer that counts) → rows visible → the receipt. A receipt therefore means:
//! durable, and in every snapshot taken from now on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use parapet_signal::{
    Batch, Delivery, DeliveryError, Receipt, Refusal, RefusedRows, Signal, Sink, SourceId, UnixNanos,
};
use parapet_wal::{Append, Durable, WalError};

use crate::core::Core;
use crate::encode::{Encoded, Limits, encode};
use crate::maintenance::RETRY_AFTER;
use crate::memtable::HourRows;
use crate::payload;
use crate::schema;
use crate::store::{Inner, Store};

/// Most bytes of one delivery's rows; twice the largest request that receivers take, decompressed.
pub(crate) const DELIVERY_BYTES: usize = 32 << 20;

/// How long a sender waits when only an operator can make room.
const RETRY_AFTER_DISK: Duration = Duration::from_secs(30);

/// Rows on their way through the WAL.
#[derive(Debug)]
pub(crate) struct Pending {
    signal: Signal,
    rows: Vec<HourRows>,
    source: Option<(SourceId, u64)>,
    taken: UnixNanos,
    repeat: Arc<AtomicBool>,
    _held: Held,
}

/// Bytes of rows on their way.
#[derive(Debug, Default)]
pub(crate) struct InFlight(AtomicUsize);

/// A part of [`InFlight`], given back when dropped.
#[derive(Debug)]
struct Held {
    in_flight: Arc<InFlight>,
    bytes: usize,
}

impl InFlight {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Held { in_flight: Arc::clone(self), bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.in_flight.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Makes rows visible that the WAL has made durable. Runs on the WAL's thread, in order of `seq`.
pub(crate) fn apply(core: &Core, durable: Vec<Durable<Pending>>) {
    let mut visible = [None; 4];
    {
        let mut state = core.state();
        for Durable { seqs, context } in durable {
            let Pending { signal, rows, source, taken, repeat, _held } = context;
            let admitted =
                source.is_none_or(|(id, position)| state.sources.admit(id, position, seqs.last, taken));
            if admitted {
                state.insert(signal, rows, seqs.first, taken);
                visible[schema::index(signal)] = Some(seqs.last);
            } else {
                repeat.store(true, Ordering::Release);
            }
            state.advance(seqs.last);
        }
    }
    for (sender, seq) in core.visible.iter().zip(visible) {
        if let Some(seq) = seq {
            sender.send_replace(seq);
        }
    }
}

impl Sink for Store {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<Receipt, DeliveryError>> {
        Box::pin(async move {
            let taken = self.inner.take(delivery).await;
            taken.inspect_err(|error| self.inner.core.metrics.not_taken(error.reason()))
        })
    }

    fn high_water(&self, source: SourceId) -> Option<u64> {
        self.inner.core.state().sources.high_water(source)
    }
}

impl Inner {
    async fn take(&self, delivery: Delivery) -> Result<Receipt, DeliveryError> {
        let Delivery { source, batch } = delivery;
        let (core, signal) = (&self.core, batch.signal());
        if self.closed.load(Ordering::Acquire) {
            return Err(DeliveryError::ShuttingDown);
        }
        if let Some(reason) = core.failed() {
            return Err(DeliveryError::Failed(reason.to_owned()));
        }
        if let Some((id, position)) = source
            && core.state().sources.is_repeat(id, position)
        {
            core.metrics.repeated();
            return Ok(Receipt::default());
        }
        self.room()?;
        let Ready { receipt, rows } = self.columns(&batch)?;
        drop(batch);
        let Some((rows, append)) = rows else { return Ok(self.counted(signal, receipt)) };

        let repeat = Arc::new(AtomicBool::new(false));
        let pending = Pending {
            signal,
            source,
            taken: core.now(),
            repeat: Arc::clone(&repeat),
            _held: self.in_flight.hold(rows.iter().map(HourRows::bytes).sum()),
            rows,
        };
        let append = Append { source: source.map(|(id, position)| (id.0, position)), ..append };
        let durable = match self.wal.append(append, pending) {
            Ok(durable) => durable,
            Err(WalError::TooLarge { .. }) => {
                let receipt = refuse_all(receipt.kept, receipt.refused);
                return Ok(self.counted(signal, receipt));
            }
            Err(error) => return Err(self.wal_failure(error)),
        };
        match durable.await {
            Ok(Ok(_)) if repeat.load(Ordering::Acquire) => {
                core.metrics.repeated();
                Ok(Receipt::default())
            }
            Ok(Ok(_)) => Ok(self.counted(signal, receipt)),
            Ok(Err(error)) => Err(self.wal_failure(error)),
            Err(_) => Err(DeliveryError::Failed("the log ended without an answer".to_owned())),
        }
    }

    /// Refuses before anything is written: what is taken must fit into memory and, as segments, onto the disk.
    fn room(&self) -> Result<(), DeliveryError> {
        let core = &self.core;
        let memory = core.state().memory_bytes() + self.in_flight.bytes();
        if memory as u64 >= core.config.memory_bytes {
            return Err(DeliveryError::Busy { reason: "memtable", retry_after: RETRY_AFTER });
        }
        // An unknown amount is not too little: a write tells.
        let free = core.fs.free_bytes(&core.dir).unwrap_or(u64::MAX);
        if free < core.config.disk_reserve_bytes {
            return Err(DeliveryError::Busy { reason: "disk", retry_after: RETRY_AFTER_DISK });
        }
        Ok(())
    }

    /// The rows that are kept, by hour and as a frame, and the receipt if they become durable.
    fn columns(&self, batch: &Batch) -> Result<Ready, DeliveryError> {
        let core = &self.core;
        let signal = batch.signal();
        let limits = Limits {
            now: core.now(),
            retention: core.config.retention(signal),
            row_bytes: usize::try_from(core.config.row_bytes).unwrap_or(usize::MAX),
            delivery_bytes: DELIVERY_BYTES,
        };
        let Encoded { rows, refused } = encode(batch, limits).map_err(failed)?;
        let kept = rows.num_rows() as u64;
        let receipt = Receipt { kept, refused };
        if kept == 0 {
            return Ok(Ready { receipt, rows: None });
        }
        let (Ok(count), Ok(payload)) = (u32::try_from(kept), payload::encode(&rows)) else {
            // Names and numbers beyond what the text's bound allows for.
            return Ok(Ready { receipt: refuse_all(kept, receipt.refused), rows: None });
        };
        let append = Append { table: schema::number(signal), source: None, rows: count, payload };
        Ok(Ready { receipt, rows: Some((HourRows::split(rows).map_err(failed)?, append)) })
    }

    fn counted(&self, signal: Signal, receipt: Receipt) -> Receipt {
        self.core.metrics.kept(signal, receipt.kept);
        for RefusedRows { refusal, rows } in &receipt.refused {
            self.core.metrics.refused(signal, *refusal, *rows);
        }
        receipt
    }

    fn wal_failure(&self, error: WalError) -> DeliveryError {
        match error {
            WalError::Busy(reason) => {
                let reason = match reason {
                    parapet_wal::BusyReason::DiskLow => "disk",
                    parapet_wal::BusyReason::Budget | parapet_wal::BusyReason::Queue => "wal",
                };
                DeliveryError::Busy { reason, retry_after: RETRY_AFTER }
            }
            WalError::NotReplayed => DeliveryError::Busy { reason: "replay", retry_after: RETRY_AFTER },
            WalError::Closed => DeliveryError::ShuttingDown,
            WalError::Io { .. }
            | WalError::Failed(_)
            | WalError::TooLarge { .. }
            | WalError::Empty
            | WalError::NewerFormat { .. }
            | WalError::Options(_) => DeliveryError::Failed(error.to_string()),
        }
    }
}

/// A delivery before the WAL.
struct Ready {
    receipt: Receipt,
    /// `None` when no row is kept.
    rows: Option<(Vec<HourRows>, Append)>,
}

fn refuse_all(rows: u64, mut refused: Vec<RefusedRows>) -> Receipt {
    match refused.iter_mut().find(|refused| refused.refusal == Refusal::TooLarge) {
        Some(known) => known.rows += rows,
        None => refused.push(RefusedRows { refusal: Refusal::TooLarge, rows }),
    }
    Receipt { kept: 0, refused }
}

fn failed(error: arrow::error::ArrowError) -> DeliveryError {
    DeliveryError::Failed(error.to_string())
}
