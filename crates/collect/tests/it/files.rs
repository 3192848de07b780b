//! Files that are written, renamed, truncated and removed while they are followed.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parapet_collect::files::{Files, Input, Options, Pattern, SourceState, Tuning};
use parapet_collect::{Metrics, container, opentraffic};
use parapet_fs::OsFs;
use parapet_signal::{Batch, Delivery, DeliveryError, SourceId, Value};
use tempfile::TempDir;

use crate::support::{FixedClock, RecordingSink, Script};

struct Bench {
    dir: TempDir,
    sink: Arc<RecordingSink>,
    metrics: Metrics,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        Self { dir, sink: Arc::new(RecordingSink::default()), metrics: Metrics::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn pattern(&self, pattern: &str) -> Vec<Pattern> {
        vec![format!("{}/logs/{pattern}", self.dir.path().display()).parse().unwrap()]
    }

    fn start(&self, input: Input) -> Files {
        self.start_tuned(input, tuning())
    }

    fn start_tuned(&self, input: Input, tuning: Tuning) -> Files {
        Files::start(Options {
            inputs: vec![input],
            sink: self.sink.clone(),
            fs: Arc::new(OsFs),
            checkpoint: self.dir.path().join("state/files.json"),
            clock: Arc::new(FixedClock),
            metrics: self.metrics.clone(),
            tuning,
        })
        .unwrap()
    }

    fn text(&self, pattern: &str) -> Input {
        container::text_files(self.pattern(pattern), container::Options::default())
    }

    fn pods(&self) -> Input {
        container::pods(self.pattern("pods/*/*/*.log"), container::Options::default())
    }

    /// Waits until exactly these lines were kept, in any order across files.
    async fn until_lines(&self, expect: &[&str]) {
        let kept = self.sink.until(|kept| bodies(kept).len() >= expect.len()).await;
        let (mut found, mut expect) = (bodies(&kept), expect.to_vec());
        found.sort();
        expect.sort_unstable();
        assert_eq!(found, expect);
    }
}

/// Delays short enough that a test that waits for one of them is quick.
fn tuning() -> Tuning {
    Tuning {
        poll_interval: Duration::from_millis(20),
        scan_interval: Duration::from_millis(50),
        flush_after: Duration::from_millis(50),
        linger: Duration::from_millis(100),
        save_interval: Duration::from_millis(50),
        ..Tuning::default()
    }
}

fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    let mut found = Vec::new();
    for delivery in deliveries {
        let Batch::Logs(groups) = &delivery.batch else { panic!() };
        found.extend(groups.iter().flat_map(|group| &group.records).map(|record| record.body.to_text()));
    }
    found
}

/// Positions rise, per source.
fn sources(deliveries: &[Delivery]) -> BTreeMap<SourceId, Vec<u64>> {
    let mut sources = BTreeMap::<_, Vec<u64>>::new();
    for delivery in deliveries {
        let (source, position) = delivery.source.unwrap();
        sources.entry(source).or_default().push(position);
    }
    for positions in sources.values() {
        assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    }
    sources
}

/// Waits for what status and metrics say after one of the next looks.
async fn eventually(files: &Files, condition: impl Fn() -> bool) {
    let mut looks = files.looks();
    while !condition() {
        looks.changed().await.unwrap();
    }
}

fn append(path: &PathBuf, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

#[tokio::test]
async fn lines_arrive_with_the_offset_after_them_as_position() {
    let bench = Bench::new();
    let path = bench.path("a.log");
    append(&path, "one\ntwo\nunfin");
    let files = bench.start(bench.text("*.log"));
    bench.until_lines(&["one", "two"]).await;
    append(&path, "ished\n");
    bench.until_lines(&["one", "two", "unfinished"]).await;
    let kept = bench.sink.kept();
    assert_eq!(sources(&kept).into_values().collect::<Vec<_>>(), [[8, 19]]);
    files.stop().await;
}

#[tokio::test]
async fn files_and_directories_found_late_are_read_from_their_start() {
    let bench = Bench::new();
    let files = bench.start(bench.pods());
    let path = bench.path("pods/shop_web_1/app/0.log");
    append(&path, "2026-01-02T03:04:05Z stdout F first\n");
    append(&path, "2026-01-02T03:04:05Z stdout F second\n");
    bench.until_lines(&["first", "second"]).await;
    let Batch::Logs(groups) = &bench.sink.kept()[0].batch else { panic!() };
    assert_eq!(groups[0].resource.attributes.get_str("k8s.pod.name"), Some("web"));
    files.stop().await;
}

#[tokio::test]
async fn rotated_siblings_of_pods_are_read_at_a_late_start_but_not_compressed_ones() {
    let bench = Bench::new();
    append(&bench.path("pods/shop_web_1/app/0.log"), "2026-01-02T03:04:05Z stdout F new\n");
    append(&bench.path("pods/shop_web_1/app/0.log.20260101-000000"), "2026-01-02T03:04:05Z stdout F old\n");
    append(
        &bench.path("pods/shop_web_1/app/0.log.20251231-000000.gz"),
        "2026-01-02T03:04:05Z stdout F zipped\n",
    );
    append(&bench.path("pods/shop_web_1/app/marker.log"), "2026-01-02T03:04:05Z stdout F end\n");
    let files = bench.start(bench.pods());
    bench.until_lines(&["old", "new", "end"]).await;
    files.stop().await;
}

#[tokio::test]
async fn links_to_one_file_are_read_once() {
    let bench = Bench::new();
    let target = bench.path("pods/shop_web_1/app/0.log");
    append(&target, "2026-01-02T03:04:05Z stdout F x\n");
    let links = bench.path("containers/web_shop_app-1.log");
    std::os::unix::fs::symlink(&target, &links).unwrap();
    std::os::unix::fs::symlink("/nowhere", bench.path("containers/broken.log")).unwrap();
    let input = container::pods(
        [bench.pattern("containers/*.log"), bench.pattern("pods/*/*/*.log")].concat(),
        container::Options::default(),
    );
    let files = bench.start(input);
    bench.until_lines(&["x"]).await;
    append(&target, "2026-01-02T03:04:05Z stdout F y\n");
    bench.until_lines(&["x", "y"]).await;
    let Batch::Logs(groups) = &bench.sink.kept()[0].batch else { panic!() };
    assert_eq!(groups[0].resource.attributes.get_str("k8s.container.name"), Some("app"));
    files.stop().await;
}

#[tokio::test]
async fn rotation_by_rename_under_load_loses_and_repeats_nothing() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    let files = bench.start(bench.text("app.log"));
    let mut total = 0;
    for generation in 0..6 {
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let mut write = |lines: usize| {
            for _ in 0..lines {
                writeln!(file, "line {total} {}", "x".repeat(50)).unwrap();
                total += 1;
            }
            total
        };
        let written = write(500);
        bench.sink.until(|kept| bodies(kept).len() >= written).await;
        write(3000);
        fs::rename(&path, path.with_extension(format!("old{generation}"))).unwrap();
        // As a daemon that has not reopened yet.
        write(200);
    }
    let kept = bench.sink.until(|kept| bodies(kept).len() >= total).await;
    let found = bodies(&kept);
    let numbers: HashSet<usize> =
        found.iter().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!((numbers.len(), found.len()), (total, total));
    assert_eq!(sources(&kept).len(), 6);
    files.stop().await;
}

#[tokio::test]
async fn a_rotated_file_is_read_to_its_end_even_without_a_line_end() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    append(&path, "one\nlast words");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one"]).await;
    fs::rename(&path, bench.path("app.log.1")).unwrap();
    append(&path, "new\n");
    bench.until_lines(&["one", "last words", "new"]).await;
    files.stop().await;
}

#[tokio::test]
async fn a_truncated_file_is_a_new_generation_read_from_its_start() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    append(&path, "one\ntwo\nthree\n");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one", "two", "three"]).await;
    fs::copy(&path, bench.path("app.log.1")).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(0).unwrap();
    append(&path, "four\n");
    bench.until_lines(&["one", "two", "three", "four"]).await;
    assert_eq!(sources(&bench.sink.kept()).len(), 2);
    files.stop().await;
}

#[tokio::test]
async fn a_file_overwritten_with_as_much_is_noticed_by_its_first_bytes() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    append(&path, "aaa\nbbb\n");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["aaa", "bbb"]).await;
    fs::write(&path, "ccc\nddd\neee\n").unwrap();
    bench.until_lines(&["aaa", "bbb", "ccc", "ddd", "eee"]).await;
    files.stop().await;
}

#[tokio::test]
async fn a_vanishing_directory_ends_its_files_and_nothing_else() {
    let bench = Bench::new();
    append(&bench.path("pods/shop_web_1/app/0.log"), "2026-01-02T03:04:05Z stdout F a\n");
    let other = bench.path("pods/shop_web_2/app/0.log");
    append(&other, "2026-01-02T03:04:05Z stdout F b\n");
    let files = bench.start(bench.pods());
    bench.until_lines(&["a", "b"]).await;
    fs::remove_dir_all(bench.dir.path().join("logs/pods/shop_web_1")).unwrap();
    eventually(&files, || files.status().len() <= 1).await;
    append(&other, "2026-01-02T03:04:05Z stdout F c\n");
    bench.until_lines(&["a", "b", "c"]).await;
    fs::remove_dir_all(bench.dir.path().join("logs")).unwrap();
    eventually(&files, || files.status().is_empty()).await;
    append(&bench.path("pods/shop_web_3/app/0.log"), "2026-01-02T03:04:05Z stdout F d\n");
    bench.until_lines(&["a", "b", "c", "d"]).await;
    files.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_the_sink_stands() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    let checkpoint = bench.dir.path().join("state/files.json");
    append(&path, "one\ntwo\n");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one", "two"]).await;
    // As after a crash: the offset saved is older than what the sink has.
    let before = fs::read(&checkpoint).unwrap();
    append(&path, "three\n");
    bench.until_lines(&["one", "two", "three"]).await;
    files.stop().await;
    fs::write(&checkpoint, before).unwrap();
    append(&path, "four\n");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one", "two", "three", "four"]).await;
    files.stop().await;
    // And a file that was rotated while nobody looked.
    fs::rename(&path, bench.path("app.log.1")).unwrap();
    append(&bench.path("app.log.1"), "five\n");
    append(&path, "six\n");
    let files = bench.start(bench.text("app.log*"));
    bench.until_lines(&["one", "two", "three", "four", "five", "six"]).await;
    assert_eq!(sources(&bench.sink.kept()).len(), 2);
    files.stop().await;
}

#[tokio::test]
async fn a_file_replaced_while_nobody_looked_is_read_from_its_start() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    append(&path, "one\ntwo\n");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one", "two"]).await;
    files.stop().await;
    fs::write(&path, "other\nlines, longer than before\n").unwrap();
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one", "two", "other", "lines, longer than before"]).await;
    files.stop().await;
}

#[tokio::test]
async fn a_damaged_checkpoint_is_named_not_guessed_around() {
    let bench = Bench::new();
    let checkpoint = bench.dir.path().join("state/files.json");
    fs::write(&checkpoint, "{").unwrap();
    let result = Files::start(Options {
        inputs: Vec::new(),
        sink: bench.sink.clone(),
        fs: Arc::new(OsFs),
        checkpoint,
        clock: Arc::new(FixedClock),
        metrics: Metrics::default(),
        tuning: tuning(),
    });
    assert!(result.unwrap_err().is_damaged_checkpoint());
}

#[tokio::test]
async fn nothing_is_delivered_before_its_source_is_in_the_checkpoint() {
    let mut registry = prometheus_client::registry::Registry::default();
    let bench = Bench { metrics: Metrics::register(&mut registry), ..Bench::new() };
    fs::remove_dir(bench.dir.path().join("state")).unwrap();
    append(&bench.path("app.log"), "one\n");
    let files = bench.start(bench.text("app.log"));
    let failed = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.contains(r#"parapet_collect_file_errors_total{reason="checkpoint"}"#)
    };
    eventually(&files, failed).await;
    assert_eq!(bench.sink.attempts(), 0);
    fs::create_dir(bench.dir.path().join("state")).unwrap();
    bench.until_lines(&["one"]).await;
    let (source, _) = bench.sink.kept()[0].source.unwrap();
    let checkpoint = fs::read_to_string(bench.dir.path().join("state/files.json")).unwrap();
    assert!(checkpoint.contains(&format!("{:016x}", source.0)));
    files.stop().await;
}

#[tokio::test]
async fn gauges_of_files_that_are_gone_are_gone_too() {
    let mut registry = prometheus_client::registry::Registry::default();
    let bench = Bench { metrics: Metrics::register(&mut registry), ..Bench::new() };
    let path = bench.path("app.log");
    append(&path, "one\nunfinished");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one"]).await;
    let lag = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find(|line| line.starts_with("parapet_collect_file_lag_bytes{"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    eventually(&files, || lag() == Some(10)).await;
    fs::remove_file(&path).unwrap();
    bench.until_lines(&["one", "unfinished"]).await;
    eventually(&files, || lag().is_none()).await;
    files.stop().await;
}

#[tokio::test]
async fn a_busy_sink_stops_reading_and_loses_nothing() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    bench.sink.set_busy(true);
    let line = "x".repeat(1023) + "\n";
    append(&path, line.repeat(4096));
    let tuning = Tuning { batch_bytes: 64 << 10, in_flight_bytes: 128 << 10, ..tuning() };
    let files = bench.start_tuned(bench.text("app.log"), tuning);
    bench.sink.until_attempts(4).await;
    let status = files.status();
    assert_eq!((status.len(), status[0].lag_bytes), (1, 4 << 20));
    assert!(matches!(status[0].state, SourceState::Waiting | SourceState::Reading));
    assert!(status[0].oldest_unread_age_seconds.is_some());
    bench.sink.set_busy(false);
    let kept = bench.sink.until(|kept| bodies(kept).len() >= 4096).await;
    assert_eq!(bodies(&kept).len(), 4096);
    assert_eq!(sources(&kept).into_values().next_back().unwrap().last(), Some(&(4 << 20)));
    eventually(&files, || files.status()[0].state == SourceState::Idle).await;
    assert_eq!(files.status()[0].oldest_unread_age_seconds, None);
    files.stop().await;
}

#[tokio::test]
async fn refused_batches_are_read_again_from_the_same_offset() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    let busy = || DeliveryError::Busy { reason: "wal", retry_after: Duration::from_millis(1) };
    for _ in 0..3 {
        bench.sink.script(Script::Refuse(busy()));
    }
    append(&path, "one\ntwo\n");
    let files = bench.start(bench.text("app.log"));
    bench.until_lines(&["one", "two"]).await;
    assert_eq!(bench.sink.attempts(), 4);
    files.stop().await;
}

#[tokio::test]
async fn a_line_of_100_mb_is_cut_and_what_follows_is_read() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    let chunk = vec![b'z'; 1 << 20];
    append(&path, "before\n");
    for _ in 0..100 {
        append(&path, &chunk);
    }
    let files = bench.start(bench.text("app.log"));
    // Cut before its end is known.
    let kept = bench.sink.until(|kept| bodies(kept).len() >= 2).await;
    let Batch::Logs(groups) = &kept.last().unwrap().batch else { panic!() };
    let record = groups[0].records.last().unwrap();
    assert_eq!(record.body.as_str().unwrap().len(), 1 << 20);
    assert_eq!(record.attributes.get("log.truncated"), Some(&Value::Bool(true)));
    files.stop().await;
    // The rest is skipped by whoever goes on, too.
    append(&path, &chunk);
    append(&path, "\nafter\n");
    let files = bench.start(bench.text("app.log"));
    let kept = bench.sink.until(|kept| bodies(kept).len() >= 3).await;
    assert_eq!(bodies(&kept)[2], "after");
    assert_eq!(bodies(&kept).len(), 3);
    files.stop().await;
}

#[tokio::test]
async fn docker_files_are_read_like_those_of_pods() {
    let bench = Bench::new();
    let path = bench.path("docker/4f0c/4f0c-json.log");
    let line = |log: &str, stream: &str| {
        format!("{{\"log\":\"{log}\",\"stream\":\"{stream}\",\"time\":\"2026-01-02T03:04:05.000000007Z\"}}\n")
    };
    append(&path, line("one\\n", "stdout") + &line("split in ", "stdout") + &line("failed\\n", "stderr"));
    append(&path, line("two\\n", "stdout") + "{\"log\":\"cut");
    let files = bench.start(bench.text("docker/*/*-json.log"));
    bench.until_lines(&["one", "split in two", "failed"]).await;
    append(&path, " off\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05Z\"}\nplain\n");
    bench.until_lines(&["one", "split in two", "failed", "cut off", "plain"]).await;
    let kept = bench.sink.kept();
    sources(&kept);
    let Batch::Logs(groups) = &kept[0].batch else { panic!() };
    let records = &groups[0].records;
    assert_eq!(records[0].time.0, 1_767_323_045_000_000_007);
    let stream_of = |body: &str| {
        let record = records.iter().find(|record| record.body.as_str() == Some(body)).unwrap();
        record.attributes.get_str("log.iostream")
    };
    assert_eq!((stream_of("split in two"), stream_of("failed")), (Some("stdout"), Some("stderr")));
    files.stop().await;
}

#[tokio::test]
async fn parts_that_never_end_are_flushed_in_time() {
    let bench = Bench::new();
    let path = bench.path("pods/shop_web_1/app/0.log");
    append(&path, "2026-01-02T03:04:05Z stdout F a\n2026-01-02T03:04:05Z stdout P b\n");
    let files = bench.start(bench.pods());
    bench.until_lines(&["a", "b"]).await;
    files.stop().await;
}

#[tokio::test]
async fn more_files_than_handles_are_all_read() {
    let bench = Bench::new();
    let mut expect = Vec::new();
    for number in 0..20 {
        append(&bench.path(&format!("{number}.log")), format!("line {number}\n"));
        expect.push(format!("line {number}"));
    }
    let files = bench.start_tuned(bench.text("*.log"), Tuning { max_open: 3, ..tuning() });
    bench.until_lines(&expect.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for number in 0..20 {
        append(&bench.path(&format!("{number}.log")), format!("again {number}\n"));
        expect.push(format!("again {number}"));
    }
    bench.until_lines(&expect.iter().map(String::as_str).collect::<Vec<_>>()).await;
    files.stop().await;
}

#[tokio::test]
async fn traffic_events_arrive_and_bad_lines_are_counted() {
    let bench = Bench::new();
    let path = bench.path("gw_traffic.log");
    let line = r#"{"timestamp":1700000000123,"correlationId":"a1","circuitPath":[]}"#;
    append(&path, format!("{line}\nnonsense\n{line}\n"));
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Metrics::register(&mut registry);
    let bench = Bench { metrics, ..bench };
    let options = opentraffic::Options { gateway_name: Some("gw".into()), gateway_region: None };
    let files = bench.start(opentraffic::input(bench.pattern("*_traffic*.log"), options));
    let kept = bench.sink.until(|kept| !kept.is_empty()).await;
    let Batch::Traffic(events) = &kept[0].batch else { panic!() };
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].gateway_name.as_deref(), Some("gw"));
    files.stop().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let counted = r#"parapet_collect_refused_records_total{source="open_traffic",signal="traffic",reason="not_json"} 1"#;
    assert!(text.contains(counted), "{text}");
    assert!(
        text.contains(r#"parapet_collect_accepted_records_total{source="open_traffic",signal="traffic"} 2"#)
    );
}

/// Kills the reader (by dropping it with work under way) again and again while files are written and rotated: the sink
/// ends up with every line exactly once.
#[tokio::test]
async fn restarts_at_any_moment_keep_every_line_exactly_once() {
    let bench = Bench::new();
    let path = bench.path("app.log");
    let checkpoint = bench.dir.path().join("state/files.json");
    let mut number = 0;
    let mut stale = None;
    for round in 0..12 {
        for _ in 0..500 {
            append(&path, format!("{number}\n"));
            number += 1;
        }
        if round % 4 == 3 {
            fs::rename(&path, bench.path(&format!("app.log.{round}"))).unwrap();
        }
        let busy = DeliveryError::Busy { reason: "wal", retry_after: Duration::from_millis(1) };
        bench.sink.script(Script::Refuse(busy));
        let tuning = Tuning { batch_bytes: 512, in_flight_bytes: 1024, ..tuning() };
        let before = bench.sink.attempts();
        let files = bench.start_tuned(bench.text("app.log*"), tuning);
        bench.sink.until_attempts(before + 1 + round % 3).await;
        files.stop().await;
        // A crash leaves any checkpoint since the file was found.
        if round % 2 == 0 {
            stale = Some(fs::read(&checkpoint).unwrap());
        } else if round % 4 == 1 {
            fs::write(&checkpoint, stale.take().unwrap()).unwrap();
        }
    }
    let files = bench.start(bench.text("app.log*"));
    let kept = bench.sink.until(|kept| bodies(kept).len() >= number).await;
    let mut found: Vec<usize> = bodies(&kept).iter().map(|line| line.parse().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..number).collect::<Vec<_>>());
    sources(&kept);
    files.stop().await;
}
