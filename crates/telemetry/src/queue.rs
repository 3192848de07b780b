//! The bounded queue between whoever says something and the task that delivers it: saying never waits.

use std::collections::VecDeque;
use std::sync::Mutex;

use parapet_signal::{LogRecord, Span};
use tokio::sync::Notify;

use crate::counters::{Loss, Metrics};

/// An own record with the target (the module) that made it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) target: &'static str,
    pub(crate) record: Record,
}

#[derive(Debug)]
pub(crate) enum Record {
    Log(LogRecord),
    Span(Span),
}

#[derive(Debug)]
pub(crate) struct Queue {
    items: Mutex<VecDeque<Item>>,
    capacity: usize,
    batch: usize,
    full_batch: Notify,
    metrics: Metrics,
}

impl Queue {
    /// Holds `capacity` items at most and rings when `batch` of them wait.
    pub(crate) fn new(capacity: usize, batch: usize, metrics: Metrics) -> Self {
        Self { items: Mutex::default(), capacity, batch, full_batch: Notify::new(), metrics }
    }

    /// Drops the oldest item, counted, if there is no room.
    pub(crate) fn push(&self, item: Item) {
        let mut items = self.items.lock().expect("nothing panics while holding the lock");
        if items.len() >= self.capacity && items.pop_front().is_some() {
            self.metrics.lost(Loss::QueueFull, 1);
        }
        items.push_back(item);
        if items.len() >= self.batch {
            self.full_batch.notify_one();
        }
    }

    /// The oldest items, a batch of them at most.
    pub(crate) fn take(&self) -> Vec<Item> {
        let mut items = self.items.lock().expect("nothing panics while holding the lock");
        let count = items.len().min(self.batch);
        items.drain(..count).collect()
    }

    /// Resolves when a whole batch waits.
    pub(crate) async fn batch_waits(&self) {
        while !self.has_batch() {
            self.full_batch.notified().await;
        }
    }

    fn has_batch(&self) -> bool {
        self.items.lock().expect("nothing panics while holding the lock").len() >= self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(n: i64) -> Item {
        let record = LogRecord { body: parapet_signal::Value::Int(n), ..LogRecord::default() };
        Item { target: "test", record: Record::Log(record) }
    }

    fn bodies(items: Vec<Item>) -> Vec<String> {
        let body = |item: Item| match item.record {
            Record::Log(log) => log.body.to_text(),
            Record::Span(span) => span.name,
        };
        items.into_iter().map(body).collect()
    }

    #[test]
    fn a_full_queue_drops_its_oldest_and_counts_it() {
        let metrics = Metrics::default();
        let queue = Queue::new(3, 2, metrics.clone());
        (0..5).for_each(|n| queue.push(log(n)));
        assert_eq!(metrics.lost_so_far(Loss::QueueFull), 2);
        assert_eq!(bodies(queue.take()), ["2", "3"]);
        assert_eq!(bodies(queue.take()), ["4"]);
        assert!(queue.take().is_empty());
    }
}
