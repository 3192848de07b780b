//! When records go, what happens while the sink does not take them, and what is left at the end.

use std::time::Duration;

use parapet_signal::DeliveryError;
use tracing::info;

use crate::support::{counted, deliver_now, logs, received, recorder, sink, stepping_clock};

const BUSY: DeliveryError = DeliveryError::Busy { reason: "wal", retry_after: Duration::from_secs(5) };

#[tokio::test(start_paused = true)]
async fn records_go_within_a_second_without_shutdown() {
    let (recorder, _, _guard) = recorder(stepping_clock());
    let (sink, mut batches) = sink([], || ());
    let running = tokio::spawn(async move { recorder.run(sink, std::future::pending()).await });
    info!("one");
    let batch = batches.recv().await.unwrap();
    assert_eq!(logs(&[batch])[0].body.to_text(), "one");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_busy_sink_is_tried_again_and_said_to_be_so_once() {
    let (recorder, registry, _guard) = recorder(stepping_clock());
    let (sink, mut batches) = sink([BUSY, BUSY, BUSY], || ());
    let running = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.run(sink, std::future::pending()).await }
    });
    info!("kept");
    let first = batches.recv().await.unwrap();
    assert_eq!(logs(&[first])[0].body.to_text(), "kept");
    let second = logs(&[batches.recv().await.unwrap()]);
    let said: Vec<_> = second.iter().map(|log| log.body.to_text()).collect();
    assert_eq!(said, ["own telemetry is not taken; it waits", "own telemetry is taken again"]);
    assert_eq!(counted(&registry, r#"parapet_telemetry_failed_deliveries_total{reason="wal"}"#), 3);
    assert_eq!(counted(&registry, r#"parapet_telemetry_delivered_records_total{signal="logs"}"#), 3);
    running.abort();
}

#[tokio::test]
async fn a_full_queue_keeps_the_newest_and_counts_the_rest() {
    let (recorder, registry, _guard) = recorder(stepping_clock());
    for n in 0..10_000 {
        info!(n, "said");
    }
    let (sink, mut batches) = sink([], || ());
    deliver_now(&recorder, sink).await;
    let logs = logs(&received(&mut batches));
    assert_eq!(logs.len(), 8192);
    assert_eq!(logs[0].attributes.get("n"), Some(&parapet_signal::Value::Int(10_000 - 8192)));
    assert_eq!(
        counted(&registry, r#"parapet_telemetry_lost_records_total{reason="queue_full"}"#),
        10_000 - 8192
    );
}

#[tokio::test]
async fn at_the_end_each_batch_is_tried_once_and_the_lost_are_counted() {
    let (recorder, registry, _guard) = recorder(stepping_clock());
    for n in 0..1000 {
        info!(n, "said");
    }
    let (sink, mut batches) = sink([DeliveryError::ShuttingDown], || ());
    deliver_now(&recorder, sink).await;
    assert_eq!(received(&mut batches).len(), 0);
    assert_eq!(counted(&registry, r#"parapet_telemetry_lost_records_total{reason="shutting_down"}"#), 1000);
    assert_eq!(counted(&registry, r#"parapet_telemetry_failed_deliveries_total{reason="shutting_down"}"#), 1);
}

#[tokio::test]
async fn a_stopped_recorder_keeps_nothing_and_loses_nothing() {
    let (recorder, registry, _guard) = recorder(stepping_clock());
    info!("before");
    recorder.stop();
    for n in 0..10_000 {
        info!(n, "after");
    }
    let (sink, mut batches) = sink([], || ());
    deliver_now(&recorder, sink).await;
    assert_eq!(received(&mut batches).len(), 0);
    assert_eq!(counted(&registry, r#"parapet_telemetry_lost_records_total{reason="queue_full"}"#), 0);
}
