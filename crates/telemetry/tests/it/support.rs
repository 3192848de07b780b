//! A scripted sink, and a recorder with a clock that steps.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use parapet_signal::{Batch, Delivery, DeliveryError, LogRecord, Receipt, Sink, SourceId, Span, UnixNanos};
use parapet_telemetry::{Clock, Identity, Metrics, Recorder};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt as _;

/// Hands every batch it takes to the test; fails first with what is in `failures`; says `aside` in each delivery.
pub(crate) struct ScriptedSink {
    taken: mpsc::UnboundedSender<Batch>,
    failures: Mutex<VecDeque<DeliveryError>>,
    aside: fn(),
}

pub(crate) fn sink(
    failures: impl IntoIterator<Item = DeliveryError>,
    aside: fn(),
) -> (Arc<dyn Sink>, mpsc::UnboundedReceiver<Batch>) {
    let (taken, batches) = mpsc::unbounded_channel();
    let failures = Mutex::new(failures.into_iter().collect());
    (Arc::new(ScriptedSink { taken, failures, aside }), batches)
}

impl Sink for ScriptedSink {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<Receipt, DeliveryError>> {
        Box::pin(async move {
            (self.aside)();
            tokio::task::yield_now().await;
            (self.aside)();
            if let Some(error) = self.failures.lock().unwrap().pop_front() {
                return Err(error);
            }
            let kept = delivery.batch.len() as u64;
            self.taken.send(delivery.batch).unwrap();
            Ok(Receipt { kept, refused: Vec::new() })
        })
    }

    fn high_water(&self, _: SourceId) -> Option<u64> {
        None
    }
}

/// Each reading is a second after the one before, starting with 1.
pub(crate) fn stepping_clock() -> Clock {
    let seconds = AtomicI64::new(0);
    Arc::new(move || UnixNanos(1_000_000_000 * (seconds.fetch_add(1, Ordering::Relaxed) + 1)))
}

pub(crate) fn identity() -> Identity {
    Identity { version: "1.2.3".to_owned(), pid: 42, host: Some("node-a".to_owned()) }
}

/// A recorder that is the subscriber of this thread until the guard drops, and its counters.
pub(crate) fn recorder(clock: Clock) -> (Recorder, Registry, tracing::subscriber::DefaultGuard) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let recorder = Recorder::new(&identity(), clock, 7, metrics);
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(recorder.clone()));
    (recorder, registry, guard)
}

/// Delivers what has been said so far.
pub(crate) async fn deliver_now(recorder: &Recorder, sink: Arc<dyn Sink>) {
    recorder.run(sink, std::future::ready(())).await;
}

pub(crate) fn received(batches: &mut mpsc::UnboundedReceiver<Batch>) -> Vec<Batch> {
    std::iter::from_fn(|| batches.try_recv().ok()).collect()
}

pub(crate) fn logs(batches: &[Batch]) -> Vec<LogRecord> {
    let of = |batch: &Batch| match batch {
        Batch::Logs(groups) => groups.iter().flat_map(|group| group.records.clone()).collect(),
        _ => Vec::new(),
    };
    batches.iter().flat_map(of).collect()
}

pub(crate) fn spans(batches: &[Batch]) -> Vec<Span> {
    let of = |batch: &Batch| match batch {
        Batch::Spans(groups) => groups.iter().flat_map(|group| group.records.clone()).collect(),
        _ => Vec::new(),
    };
    batches.iter().flat_map(of).collect()
}

pub(crate) fn counted(registry: &Registry, series: &str) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}
