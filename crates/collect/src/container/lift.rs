//! Severity and trace context from bodies that are JSON objects.

use std::borrow::Cow;

use parapet_signal::{SeverityNumber, SpanId, TraceId};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Lifted {
    pub(super) severity_number: SeverityNumber,
    pub(super) severity_text: String,
    pub(super) trace_id: Option<TraceId>,
    pub(super) span_id: Option<SpanId>,
}

/// Nothing, if the body is no JSON object.
pub(super) fn lift(body: &str) -> Lifted {
    if !body.starts_with('{') {
        return Lifted::default();
    }
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(body) else { return Lifted::default() };
    let levels = [fields.severity_text, fields.severity, fields.level, fields.lvl, fields.ecs_level];
    let (severity_number, severity_text) =
        levels.into_iter().flatten().find_map(severity).unwrap_or_default();
    let text = |field: Option<&RawValue>| field.and_then(string).and_then(|text| text.parse().ok());
    let trace_id = text(fields.trace_id.or(fields.trace_id_camel).or(fields.ecs_trace_id));
    let span = fields.span_id.or(fields.span_id_camel).or(fields.ecs_span_id);
    let span_id = span.and_then(string).and_then(|text| text.parse().ok());
    Lifted { severity_number, severity_text, trace_id, span_id }
}

/// The keys that loggers commonly use. Raw, so that a value of another type hides nothing else.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    severity_text: Option<&'a RawValue>,
    #[serde(borrow)]
    severity: Option<&'a RawValue>,
    #[serde(borrow)]
    level: Option<&'a RawValue>,
    #[serde(borrow)]
    lvl: Option<&'a RawValue>,
    #[serde(borrow, rename = "log.level")]
    ecs_level: Option<&'a RawValue>,
    #[serde(borrow)]
    trace_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "traceId")]
    trace_id_camel: Option<&'a RawValue>,
    #[serde(borrow, rename = "trace.id")]
    ecs_trace_id: Option<&'a RawValue>,
    #[serde(borrow)]
    span_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "spanId")]
    span_id_camel: Option<&'a RawValue>,
    #[serde(borrow, rename = "span.id")]
    ecs_span_id: Option<&'a RawValue>,
}

/// Longer than any level's name; a sentence under such a key is no level.
const MAX_LEVEL_BYTES: usize = 32;

fn severity(field: &RawValue) -> Option<(SeverityNumber, String)> {
    if let Some(text) = string(field) {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() <= MAX_LEVEL_BYTES;
        return fits.then(|| (SeverityNumber::from_name(text).unwrap_or_default(), text.to_owned()));
    }
    // Numbers as pino and bunyan write them.
    let number = match field.get() {
        "10" => SeverityNumber::TRACE,
        "20" => SeverityNumber::DEBUG,
        "30" => SeverityNumber::INFO,
        "40" => SeverityNumber::WARN,
        "50" => SeverityNumber::ERROR,
        "60" => SeverityNumber::FATAL,
        _ => return None,
    };
    Some((number, field.get().to_owned()))
}

fn string(field: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(field.get()).ok().map(|Text(text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_ids_are_lifted() {
        let check = |body: &str, number: SeverityNumber, text: &str| {
            let lifted = lift(body);
            assert_eq!((lifted.severity_number, lifted.severity_text.as_str()), (number, text), "{body}");
        };
        check(r#"{"level":"warn","msg":"x"}"#, SeverityNumber::WARN, "warn");
        check(r#"{"severity":"ERROR","level":"info"}"#, SeverityNumber::ERROR, "ERROR");
        check(r#"{"lvl":"dbg"}"#, SeverityNumber::UNSPECIFIED, "dbg");
        check(r#"{"level":50}"#, SeverityNumber::ERROR, "50");
        check(r#"{"level":{"a":1},"lvl":"info"}"#, SeverityNumber::INFO, "info");
        check(r#"{"log.level":"fatal"}"#, SeverityNumber::FATAL, "fatal");
        for nothing in ["", "level=warn", r#"{"level":"warn""#, r#"{"level":null}"#, "[1]", r#"{"level":""}"#]
        {
            check(nothing, SeverityNumber::UNSPECIFIED, "");
        }
        let ids = lift(r#"{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7"}"#);
        assert_eq!(ids.trace_id.unwrap().to_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(ids.span_id.unwrap().to_hex(), "00f067aa0ba902b7");
        assert_eq!(lift(r#"{"trace_id":"xyz","span_id":7}"#), Lifted::default());
    }
}
