//! API traffic: rollups and rows must tell the same story.

use std::collections::BTreeMap;

use parapet_query::{Blame, TrafficOverview, TrafficOverviewQuery, TrafficQuery, TrafficSource};
use parapet_signal::{Batch, TrafficEvent, TrafficKind};

use crate::harness::*;

/// Requests over three days: a leg 0, sometimes a leg 1, and a summary that names the application.
fn events() -> Vec<TrafficEvent> {
    let mut events = Vec::new();
    for i in 0..200_i64 {
        let ts = (i * 7_919 % 200) * (72 * HOUR / 200) + i * 1_001;
        let id = format!("{i:024x}");
        let leg = |number: i32| TrafficEvent {
            leg: Some(number),
            service: Some(format!("api-{}", i % 4)),
            operation: Some(["get", "list"][(i / 4 % 2) as usize].into()),
            gateway_name: Some(["edge", "inner"][(i % 2) as usize].into()),
            http_status: Some([200, 204, 302, 404, 503][(i % 5) as usize]),
            http_method: Some("GET".into()),
            path: Some(format!("/v1/Orders/{i}")),
            final_status: Some(if i % 7 == 0 { "Fail" } else { "Pass" }.into()),
            duration_ms: (i % 11 != 0).then_some(i * i % 997),
            bytes_sent: Some(i),
            bytes_received: Some(2 * i),
            ..TrafficEvent::new(TrafficKind::Leg, at(ts), id.clone())
        };
        events.push(TrafficEvent {
            app: (i % 3 != 0).then(|| format!("app-{}", i % 3)),
            app_org: Some("org".into()),
            service: Some(format!("api-{}", i % 4)),
            operation: Some(["get", "list"][(i / 4 % 2) as usize].into()),
            gateway_name: Some(["edge", "inner"][(i % 2) as usize].into()),
            final_status: Some("Pass".into()),
            ..TrafficEvent::new(TrafficKind::Summary, at(ts + 40), id.clone())
        });
        events.push(leg(0));
        if i % 2 == 0 {
            events.push(leg(1));
        }
    }
    events
}

fn batches() -> Vec<Batch> {
    events().chunks(97).map(|chunk| Batch::Traffic(chunk.to_vec())).collect()
}

fn query(from: i64, to: i64) -> TrafficOverviewQuery {
    TrafficOverviewQuery {
        range: range(from, to),
        service: None,
        operation: None,
        app: None,
        gateway: None,
        buckets: 60,
    }
}

/// Requests, errors, bytes sent and by status class, as a person would count them.
fn naive(from: i64, to: i64, wanted: impl Fn(i64) -> bool) -> (u64, u64, u64, BTreeMap<String, u64>) {
    let (mut requests, mut errors, mut bytes) = (0, 0, 0);
    let mut classes: BTreeMap<String, u64> =
        ["2xx", "3xx", "4xx", "5xx", "other"].map(|class| (class.into(), 0)).into();
    for i in (0..200).filter(|i| wanted(*i)) {
        let ts = (i * 7_919 % 200) * (72 * HOUR / 200) + i * 1_001;
        if (from..to).contains(&ts) {
            requests += 1;
            errors += u64::from(i % 7 == 0 || i % 5 == 4);
            bytes += i as u64;
            *classes.get_mut(["2xx", "2xx", "3xx", "4xx", "5xx"][(i % 5) as usize]).unwrap() += 1;
        }
    }
    (requests, errors, bytes, classes)
}

fn summed(overview: &TrafficOverview) -> (u64, u64, u64, BTreeMap<String, u64>) {
    let mut classes = BTreeMap::new();
    for (class, count) in overview.buckets.iter().flat_map(|bucket| &bucket.by_class) {
        *classes.entry(class.clone()).or_default() += count;
    }
    assert_eq!(overview.buckets.iter().map(|bucket| bucket.requests).sum::<u64>(), overview.totals.requests);
    (overview.totals.requests, overview.totals.errors, overview.totals.bytes_sent, classes)
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_and_rows_count_the_same_as_a_person_would() {
    for place in Place::ALL {
        let bench = Bench::fill(place, batches()).await;
        bench.store.tick();
        for (from, to) in
            [(0, 72 * HOUR), (17 * 60 * SECOND + 1, 71 * HOUR - 5), (30 * SECOND, 24 * HOUR + 31 * SECOND)]
        {
            let rollup = bench.engine.traffic_overview(query(from, to)).await.unwrap();
            assert_eq!((rollup.source, rollup.interval_seconds % 3_600), (TrafficSource::Rollup, 0));
            assert_eq!(summed(&rollup), naive(from, to, |_| true), "{place:?} {from} {to}");
            // Days, and pairs of days: whole days are counted as such, what is left at the ends as hours and rows.
            let days = TrafficOverviewQuery { buckets: 2, ..query(from, to) };
            let rollup = bench.engine.traffic_overview(days).await.unwrap();
            assert_eq!((rollup.source, rollup.interval_seconds % 86_400), (TrafficSource::Rollup, 0));
            assert_eq!(summed(&rollup), naive(from, to, |_| true), "{place:?} {from} {to} by day");
        }
        // Neighbouring short ranges are answered from rows; together they are the day.
        let mut rows = 0;
        for quarter in 0..4 {
            let (from, to) = (quarter * 6 * HOUR, (quarter + 1) * 6 * HOUR);
            let raw = bench.engine.traffic_overview(query(from, to)).await.unwrap();
            assert_eq!(raw.source, TrafficSource::Raw);
            assert_eq!(summed(&raw), naive(from, to, |_| true));
            rows += raw.totals.requests;
        }
        let day = bench.engine.traffic_overview(query(0, 24 * HOUR)).await.unwrap();
        assert_eq!(rows, day.totals.requests);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overviews_narrow_to_a_service_an_operation_a_gateway_and_an_application() {
    let bench = Bench::fill(Place::Both, batches()).await;
    let all = || query(0, 72 * HOUR);
    let of = async |query| bench.engine.traffic_overview(query).await.unwrap();
    let service = of(TrafficOverviewQuery { service: Some("api-1".into()), ..all() }).await;
    assert_eq!(summed(&service), naive(0, 72 * HOUR, |i| i % 4 == 1));
    assert_eq!(service.top_services.len(), 1);
    // From rollups, from rows, and from rows of an application's.
    let operation = TrafficOverviewQuery { operation: Some("list".into()), ..all() };
    let lists = |i: i64| i / 4 % 2 == 1;
    assert_eq!(summed(&of(operation.clone()).await), naive(0, 72 * HOUR, lists));
    let short = of(TrafficOverviewQuery { range: range(0, 7 * HOUR), ..operation.clone() }).await;
    assert_eq!((short.source, summed(&short)), (TrafficSource::Raw, naive(0, 7 * HOUR, lists)));
    let of_app = of(TrafficOverviewQuery { app: Some("app-2".into()), ..operation }).await;
    assert_eq!(summed(&of_app), naive(0, 72 * HOUR, |i| lists(i) && i % 3 == 2));
    let gateway = of(TrafficOverviewQuery { gateway: Some("edge".into()), ..all() }).await;
    assert_eq!(summed(&gateway), naive(0, 72 * HOUR, |i| i % 2 == 0));
    let app = of(TrafficOverviewQuery { app: Some("app-2".into()), ..all() }).await;
    assert_eq!((app.source, summed(&app)), (TrafficSource::Raw, naive(0, 72 * HOUR, |i| i % 3 == 2)));
    let overview = of(all()).await;
    let apps: Vec<_> = overview.top_apps.iter().map(|row| (row.name.as_str(), row.requests)).collect();
    assert_eq!(apps, [("app-1", 67), ("app-2", 66)]);
    let codes: Vec<_> = overview.status_codes.iter().map(|code| (code.status, code.requests)).collect();
    assert_eq!(codes, [(200, 40), (204, 40), (302, 40), (404, 40), (503, 40)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn percentiles_are_within_one_percent_and_null_without_data() {
    let bench = Bench::fill(Place::Both, batches()).await;
    let mut durations: Vec<_> = (0..200_i64).filter(|i| i % 11 != 0).map(|i| i * i % 997).collect();
    durations.sort_unstable();
    let exact = durations[((durations.len() - 1) as f64 * 0.95).round() as usize] as f64;
    let totals = bench.engine.traffic_overview(query(0, 72 * HOUR)).await.unwrap().totals;
    let p95 = totals.percentiles.p95_ms.unwrap();
    assert!((p95 - exact).abs() <= exact * 0.0101, "{p95} for {exact}");
    let nothing = bench.engine.traffic_overview(query(100 * HOUR, 101 * HOUR)).await.unwrap();
    assert_eq!((nothing.totals.requests, nothing.totals.percentiles.p50_ms), (0, None));
    assert!(
        nothing
            .buckets
            .iter()
            .all(|bucket| bucket.by_class.len() == 5 && bucket.percentiles.p99_ms.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_requests_are_complete_and_carry_their_application() {
    for place in Place::ALL {
        let bench = Bench::fill(place, batches()).await;
        let base = || TrafficQuery { limit: 70, ..TrafficQuery::new(range(0, 80 * HOUR)) };
        let all = async |query: TrafficQuery| {
            all_pages(|cursor| {
                let query = TrafficQuery { cursor, ..query.clone() };
                async { bench.engine.traffic_page(query).await.unwrap() }
            })
            .await
        };
        let rows = all(base()).await;
        assert_eq!(rows.len(), 200, "{place:?}");
        assert!(rows.is_sorted_by(|a, b| (&a.ts, a.seq) > (&b.ts, b.seq)));
        for row in &rows {
            let i = i64::from_str_radix(row.correlation_id.as_deref().unwrap(), 16).unwrap();
            assert_eq!(row.app, (i % 3 != 0).then(|| format!("app-{}", i % 3)));
            assert_eq!(row.app_org.as_deref(), Some("org"));
        }
        assert_eq!(all(TrafficQuery { app: Some("app-1".into()), ..base() }).await.len(), 67);
        assert_eq!(all(TrafficQuery { status_class: Some("2xx".into()), ..base() }).await.len(), 80);
        assert_eq!(all(TrafficQuery { status_class: Some("other".into()), ..base() }).await.len(), 0);
        assert_eq!(all(TrafficQuery { path: Some("orders/19".into()), ..base() }).await.len(), 11);
        assert_eq!(all(TrafficQuery { service: Some("api-3".into()), ..base() }).await.len(), 50);
        let slow = (0..200_i64).filter(|i| i % 11 != 0 && i * i % 997 >= 500).count();
        assert_eq!(all(TrafficQuery { min_duration_ms: Some(500), ..base() }).await.len(), slow);
        let error =
            bench.engine.traffic_page(TrafficQuery { status_class: Some("9xx".into()), ..base() }).await;
        assert_eq!(error.unwrap_err().blame(), Blame::Malformed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_has_its_summary_and_legs_in_order() {
    let bench = Bench::fill(Place::Both, batches()).await;
    let id = format!("{:024x}", 4);
    let transaction = bench.engine.traffic_transaction(&id).await.unwrap().unwrap();
    assert_eq!(transaction.legs.iter().map(|leg| leg.leg).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(transaction.summary.unwrap().app.as_deref(), Some("app-1"));
    assert_eq!(transaction.circuit_path, None);
    assert!(bench.engine.traffic_transaction("none").await.unwrap().is_none());
}
