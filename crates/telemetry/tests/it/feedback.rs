//! Delivering own telemetry makes the store speak; none of that may keep the delivery going.

use std::sync::Arc;
use std::time::Duration;

use parapet_signal::UnixNanos;
use parapet_telemetry::Clock;
use tracing::{debug, info, info_span, warn};

use crate::support::{counted, deliver_now, logs, received, recorder, sink, spans, stepping_clock};

fn still_clock() -> Clock {
    Arc::new(|| UnixNanos(1_000_000_000))
}

#[tokio::test(start_paused = true)]
async fn what_a_delivery_says_is_not_delivered() {
    let (recorder, _, _guard) = recorder(stepping_clock());
    let (sink, mut batches) = sink([], || {
        warn!(target: "anything", "inside a delivery");
        info_span!("also inside").in_scope(|| info!("and in a span"));
    });
    let running = tokio::spawn(async move { recorder.run(sink, std::future::pending()).await });
    info!("outside");
    assert_eq!(logs(&[batches.recv().await.unwrap()]).len(), 1);
    let another = tokio::time::timeout(Duration::from_secs(3600), batches.recv()).await;
    assert!(another.is_err(), "an hour of silence after the only record, but got {another:?}");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn what_the_stores_threads_say_of_a_delivery_does_not_grow() {
    let (recorder, registry, _guard) = recorder(still_clock());
    let (sink, mut batches) = sink([], || ());
    for n in 0..1000 {
        // As the store's own thread would, 1000 times for each record: outside of the delivering task.
        debug!(target: "parapet_store::flush", n, "detail of a delivery");
        debug!(target: "h2::codec", n, "frame");
        info!(target: "parapet_wal", n, "group committed");
        info_span!(target: "parapet_store", "flush").in_scope(|| ());
    }
    deliver_now(&recorder, sink).await;
    let batches = received(&mut batches);
    let kept = logs(&batches).len() + spans(&batches).len();
    assert_eq!(kept, 200, "one burst; see PER_SECOND and BURST");
    assert_eq!(counted(&registry, r#"parapet_telemetry_lost_records_total{reason="throttled"}"#), 1800);
}

#[tokio::test]
async fn others_may_speak_at_any_level_and_rate() {
    let (recorder, registry, _guard) = recorder(still_clock());
    for n in 0..1000 {
        debug!(target: "parapet_query", n, "planned");
    }
    let (sink, mut batches) = sink([], || ());
    deliver_now(&recorder, sink).await;
    assert_eq!(logs(&received(&mut batches)).len(), 1000);
    assert_eq!(counted(&registry, r#"parapet_telemetry_lost_records_total{reason="throttled"}"#), 0);
}
