//! SQL: what it answers, what it refuses, and that what it takes harms nobody else.

use std::time::Duration;

use parapet_query::{Blame, Config, LogQuery, SqlLimits, SqlResult};
use parapet_signal::{Batch, TrafficEvent, TrafficKind};
use serde_json::json;

use crate::harness::*;

fn some_lines(count: i64) -> Vec<Line> {
    let line = |i| Line {
        ts: i * SECOND,
        body: format!("line {i}"),
        severity: 9,
        service: ["cart", "shop"][(i % 2) as usize].into(),
        code: i % 3,
    };
    (0..count).map(line).collect()
}

async fn bench(place: Place) -> Bench {
    Bench::fill(place, some_lines(100).chunks(20).map(lines).collect()).await
}

async fn ask(bench: &Bench, query: &str) -> SqlResult {
    bench.engine.sql(query, SqlLimits::default()).await.unwrap_or_else(|error| panic!("{query}: {error:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_answer_wherever_rows_are() {
    for place in Place::ALL {
        let bench = bench(place).await;
        for (query, expect) in [
            ("SELECT count(*) FROM logs", json!([[100]])),
            (
                "SELECT service_name, count(*) FROM logs GROUP BY 1 ORDER BY 1",
                json!([["cart", 50], ["shop", 50]]),
            ),
            ("SELECT count(*) FROM logs WHERE attr(attributes, 'code') = '1'", json!([[33]])),
            ("SELECT attr(resource, 'service.name') FROM logs WHERE seq = 2", json!([["shop"]])),
            ("SELECT attr(attributes, body), attr(NULL, 'x') FROM logs WHERE seq = 2", json!([[null, null]])),
            ("SELECT ts, body FROM logs ORDER BY ts DESC LIMIT 1", json!([[text(99 * SECOND), "line 99"]])),
            (
                "SELECT service_name || ': ' || body || seq FROM logs WHERE seq = 2",
                json!([["shop: line 12"]]),
            ),
            (
                "SELECT 'a' || NULL, 'a' || 'b', concat('a', NULL), concat_ws('-', 'a', 'b')",
                json!([[null, "ab", "a", "a-b"]]),
            ),
            (
                "SELECT replace(body, 'line', 'row'), regexp_replace(body, '(\\d)', '<$1>') FROM logs WHERE seq = 2",
                json!([["row 1", "line <1>"]]),
            ),
            (
                "SELECT array_to_string([service_name, body], '/'), regexp_match(body, '(l)(i)') FROM logs WHERE seq = 2",
                json!([["shop/line 1", "[l, i]"]]),
            ),
            (
                "SELECT max(x || x), count(*) FROM (SELECT body || '!' AS x FROM logs) WHERE x || 'y' LIKE 'line 9%'",
                json!([["line 99!line 99!", 11]]),
            ),
            ("SELECT count(*) FROM spans", json!([[0]])),
            ("SELECT 1 WHERE 'a' = 'b'", json!([])),
            ("WITH x AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT sum(a) FROM x", json!([[3]])),
        ] {
            assert_eq!(json!(ask(&bench, query).await.rows), expect, "{place:?} {query}");
        }
        let late = format!("SELECT count(*) FROM logs WHERE ts >= TIMESTAMP '{}'", text(90 * SECOND));
        assert_eq!(json!(ask(&bench, &late).await.rows), json!([[10]]), "{late}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hourly_traffic_is_a_table() {
    let event = |i: i64| TrafficEvent {
        leg: Some(0),
        service: Some("orders".into()),
        duration_ms: Some(100),
        ..TrafficEvent::new(TrafficKind::Leg, at(i * HOUR / 2), i.to_string())
    };
    let bench = Bench::fill(Place::Both, (0..6).map(|i| Batch::Traffic(vec![event(i)])).collect()).await;
    let rows = ask(&bench, "SELECT hour, service, \"count\" FROM traffic_hourly ORDER BY hour").await.rows;
    let expect: Vec<_> = (0..3).map(|hour| json!([text(hour * HOUR), "orders", 2])).collect();
    assert_eq!(json!(rows), json!(expect));
    let one = format!("SELECT sum(\"count\") FROM traffic_hourly WHERE hour = TIMESTAMP '{}'", text(HOUR));
    assert_eq!(json!(ask(&bench, &one).await.rows), json!([[2]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beyond_the_limit_are_cut_and_said_so() {
    let bench = bench(Place::Memory).await;
    let limits = SqlLimits { max_rows: Some(10), timeout: None };
    let cut = bench.engine.sql("SELECT seq FROM logs ORDER BY seq", limits).await.unwrap();
    assert_eq!((cut.rows.len(), cut.truncated), (10, true));
    assert_eq!((cut.columns[0].name.as_str(), cut.columns[0].data_type.as_str()), ("seq", "UInt64"));
    let whole = bench.engine.sql("SELECT seq FROM logs LIMIT 10", limits).await.unwrap();
    assert_eq!((whole.rows.len(), whole.truncated), (10, false));
}

/// Without this, a newest-first page decodes every column of every row (store.md §6.2: 13 to 240 times slower).
#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_evaluated_inside_the_parquet_scan() {
    let bench = bench(Place::Both).await;
    let query = "EXPLAIN FORMAT INDENT SELECT ts, seq, body FROM logs \
                 WHERE service_name = 'cart' AND body ILIKE '%9%' ORDER BY ts DESC, seq DESC LIMIT 5";
    let result = ask(&bench, query).await;
    let plan =
        result.rows.iter().find(|row| row[0] == "physical_plan").unwrap()[1].as_str().unwrap().to_owned();
    let lines: Vec<_> = plan.lines().collect();
    let at = lines.iter().position(|line| line.contains("file_type=parquet")).expect(&plan);
    for part in ["predicate=", "service_name", "ILIKE", "DynamicFilter", "projection=[ts, seq, body]"] {
        assert!(lines[at].contains(part), "{part} is not in the scan:\n{plan}");
    }
    // The filter that is left is above memory, where nothing can be pushed into.
    let indent = |line: &str| line.len() - line.trim_start().len();
    let parent = lines[..at].iter().rev().find(|line| indent(line) < indent(lines[at])).unwrap();
    assert!(!parent.contains("FilterExec"), "filtered again above the scan:\n{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_outside_the_range_are_not_opened() {
    let spread: Vec<_> = some_lines(6).into_iter().map(|line| Line { ts: line.ts * 3_600, ..line }).collect();
    let bench = Bench::fill(Place::Segments, vec![lines(&spread)]).await;
    let query =
        format!("EXPLAIN FORMAT INDENT SELECT body FROM logs WHERE ts >= TIMESTAMP '{}'", text(5 * HOUR));
    let plan = json!(ask(&bench, &query).await.rows).to_string();
    assert!(plan.contains("1 group: [["), "{plan}");
    assert_eq!(
        plan.matches(".parquet").count() + plan.matches("segments").count(),
        plan.matches("segments").count()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writes_reads_files_or_does_not_parse_is_refused_with_its_class() {
    let bench = bench(Place::Memory).await;
    for (query, blame) in [
        ("COPY logs TO '/tmp/x.csv'", Blame::NotAllowed),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", Blame::NotAllowed),
        ("SELECT * FROM '/etc/passwd'", Blame::NotAllowed),
        ("SELECT * FROM read_csv('/etc/passwd')", Blame::NotAllowed),
        ("INSERT INTO logs SELECT * FROM logs", Blame::NotAllowed),
        ("SET datafusion.execution.batch_size = 1", Blame::NotAllowed),
        ("SELECT 1; SELECT 2", Blame::Malformed),
        ("SELECT nope FROM logs", Blame::Malformed),
        ("SELECT * FROM nope", Blame::Malformed),
        ("SELECT nope(1)", Blame::Malformed),
        ("SELECT repeat('x', 2000000000)", Blame::Malformed),
        ("SELECT lpad('x', 2000000000)", Blame::Malformed),
        ("SELECT array_repeat('x', 2000000000)", Blame::Malformed),
        ("SELECT body + 1 FROM logs", Blame::Malformed),
        ("SELECT 1 / 0", Blame::Malformed),
        ("SELECT CAST(body AS BIGINT) FROM logs", Blame::Malformed),
        ("SELEC 1", Blame::Malformed),
    ] {
        let error = bench.engine.sql(query, SqlLimits::default()).await.expect_err(query);
        assert_eq!(error.blame(), blame, "{query}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_much_fails_alone() {
    let config = Config { memory_bytes: 32 << 20, partitions: 2, timeout: LONG, ..Config::default() };
    let bench = Bench::with(config);
    bench.deliver(lines(&some_lines(100))).await;
    let memory = [
        "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY a.value * b.value) AS r FROM generate_series(1, 1000000) a, generate_series(1, 100000) b)",
        "SELECT count(DISTINCT a.body || b.body || c.body || d.body) FROM logs a, logs b, logs c, logs d",
        "SELECT max(n) FROM (SELECT a.value * 7 % 50000017 AS v, count(*) AS n FROM generate_series(1, 100000000) a GROUP BY 1)",
        "SELECT array_agg(a.value) FROM generate_series(1, 1000000000) a",
    ];
    for query in memory {
        fails_alone(&bench, query).await;
    }
    let limits = SqlLimits { max_rows: None, timeout: Some(Duration::from_millis(200)) };
    let endless = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b WHERE a.value < b.value";
    let error = bench.engine.sql(endless, limits).await.unwrap_err();
    assert_eq!(error.blame(), Blame::TooLarge, "{error:?}");
    assert_eq!(json!(ask(&bench, "SELECT count(*) FROM logs").await.rows), json!([[100]]));
}

/// It runs out of memory while another query is answered.
async fn fails_alone(bench: &Bench, query: &str) {
    let (engine, sent) = (bench.engine.clone(), query.to_owned());
    let greedy = tokio::spawn(async move { engine.sql(&sent, SqlLimits::default()).await });
    let page = bench.engine.logs_page(LogQuery::new(range(0, HOUR))).await.unwrap();
    assert_eq!(page.rows.len(), 100);
    let error = greedy.await.unwrap().expect_err(query);
    assert_eq!(error.blame(), Blame::TooLarge, "{query}: {error:?}");
    assert!(error.to_string().contains("memory"), "{query}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_grows_is_counted() {
    let config = Config { memory_bytes: 2 << 20, partitions: 2, timeout: LONG, ..Config::default() };
    let bench = Bench::with(config);
    bench.deliver(lines(&some_lines(100))).await;
    // Each makes four of one, ten times over.
    let growing = [
        "b || b || b || b",
        "concat(b, b, b, b)",
        "concat_ws(b, '', '', '', '')",
        "replace(b, 'n', 'nnnn')",
        "regexp_replace(b, '(n)', '$1$1$1$1', 'g')",
        "array_to_string([b, b, b, b], '')",
        "array_to_string(string_to_array(b, 'n'), 'nnnn')",
        "overlay(overlay(b placing b from 1 for 0) placing b from 1 for 0)",
    ];
    let growing = growing.map(|step| {
        let steps: Vec<_> =
            (1..=10).map(|level| format!("t{level} AS (SELECT {step} AS b FROM t{})", level - 1)).collect();
        format!(
            "WITH t0 AS (SELECT body AS b FROM logs), {} SELECT max(length(b)) FROM t10",
            steps.join(", ")
        )
    });
    for query in growing {
        fails_alone(&bench, &query).await;
    }
    // What is dropped is given back: a hundred batches of half the memory, one after the other.
    let often =
        "SELECT count(*), max(length(a.body || a.body || b.value)) FROM logs a, generate_series(1, 8000) b";
    assert_eq!(json!(ask(&bench, often).await.rows), json!([[800_000, 18]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_doubles_itself_is_refused_before_it_is_planned() {
    let bench = bench(Place::Memory).await;
    let mut query = String::from("WITH t0 AS (SELECT seq FROM logs)");
    for level in 1..=17 {
        let below = level - 1;
        query += &format!(", t{level} AS (SELECT a.seq FROM t{below} a, t{below} b)");
    }
    query += " SELECT count(*) FROM t17";
    let error = bench.engine.sql(&query, SqlLimits::default()).await.unwrap_err();
    assert_eq!(error.blame(), Blame::TooLarge, "{error:?}");
}

#[test]
fn answers_can_be_awaited_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let bench = Bench::new();
    is_send(&bench.engine.logs_page(LogQuery::new(range(0, HOUR))));
    is_send(&bench.engine.sql("SELECT 1", SqlLimits::default()));
    is_send(&bench.engine.traces_page(parapet_query::TraceQuery::new(range(0, HOUR))));
    is_send(&bench.engine.traffic_page(parapet_query::TrafficQuery::new(range(0, HOUR))));
}
