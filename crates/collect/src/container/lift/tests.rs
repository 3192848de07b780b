use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[track_caller]
fn check(body: &str, number: SeverityNumber, text: &str) {
    let lifted = lift(body);
    assert_eq!((lifted.severity_number, lifted.severity_text.as_str()), (number, text), "{body}");
}

#[track_caller]
fn check_none(body: &str) {
    check(body, SeverityNumber::UNSPECIFIED, "");
}

#[track_caller]
fn check_ids(body: &str, trace: Option<&str>, span: Option<&str>) {
    let lifted = lift(body);
    let ids = (lifted.trace_id.map(|id| id.to_hex()), lifted.span_id.map(|id| id.to_hex()));
    assert_eq!((ids.0.as_deref(), ids.1.as_deref()), (trace, span), "{body}");
}

#[test]
fn json_states_its_level_under_a_known_key() {
    check(r#"{"level":"warn","msg":"x"}"#, SeverityNumber::WARN, "warn");
    check(r#"  {"level":"warn","msg":"x"} "#, SeverityNumber::WARN, "warn");
    check(r#"{"level":"info","severity":"ERROR"}"#, SeverityNumber::ERROR, "ERROR");
    check(r#"{"severity":"ERROR","level":"info"}"#, SeverityNumber::ERROR, "ERROR");
    check(r#"{"level":"info","level":"error"}"#, SeverityNumber::INFO, "info");
    check(r#"{"lvl":"dbg"}"#, SeverityNumber::DEBUG, "dbg");
    check(r#"{"level":"odd"}"#, SeverityNumber::UNSPECIFIED, "odd");
    check(r#"{"level":50}"#, SeverityNumber::ERROR, "50");
    check(r#"{"level":{"a":1},"lvl":"info"}"#, SeverityNumber::INFO, "info");
    check(r#"{"log.level":"fatal"}"#, SeverityNumber::FATAL, "fatal");
    check(r#"{"levelname":"WARNING"}"#, SeverityNumber::WARN, "WARNING");
    check(r#"{"@t":"…","@l":"Verbose"}"#, SeverityNumber::TRACE, "Verbose");
    check(r#"{"level":"\u0069nfo"}"#, SeverityNumber::INFO, "info");
    for nothing in [r#"{"level":"warn""#, r#"{"level":null}"#, r#"{"level":""}"#, r#"{"level":7}"#, "{}", "{"]
    {
        check_none(nothing);
    }
    check_none(&format!(r#"{{"level":"{}"}}"#, "x".repeat(33)));
}

#[test]
fn lines_of_pairs_state_their_level() {
    check("level=warn msg=x", SeverityNumber::WARN, "warn");
    check(r#"time="2026-11-21T09:00:00Z" level=error msg="level=info""#, SeverityNumber::ERROR, "error");
    check(r#"ts=1 caller=a.go:1 level="info" msg=y"#, SeverityNumber::INFO, "info");
    check("2026-11-21 09:00:00 level=debug x=1", SeverityNumber::DEBUG, "debug");
    check("lvl=eror severity=warn", SeverityNumber::WARN, "warn");
    check_none(r#"msg="said \" level=error" x=1"#);
    check_none("the user set level=error for the logger");
    check_none("GET /search?level=error HTTP/1.1");
    check_none("sublevel=error");
    check_none("level=");
}

#[test]
fn lines_of_text_start_with_their_level() {
    for (body, number, text) in [
        ("INFO started", SeverityNumber::INFO, "INFO"),
        ("ERROR", SeverityNumber::ERROR, "ERROR"),
        ("  WARN  indented", SeverityNumber::WARN, "WARN"),
        ("WARNING:root:watch out", SeverityNumber::WARN, "WARNING"),
        ("error: no such file", SeverityNumber::ERROR, "error"),
        ("info: Microsoft.Hosting.Lifetime[14]", SeverityNumber::INFO, "info"),
        ("panic: runtime error: index out of range", SeverityNumber::FATAL, "panic"),
        ("[error] x", SeverityNumber::ERROR, "error"),
        ("[ WARN ] x", SeverityNumber::WARN, "WARN"),
        ("2026-11-21T09:00:00.123Z INFO app: up", SeverityNumber::INFO, "INFO"),
        ("2026-11-21 09:00:00,123 ERROR [main] c.e.App - x", SeverityNumber::ERROR, "ERROR"),
        ("2026-11-21 09:00:00.123 UTC [1] FATAL:  x", SeverityNumber::FATAL, "FATAL"),
        ("09:00:00.123 [http-1] WARN  c.e.App - x", SeverityNumber::WARN, "WARN"),
        ("2026-11-21T09:00:00Z  INFO 1 --- [main] x", SeverityNumber::INFO, "INFO"),
        ("2026/11/21 09:00:00 [error] 7#7: *1 x", SeverityNumber::ERROR, "error"),
        ("21-Nov-2026 09:00:00.123 SEVERE [main] x", SeverityNumber::ERROR, "SEVERE"),
        ("INFO    14/Nov/2023:22:13:20.110 [7a3f:0] x", SeverityNumber::INFO, "INFO"),
        ("[09:00:00 INF] x", SeverityNumber::INFO, "INF"),
        ("9:04AM WRN x", SeverityNumber::WARN, "WRN"),
        ("2026-11-21 09:00:00 | DEBUG    | a:b:1 - x", SeverityNumber::DEBUG, "DEBUG"),
        ("2026-11-21 09:00:00 - app - x", SeverityNumber::UNSPECIFIED, ""),
        ("2026-11-21T09:00:00.123Z\tinfo\tmain.go:12\tx", SeverityNumber::INFO, "info"),
        ("\u{1b}[2m2026-11-21T09:00:00Z\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m x", SeverityNumber::WARN, "WARN"),
        ("I1121 09:00:00.123456       1 main.go:12] x", SeverityNumber::INFO, "I"),
        ("F1121 09:00:00.123456       1 main.go:12] x", SeverityNumber::FATAL, "F"),
    ] {
        check(body, number, text);
    }
}

#[test]
fn what_only_mentions_a_level_states_none() {
    for body in [
        "",
        "plain",
        "error opening the file",
        "Info about this release",
        "an ERROR occurred",
        "INFORMATIONAL text",
        "ERROR_CODE 7",
        "errors: 3",
        "404 ERROR",
        "started ERROR handler",
        "10.0.0.9 - - [21/Nov/2026:09:00:00 +0000] \"GET /error HTTP/1.1\" 200",
        "Error",
        "E1121 is a food additive",
        "I1121 am not klog at:all]",
        "[main] starting",
        "    at com.example.Error.main(Error.java:1)",
        "[1]",
    ] {
        check_none(body);
    }
    check("first line\nERROR second line", SeverityNumber::UNSPECIFIED, "");
}

#[test]
fn ids_are_found_in_json_and_in_pairs() {
    let both = (Some(TRACE), Some(SPAN));
    for body in [
        format!(r#"{{"trace_id":"{TRACE}","spanId":"{SPAN}"}}"#),
        format!(r#"{{"trace.id":"{TRACE}","span.id":"{SPAN}"}}"#),
        format!(r#"{{"traceparent":"00-{TRACE}-{SPAN}-01"}}"#),
        format!(r#"{{"traceparent":"00-{TRACE}-{SPAN}-01","span_id":"{SPAN}","trace_id":7}}"#),
        format!("level=info trace_id={TRACE} span_id={SPAN}"),
        format!(r#"INFO paid order="7" trace_id="{TRACE}" span_id="{SPAN}""#),
        format!("ERROR [trace_id={TRACE}, span_id={SPAN}, trace_flags=01] c.e.App - x"),
        format!("INFO request{{trace_id={TRACE} span_id={SPAN}}}: x"),
        format!("done traceparent=00-{TRACE}-{SPAN}-01"),
    ] {
        check_ids(&body, both.0, both.1);
    }
    check_ids(&format!("trace_id={TRACE}"), Some(TRACE), None);
    // A span says nothing of a trace that is another.
    let other = "0af7651916cd43dd8448eb211c80319c";
    check_ids(&format!("trace_id={other} traceparent=00-{TRACE}-{SPAN}-01"), Some(other), None);
    for nothing in [
        r#"{"trace_id":"xyz","span_id":7}"#.to_owned(),
        format!("trace_id: {TRACE}"),
        format!("my_trace_id={TRACE}"),
        format!("trace_id={TRACE}0"),
        format!("trace_id={}", "0".repeat(32)),
        format!("first line\ntrace_id={TRACE}"),
    ] {
        check_ids(&nothing, None, None);
    }
}

#[test]
fn only_the_start_of_a_long_line_is_looked_at() {
    let far = format!("INFO {} trace_id={TRACE}", "é".repeat(MAX_SCANNED));
    check(&far, SeverityNumber::INFO, "INFO");
    check_ids(&far, None, None);
}

proptest! {
    #[test]
    fn any_text_is_read(body in prop_oneof![any::<String>(), "[\\[\\]<>{}=\"\\\\ \t\n\u{1b}m:0-9-]{0,60}"]) {
        lift(&body);
    }

    /// Pieces of real lines in any order: the places where a parser trips.
    #[test]
    fn pieces_of_lines_are_read(pieces in prop::collection::vec(prop::sample::select(vec![
        "INFO", "error", ":", " ", "\t", "[", "]", "level", "=", "\"", "\\", "trace_id", TRACE, "é", "\u{1b}[", "m",
        "2026-11-21", "T09:00:00Z", "I1121", "{", "}", ",", "\n",
    ]), 0..20)) {
        lift(&pieces.concat());
    }

    /// What a logger writes around a level and the ids changes none of them.
    #[test]
    fn what_a_logfmt_logger_states_is_found(
        before in prop::collection::vec("[a-k]{1,6}=([a-z0-9]{0,6}|\"[a-z =]{0,9}\")", 0..4),
        (level, number) in prop::sample::select(vec![
            ("debug", SeverityNumber::DEBUG), ("info", SeverityNumber::INFO), ("error", SeverityNumber::ERROR),
        ]),
        trace in any::<[u8; 16]>().prop_filter("not all zero", |id| *id != [0; 16]),
        after in "( msg=\"[a-z =\\[\\]]{0,20}\")?",
    ) {
        let trace = TraceId::from_bytes(&trace).unwrap();
        let line = format!("{} level={level} trace_id={trace}{after}", before.join(" "));
        let lifted = lift(&line);
        prop_assert_eq!((lifted.severity_number, lifted.trace_id), (number, Some(trace)), "{}", line);
    }
}
