use parapet_signal::SeverityNumber;
use proptest::prelude::*;

use super::*;

const NOW: UnixNanos = UnixNanos(1_767_323_045_000_000_000);
const PATH: &str = "/var/log/pods/shop_web_1/app/0.log";

fn records(text: &[u8], options: &Options) -> Vec<LogRecord> {
    match decode(Path::new(PATH), text, options, NOW) {
        Batch::Logs(groups) => groups.into_iter().flat_map(|group| group.records).collect(),
        other => panic!("{other:?}"),
    }
}

fn bodies(text: &str, options: &Options) -> Vec<String> {
    records(text.as_bytes(), options).iter().map(|record| record.body.to_text()).collect()
}

fn joined(pattern: &str) -> Options {
    Options { first_line: Some(Regex::new(pattern).unwrap()), ..Options::default() }
}

#[test]
fn partial_lines_are_joined_per_stream() {
    let text = "2026-01-02T03:04:05Z stdout P a\n\
                2026-01-02T03:04:06Z stderr P x\n\
                2026-01-02T03:04:07Z stdout F b\n\
                2026-01-02T03:04:08Z stderr F y\n";
    let found = records(text.as_bytes(), &Options::default());
    let check = |record: &LogRecord, body, stream, time| {
        assert_eq!(record.body.as_str(), Some(body));
        assert_eq!(record.attributes.get_str("log.iostream"), Some(stream));
        assert_eq!(record.attributes.get_str("log.file.path"), Some(PATH));
        assert_eq!((record.time.0, record.observed_time), (time, NOW));
    };
    assert_eq!(found.len(), 2);
    check(&found[0], "ab", "stdout", NOW.0);
    check(&found[1], "xy", "stderr", NOW.0 + 1_000_000_000);
}

#[test]
fn formats_may_change_from_line_to_line() {
    let text = "2026-01-02T03:04:05Z stdout F cri\n{\"log\":\"docker\\n\",\"stream\":\"stdout\",\
                \"time\":\"2026-01-02T03:04:05Z\"}\n\nplain\n";
    assert_eq!(bodies(text, &Options::default()), ["cri", "docker", "plain"]);
}

#[test]
fn lines_are_joined_by_their_first_line_and_bounded() {
    let options = joined("^[0-9]{4}-");
    assert_eq!(
        bodies("lost\n2026-1 a\n  at b\n\n  at c\n2026-1 d\n", &options),
        ["lost", "2026-1 a\n  at b\n\n  at c", "2026-1 d"]
    );
    let long = format!("2026- x\n{}", "y\n".repeat(1500));
    let found = records(long.as_bytes(), &options);
    let marked: Vec<_> =
        found.iter().map(|record| record.attributes.get("log.truncated").is_some()).collect();
    assert_eq!(marked, [true, false]);
    let lines: usize = found.iter().map(|record| record.body.as_str().unwrap().lines().count()).sum();
    assert_eq!(lines, 1501);
}

#[test]
fn a_joined_line_is_cut_at_its_bound_and_marked() {
    let part = format!("2026-01-02T03:04:05Z stdout P {}\n", "z".repeat(16_384));
    let text = part.repeat(100) + "2026-01-02T03:04:05Z stdout F end\n";
    let found = records(text.as_bytes(), &Options::default());
    let sizes: Vec<_> = found.iter().map(|record| record.body.as_str().unwrap().len()).collect();
    assert_eq!(sizes, [64 * 16_384, 36 * 16_384 + 3]);
    assert!(sizes[0] <= join::MAX_RECORD_BYTES);
    assert_eq!(found[0].attributes.get("log.truncated"), Some(&Value::Bool(true)));
    assert_eq!(found[1].attributes.get("log.truncated"), None);
}

#[test]
fn bytes_that_are_not_utf8_are_kept_and_marked() {
    let found = records(b"2026-01-02T03:04:05Z stdout F a\xffb\n", &Options::default());
    assert_eq!(found[0].body.as_str(), Some("a\u{fffd}b"));
    assert_eq!(found[0].attributes.get("log.utf8_invalid"), Some(&Value::Bool(true)));
    assert_eq!(found[0].attributes.get("log.body.bytes"), Some(&Value::Bytes(b"a\xffb".to_vec())));
}

#[test]
fn resource_and_severity() {
    let options = Options { resource: Attributes::new().with("host.name", "node-1"), ..Options::default() };
    let text = b"2026-01-02T03:04:05Z stdout F {\"level\":\"error\",\"msg\":\"x\"}\n";
    let Batch::Logs(groups) = decode(Path::new(PATH), text, &options, NOW) else { unreachable!() };
    assert_eq!(groups[0].resource.attributes.get_str("host.name"), Some("node-1"));
    assert_eq!(groups[0].resource.attributes.get_str("service.name"), Some("app"));
    let record = &groups[0].records[0];
    assert_eq!((record.severity_number, record.severity_text.as_str()), (SeverityNumber::ERROR, "error"));
    assert_eq!(record.body.as_str(), Some(r#"{"level":"error","msg":"x"}"#));
}

/// The joiner as one would write it down: per stream, concatenate until a final part.
fn oracle(lines: &[(bool, bool, String)]) -> Vec<String> {
    let mut open: [Option<String>; 2] = [None, None];
    let mut done = Vec::new();
    for (stderr, partial, text) in lines {
        let slot = &mut open[usize::from(*stderr)];
        let whole = slot.take().unwrap_or_default() + text;
        if *partial { *slot = Some(whole) } else { done.push(whole) }
    }
    done.extend(open.into_iter().flatten());
    done
}

proptest! {
    #[test]
    fn the_joiner_agrees_with_the_oracle(
        lines in prop::collection::vec((any::<bool>(), any::<bool>(), "[a-z ]{0,6}"), 0..30)
    ) {
        let text: String = lines
            .iter()
            .map(|(stderr, partial, text)| {
                let stream = if *stderr { "stderr" } else { "stdout" };
                let tag = if *partial { "P" } else { "F" };
                format!("2026-01-02T03:04:05Z {stream} {tag} {text}\n")
            })
            .collect();
        prop_assert_eq!(bodies(&text, &Options::default()), oracle(&lines));
    }

    /// Wherever batches are cut, the same records come out, each once.
    #[test]
    fn cutting_into_batches_changes_nothing(
        lines in prop::collection::vec((any::<bool>(), any::<bool>(), "[A-C]?[a-z]{0,3}"), 1..25),
        batch in 1usize..6,
        multi in any::<bool>(),
    ) {
        let options = if multi { joined("^[A-C]") } else { Options::default() };
        let encoded: Vec<String> = lines
            .iter()
            .map(|(stderr, partial, text)| {
                let stream = if *stderr { "stderr" } else { "stdout" };
                let tag = if *partial { "P" } else { "F" };
                format!("2026-01-02T03:04:05Z {stream} {tag} {text}\n")
            })
            .collect();
        let mut whole = bodies(&encoded.concat(), &options);
        let mut decoder = LogDecoder::new(Path::new(PATH), &options);
        let (mut from, mut offset, mut found) = (0, 0, Vec::new());
        let mut wanted = batch;
        while from < encoded.len() {
            let mut at = offset;
            let to = (from + wanted).min(encoded.len());
            for line in &encoded[from..to] {
                let span = at..at + line.len() as u64;
                at = span.end;
                decoder.line(line.trim_end_matches('\n').as_bytes(), span, false, NOW);
            }
            if to == encoded.len() {
                decoder.flush();
            }
            let position = crate::files::cut(offset, at, decoder.pending(), decoder.spans());
            let Batch::Logs(groups) = decoder.take(position).batch else { unreachable!() };
            found.extend(groups.into_iter().flat_map(|group| group.records).map(|record| record.body.to_text()));
            if position == offset {
                wanted += 1;
                continue;
            }
            while offset < position {
                offset += encoded[from].len() as u64;
                from += 1;
            }
            wanted = batch;
        }
        whole.sort();
        found.sort();
        prop_assert_eq!(found, whole);
    }

    /// What is lifted out of a body stays in it.
    #[test]
    fn the_body_is_what_was_written(
        level in prop::sample::select(vec!["INFO ", "[error]", "level=warn", "I0102 03:04:05.1 1 a.go:1]", "{\"level\":50"]),
        rest in "[ -~é\t]{0,40}",
    ) {
        let body = format!("{level}{rest}");
        let found = records(format!("2026-01-02T03:04:05Z stdout F {body}\n").as_bytes(), &Options::default());
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].body.as_str(), Some(body.as_str()));
        prop_assert_eq!(found[0].time, NOW);
    }

    #[test]
    fn any_bytes_decode(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        records(&bytes, &joined("a"));
    }
}
