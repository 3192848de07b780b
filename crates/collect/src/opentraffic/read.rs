//! One line to one event.

use std::borrow::Cow;

use parapet_signal::{TraceId, TrafficEvent, TrafficKind, UnixNanos};
use serde_json::{Map, Value};

use super::{BadLine, Options, secrets};

pub(super) fn event(line: &[u8], options: &Options) -> Result<TrafficEvent, BadLine> {
    let Ok(Value::Object(mut line)) = serde_json::from_slice(line) else { return Err(BadLine::NotJson) };
    let time = integer(line.remove("timestamp").as_ref()).ok_or(BadLine::NoTimestamp)?;
    let correlation_id = match line.remove("correlationId") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => return Err(BadLine::NoCorrelationId),
    };
    let mut event = TrafficEvent::new(TrafficKind::Summary, UnixNanos::from_millis(time), correlation_id);
    event.gateway_name.clone_from(&options.gateway_name);
    event.gateway_region.clone_from(&options.gateway_region);
    if let Some(Value::Object(mut process)) = line.remove("processInfo") {
        event.hostname = take_text(&mut process, "hostname");
        event.group_id = take_text(&mut process, "groupId");
        event.group_name = take_text(&mut process, "groupName");
        event.service_id = take_text(&mut process, "serviceId");
        event.gateway_version = take_text(&mut process, "version");
    }
    if let Some(Value::Object(leg)) = line.get_mut("transactionElement") {
        read_leg(leg, &mut event);
    } else if let Some(Value::Object(summary)) = line.get_mut("transactionSummary") {
        read_summary(summary, &mut event);
    } else if let Some(Value::Array(_)) = line.get("circuitPath") {
        event.kind = TrafficKind::CircuitPath;
    } else {
        return Err(BadLine::UnknownKind);
    }
    event.event = Value::Object(line).to_string();
    Ok(event)
}

/// Work of the gateway itself, which belongs to no transaction.
fn is_background(correlation_id: &str) -> bool {
    correlation_id.bytes().all(|byte| byte == b'0')
}

fn read_summary(summary: &mut Map<String, Value>, event: &mut TrafficEvent) {
    mask_uri(summary, "path");
    event.path = text(summary, "path");
    event.protocol = text(summary, "protocol");
    event.protocol_src = text(summary, "protocolSrc");
    event.final_status = text(summary, "status").map(final_status);
    if let Some(context) = summary.get("serviceContexts").and_then(|contexts| contexts.get(0)?.as_object()) {
        event.service = text(context, "service");
        event.operation = text(context, "method");
        event.app = text(context, "app");
        event.app_org = text(context, "org");
        event.monitored = context.get("monitor").and_then(Value::as_bool);
        event.duration_ms = duration(context);
    }
    let nameless = event.path.is_none() && event.protocol.is_none() && event.protocol_src.is_none();
    if nameless && !is_background(&event.correlation_id) {
        event.kind = TrafficKind::ScheduledPolicy;
        event.service.get_or_insert_with(|| String::from("Scheduled policy"));
        event.operation.get_or_insert_with(|| String::from("N/A"));
        event.final_status.get_or_insert_with(|| String::from("Pass"));
    }
}

fn read_leg(leg: &mut Map<String, Value>, event: &mut TrafficEvent) {
    event.kind = TrafficKind::Leg;
    event.leg = small(leg.get("leg"));
    event.duration_ms = duration(leg);
    event.service = text(leg, "serviceName");
    event.operation = text(leg, "operation");
    if let Some(Value::Object(info)) = leg.get_mut("protocolInfo") {
        read_headers(info, event);
        if let Some(Value::Object(http)) = info.get_mut("http") {
            mask_uri(http, "uri");
            event.path = text(http, "uri");
            event.http_status = small(http.get("status"));
            event.http_method = text(http, "method");
            event.http_vhost = text(http, "vhost");
            event.bytes_sent = integer(http.get("bytesSent"));
            event.bytes_received = integer(http.get("bytesReceived"));
            event.remote_addr = text(http, "remoteAddr");
            event.local_addr = text(http, "localAddr");
            event.auth_subject_id = text(http, "authSubjectId");
        } else if let Some(Value::Object(jms)) = info.get("jms") {
            event.protocol = Some(String::from("jms"));
            event.protocol_src = text(jms, "jmsDestination");
            event.auth_subject_id = text(jms, "authSubjectId");
        } else if let Some(Value::Object(transfer)) = info.get("fileTransfer") {
            event.protocol = text(transfer, "serviceType");
            event.path = text(transfer, "uploadFile");
            event.remote_addr = text(transfer, "remoteAddr");
            event.auth_subject_id = text(transfer, "authSubjectId");
        }
    }
    event.final_status = Some(match text(leg, "finalStatus") {
        Some(status) => final_status(status),
        None if event.http_status.is_some_and(|status| (200..300).contains(&status)) => String::from("Pass"),
        None => String::from("Fail"),
    });
}

/// Masks secrets, and takes the trace id of whichever side has one: the request's headers are the received ones at the
/// client's side and the sent ones towards back ends.
fn read_headers(info: &mut Map<String, Value>, event: &mut TrafficEvent) {
    let sides =
        if event.leg == Some(0) { ["recvHeader", "sentHeader"] } else { ["sentHeader", "recvHeader"] };
    for side in sides {
        if let Some(Value::String(headers)) = info.get_mut(side) {
            if event.trace_id.is_none() {
                event.trace_id = trace_id(headers);
            }
            if let Cow::Owned(masked) = secrets::mask_headers(headers) {
                *headers = masked;
            }
        }
    }
}

fn trace_id(headers: &str) -> Option<TraceId> {
    let value = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("traceparent").then_some(value)
    })?;
    TraceId::from_traceparent(value).map(|(trace, _)| trace)
}

fn final_status(status: String) -> String {
    let known = match status.as_str() {
        "success" | "pass" => "Pass",
        "failure" | "fail" => "Fail",
        "exception" | "error" => "Error",
        _ => return status,
    };
    known.to_owned()
}

fn mask_uri(object: &mut Map<String, Value>, key: &str) {
    if let Some(Value::String(uri)) = object.get_mut(key)
        && let Cow::Owned(masked) = secrets::mask_uri(uri)
    {
        *uri = masked;
    }
}

/// Absent, null, empty and values that are no text are all `None`.
fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn take_text(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.remove(key) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Numbers are sometimes written as text.
fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Milliseconds; -1 is how gateways write that it was not measured.
fn duration(of: &Map<String, Value>) -> Option<i64> {
    integer(of.get("duration")).filter(|ms| *ms >= 0)
}

fn small(value: Option<&Value>) -> Option<i32> {
    integer(value).and_then(|number| number.try_into().ok())
}
