//! Log pages, histograms, values and following, against a naive reading of the same rows.

use std::collections::BTreeMap;
use std::time::Duration;

use parapet_query::{Blame, Config, Filter, Literal, LogField, LogQuery, LogRow};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::harness::*;

/// Three hours of lines that share instants, words and services.
fn data() -> Vec<Line> {
    const WORDS: [&str; 6] = ["Timeout", "while", "reading", "50%", "user_id", "ÄRGER"];
    (0..300_i64)
        .map(|i| Line {
            ts: (i * 7_919 % 180) * 60 * SECOND,
            body: format!("{} {} line {i}", WORDS[(i % 6) as usize], WORDS[(i / 6 % 6) as usize]),
            severity: [0, 5, 9, 13, 17, 21][(i * 5 % 6) as usize],
            service: ["cart", "shop", "pay%"][(i % 3) as usize].to_owned(),
            code: i % 4,
        })
        .collect()
}

/// A question with the same meaning in both worlds.
#[derive(Clone, Debug)]
struct Question {
    from: i64,
    to: i64,
    words: Vec<(bool, &'static str)>,
    severity_min: Option<u8>,
    service: Option<&'static str>,
    code: Option<i64>,
    not_service: Option<&'static str>,
    limit: usize,
}

impl Question {
    fn query(&self) -> LogQuery {
        let mut filters = Vec::new();
        if let Some(code) = self.code {
            filters.push(Filter::eq("attributes.code", Literal::Text(code.to_string())));
        }
        if let Some(service) = self.not_service {
            filters.push(Filter::Not(Box::new(Filter::Prefix {
                field: "service_name".into(),
                prefix: service.into(),
            })));
        }
        let text =
            self.words.iter().map(|(wanted, word)| format!("{}\"{word}\" ", if *wanted { "" } else { "-" }));
        LogQuery {
            text: Some(text.collect()),
            severity_min: self.severity_min,
            service: self.service.map(str::to_owned),
            filter: (!filters.is_empty()).then_some(Filter::And(filters)),
            limit: self.limit,
            ..LogQuery::new(range(self.from, self.to))
        }
    }

    /// The numbers of the rows, newest first.
    fn answer(&self, lines: &[Line]) -> Vec<u64> {
        let mut found: Vec<_> = lines
            .iter()
            .zip(1_u64..)
            .filter(|(line, _)| {
                let body = line.body.to_lowercase();
                (self.from..self.to).contains(&line.ts)
                    && self.words.iter().all(|(wanted, word)| body.contains(&word.to_lowercase()) == *wanted)
                    && self.severity_min.is_none_or(|least| line.severity >= least)
                    && self.service.is_none_or(|service| line.service == service)
                    && self.code.is_none_or(|code| line.code == code)
                    && self.not_service.is_none_or(|service| !line.service.starts_with(service))
            })
            .map(|(line, seq)| (line.ts, seq))
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, seq)| seq).collect()
    }
}

fn questions() -> impl Strategy<Value = Question> {
    let words = prop::sample::select(vec![
        "timeout", "WHILE r", "50%", "user_id", "ärger", "line 1", "%", "_", "x\\",
    ]);
    let time = -30 * 60 * SECOND..4 * HOUR;
    (
        (time.clone(), time),
        prop::collection::vec((prop::bool::weighted(0.8), words), 0..3),
        prop::option::weighted(0.3, 1..22_u8),
        prop::option::weighted(0.3, prop::sample::select(vec!["cart", "shop", "pay%", "none"])),
        prop::option::weighted(0.2, 0..5_i64),
        prop::option::weighted(0.2, prop::sample::select(vec!["c", "pay%", "s_"])),
        3..90_usize,
    )
        .prop_filter_map(
            "an empty range",
            |((from, to), words, severity_min, service, code, not_service, limit)| {
                (from < to).then_some(Question {
                    from,
                    to,
                    words,
                    severity_min,
                    service,
                    code,
                    not_service,
                    limit,
                })
            },
        )
}

#[test]
fn pages_histograms_and_values_are_what_a_naive_reading_says_wherever_rows_are() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let data = data();
    let batches = || data.chunks(50).map(lines).collect::<Vec<_>>();
    let benches: Vec<_> =
        Place::ALL.into_iter().map(|place| runtime.block_on(Bench::fill(place, batches()))).collect();
    assert!(
        benches[0].store.snapshot().hours(parapet_signal::Signal::Logs, &range(0, HOUR))[0]
            .segments
            .is_empty()
    );
    assert!(
        benches[1].store.snapshot().hours(parapet_signal::Signal::Logs, &range(0, HOUR))[0].memory.is_empty()
    );
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&questions(), |question| {
        let expect = question.answer(&data);
        for bench in &benches {
            runtime.block_on(async {
                let pages = all_pages(|cursor| async {
                    let page = bench.engine.logs_page(LogQuery { cursor, ..question.query() }).await.unwrap();
                    assert!(page.rows.len() <= question.limit);
                    page
                });
                let found: Vec<_> = pages.await.into_iter().map(|row| row.seq).collect();
                assert_eq!(found, expect);

                let histogram = bench.engine.logs_histogram(question.query(), 10).await.unwrap();
                let counted: u64 = histogram.buckets.iter().flat_map(|bucket| bucket.counts.values()).sum();
                assert_eq!(counted, expect.len() as u64);

                let values =
                    bench.engine.field_values(question.query(), LogField::ServiceName).await.unwrap();
                let mut by_service: BTreeMap<&str, u64> = BTreeMap::new();
                for seq in &expect {
                    *by_service.entry(&data[*seq as usize - 1].service).or_default() += 1;
                }
                let values: Vec<_> =
                    values.values.iter().map(|value| (value.value.as_str(), value.count)).collect();
                let mut naive: Vec<_> = by_service.into_iter().collect();
                naive.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
                naive.truncate(question.limit);
                assert_eq!(values, naive);
            });
        }
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_has_everything_that_was_delivered() {
    let line = Line { ts: 1_500_001, body: "hello".into(), severity: 17, service: "cart".into(), code: 7 };
    let bench = Bench::fill(Place::Segments, vec![lines(&[line])]).await;
    let page = bench.engine.logs_page(LogQuery::new(range(0, HOUR))).await.unwrap();
    let [row] = page.rows.as_slice() else { panic!("{page:?}") };
    assert_eq!(row.ts, text(1_500_001));
    assert_eq!((row.seq, row.severity_number, row.body.as_str()), (1, Some(17), "hello"));
    assert_eq!(row.service_name.as_deref(), Some("cart"));
    assert_eq!(row.k8s_pod_name.as_deref(), Some("pod-1"));
    assert_eq!(row.host_name, None);
    assert_eq!(row.attributes, serde_json::json!({"code": 7}));
    assert_eq!(row.resource["service.name"], "cart");
    assert_eq!((page.next_cursor, page.complete, page.scanned_until), (None, true, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_neither_skips_nor_repeats_over_flushes_compaction_and_new_rows() {
    let data = data();
    let bench = Bench::fill(Place::Both, data.chunks(30).map(lines).collect()).await;
    let query = |cursor| LogQuery { limit: 17, cursor, ..LogQuery::new(range(0, 4 * HOUR)) };
    let (mut rows, mut cursor, mut turn) = (Vec::<LogRow>::new(), None, 0);
    loop {
        let page = bench.engine.logs_page(query(cursor)).await.unwrap();
        rows.extend(page.rows);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        turn += 1;
        bench.deliver(lines(&data[..5])).await;
        match turn % 3 {
            0 => bench.store.flush().unwrap(),
            1 => bench.store.tick(),
            _ => {}
        }
    }
    assert!(
        rows.is_sorted_by(|a, b| (&a.ts, a.seq) > (&b.ts, b.seq)),
        "one order over all pages, no row twice"
    );
    let mut old: Vec<_> = rows.iter().map(|row| row.seq).filter(|seq| *seq <= 300).collect();
    old.sort_unstable();
    assert_eq!(old, (1..=300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_runs_out_of_budget_says_how_far_it_came_and_goes_on() {
    let data = data();
    let bench = Bench::with(Config { page_budget: Duration::ZERO, ..Config::default() });
    bench.deliver(lines(&data)).await;
    let query = |cursor| LogQuery { limit: 1_000, cursor, ..LogQuery::new(range(0, 4 * HOUR)) };
    let first = bench.engine.logs_page(query(None)).await.unwrap();
    assert_eq!((first.complete, first.scanned_until.as_deref()), (false, Some(text(2 * HOUR).as_str())));
    assert!(first.rows.iter().all(|row| row.ts >= text(2 * HOUR)));
    let rows = all_pages(|cursor| async { bench.engine.logs_page(query(cursor)).await.unwrap() }).await;
    assert_eq!(rows.len(), 300);
    assert!(rows.is_sorted_by(|a, b| (&a.ts, a.seq) > (&b.ts, b.seq)));
}

#[tokio::test(flavor = "multi_thread")]
async fn following_gives_each_line_once_in_order_of_arrival() {
    let data = data();
    let bench = Bench::new();
    let query = LogQuery { service: Some("cart".into()), limit: 7, ..LogQuery::new(range(0, 4 * HOUR)) };
    let (mut after, mut seen) = (bench.engine.last_log_seq(), Vec::new());
    assert_eq!(after, 0);
    for (turn, chunk) in data.chunks(40).enumerate() {
        bench.deliver(lines(chunk)).await;
        if turn % 2 == 1 {
            bench.store.flush().unwrap();
        }
        loop {
            let page = bench.engine.follow(query.clone(), after).await.unwrap();
            let full = page.rows.len() == 7;
            seen.extend(page.rows.into_iter().map(|row| row.seq));
            after = page.last_seq;
            if !full {
                break;
            }
        }
        assert_eq!(after, bench.engine.last_log_seq());
    }
    let expect: Vec<_> = (1..=300_u64).filter(|seq| data[*seq as usize - 1].service == "cart").collect();
    assert_eq!(seen, expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_a_bad_request() {
    let bench = Bench::new();
    let base = || LogQuery::new(range(0, HOUR));
    for query in [
        LogQuery { cursor: Some("garbage".into()), ..base() },
        LogQuery { limit: 0, ..base() },
        LogQuery { limit: 1_000_000, ..base() },
        LogQuery { trace_id: Some("xyz".into()), ..base() },
        LogQuery { filter: Some(Filter::eq("nope", 1)), ..base() },
        LogQuery::new(range(HOUR, 0)),
    ] {
        let error = bench.engine.logs_page(query).await.unwrap_err();
        assert_eq!(error.blame(), Blame::Malformed, "{error}");
    }
    assert!(bench.engine.logs_histogram(base(), 0).await.is_err());
    assert!("body".parse::<LogField>().is_err());
    let empty = bench.engine.logs_page(base()).await.unwrap();
    assert_eq!((empty.rows.len(), empty.complete), (0, true));
}
