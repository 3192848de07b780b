//! The host's figures, measured for real.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parapet_collect::Metrics;
use parapet_collect::host::{Host, Options};
use parapet_signal::{Attributes, Batch, PointValue};

use crate::support::{FixedClock, NOW, RecordingSink};

#[tokio::test]
async fn figures_have_their_names_and_are_plausible() {
    let sink = Arc::new(RecordingSink::default());
    let host = Host::start(Options {
        sink: sink.clone(),
        clock: Arc::new(FixedClock),
        metrics: Metrics::default(),
        resource: Attributes::new().with("service.name", "parapet"),
        interval: Duration::from_millis(200),
    })
    .unwrap();
    let kept = sink.until(|kept| kept.len() >= 2).await;
    host.stop().await;
    let Batch::Metrics(groups) = &kept[1].batch else { panic!() };
    assert!(groups[0].resource.attributes.get_str("host.name").is_some_and(|name| !name.is_empty()));
    assert_eq!(groups[0].resource.attributes.get_str("service.name"), Some("parapet"));
    let names: BTreeSet<_> = groups[0].records.iter().map(|point| point.metric.name.as_str()).collect();
    for name in [
        "system.cpu.utilization",
        "system.cpu.logical.count",
        "system.memory.usage",
        "system.memory.utilization",
    ] {
        assert!(names.contains(name), "{names:?}");
    }
    for point in &groups[0].records {
        assert_eq!(point.time, NOW);
        assert!(!point.metric.unit.is_empty() && !point.metric.description.is_empty());
        let PointValue::Number(number) = point.value else { panic!() };
        assert!(number.as_f64() >= 0.0, "{point:?}");
        if point.metric.name.ends_with("utilization") {
            assert!(number.as_f64() <= 1.0 + 1e-6, "{point:?}");
        }
    }
}
