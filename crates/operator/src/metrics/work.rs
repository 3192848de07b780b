//! Work that isn't done yet: how long it has been going on is measured when somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use super::workers::QueueLabels;

/// The work of all queues.
#[derive(Clone, Debug, Default)]
pub(super) struct AllWork {
    queues: Arc<Mutex<Vec<(QueueLabels, Begun)>>>,
}

impl AllWork {
    /// That of one queue; two of the same name are one.
    pub(super) fn of(&self, labels: &QueueLabels) -> Begun {
        let mut queues = lock(&self.queues);
        if let Some((_, known)) = queues.iter().find(|(known, _)| known == labels) {
            return known.clone();
        }
        let new = Begun::default();
        queues.push((labels.clone(), new.clone()));
        new
    }
}

/// What was begun of one queue, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    all: Arc<Mutex<Pieces>>,
}

#[derive(Debug, Default)]
struct Pieces {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

impl Begun {
    /// A piece of work begins; it ends when this is dropped, and is counted then.
    pub(super) fn begin(&self, worked: Histogram) -> Work {
        let since = Instant::now();
        let mut all = lock(&self.all);
        let number = all.next;
        all.next += 1;
        all.since.insert(number, since);
        Work { of: self.clone(), number, since, worked }
    }

    /// The seconds of all pieces together, and of the longest.
    fn seconds(&self) -> (f64, f64) {
        let all = lock(&self.all);
        let seconds = all.since.values().map(|since| since.elapsed().as_secs_f64());
        seconds.fold((0.0, 0.0), |(sum, longest), one| (sum + one, longest.max(one)))
    }
}

/// A key that a worker has.
#[derive(Debug)]
pub(crate) struct Work {
    of: Begun,
    number: u64,
    since: Instant,
    worked: Histogram,
}

impl Drop for Work {
    fn drop(&mut self) {
        lock(&self.of.all).since.remove(&self.number);
        self.worked.observe(self.since.elapsed().as_secs_f64());
    }
}

impl Collector for AllWork {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let seconds: Vec<(QueueLabels, (f64, f64))> =
            lock(&self.queues).iter().map(|(labels, begun)| (labels.clone(), begun.seconds())).collect();
        let sum = "How long the keys that workers have now have been with them, all together";
        let longest = "How long the key has been with its worker that has been there longest";
        let gauges = [
            ("workqueue_unfinished_work_seconds", sum, true),
            ("workqueue_longest_running_processor_seconds", longest, false),
        ];
        for (name, help, together) in gauges {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, (sum, longest)) in &seconds {
                let value = if together { *sum } else { *longest };
                ConstGauge::new(value).encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_measured_until_it_ends() {
        let begun = Begun::default();
        let histogram = || Histogram::new([1.0]);
        let first = begun.begin(histogram());
        tokio::time::advance(Duration::from_secs(5)).await;
        let second = begun.begin(histogram());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(begun.seconds(), (9.0, 7.0));
        drop(first);
        assert_eq!(begun.seconds(), (2.0, 2.0));
        drop(second);
        assert_eq!(begun.seconds(), (0.0, 0.0));
    }
}
