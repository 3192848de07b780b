//! The process's own registry reaches the sink at each tick and at the end.

use std::sync::Arc;
use std::time::Duration;

use parapet_signal::{Batch, DeliveryError, Number, PointValue};
use parapet_telemetry::Metrics;
use parapet_telemetry::metrics::Scraper;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

use crate::support::{identity, sink, stepping_clock};

fn value(batch: &Batch, name: &str) -> f64 {
    let Batch::Metrics(groups) = batch else { panic!("{batch:?}") };
    let point = groups[0].records.iter().find(|point| point.metric.name == name).unwrap();
    let PointValue::Number(Number::Double(value)) = point.value else { panic!("{point:?}") };
    value
}

#[tokio::test(start_paused = true)]
async fn every_interval_and_once_more_at_the_end() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let rows = Counter::<u64>::default();
    registry.register("rows", "Rows", rows.clone());
    let scraper = Scraper::new(Arc::new(registry), &identity(), stepping_clock(), metrics);
    let (sink, mut batches) = sink([], || ());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(scraper.run(Duration::from_secs(10), sink, async {
        stopped.await.unwrap();
    }));
    assert_eq!(value(&batches.recv().await.unwrap(), "rows_total"), 0.0);
    rows.inc_by(5);
    let second = batches.recv().await.unwrap();
    assert_eq!(value(&second, "rows_total"), 5.0);
    rows.inc();
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(value(&batches.recv().await.unwrap(), "rows_total"), 6.0);
    assert!(batches.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_not_taken_is_counted_and_the_next_one_has_it_all() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let scraper = Scraper::new(Arc::new(registry), &identity(), stepping_clock(), metrics);
    let (sink, mut batches) = sink([DeliveryError::Failed("disk".to_owned())], || ());
    let running = tokio::spawn(scraper.run(Duration::from_secs(10), sink, std::future::pending()));
    let batch = batches.recv().await.unwrap();
    assert_eq!(value(&batch, "parapet_telemetry_failed_deliveries_total"), 1.0);
    running.abort();
}
