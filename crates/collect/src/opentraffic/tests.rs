use parapet_signal::TrafficKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn line(member: &str, value: Value) -> Value {
    json!({
        "timestamp": 1_700_000_000_123_i64,
        "correlationId": "a1b2c3d4e5f60718293a4b5c",
        "processInfo": {"hostname": "gw-1", "domainId": "d", "groupId": "group-7", "groupName": "Edge",
            "serviceId": "instance-4", "serviceName": "edge-4", "version": "7.7.20230830"},
        member: value,
    })
}

fn event(line: &Value) -> TrafficEvent {
    let options = Options { gateway_name: Some("gw".into()), gateway_region: Some("eu".into()) };
    decode(line.to_string().as_bytes(), &options).unwrap()
}

fn summary(value: Value) -> TrafficEvent {
    event(&line("transactionSummary", value))
}

fn leg(value: Value) -> TrafficEvent {
    event(&line("transactionElement", value))
}

#[test]
fn a_summary_has_path_status_and_service_context() {
    let found = summary(json!({"path": "/orders/v1/42?apikey=s", "protocol": "https", "protocolSrc": "8065",
        "status": "failure", "serviceContexts": [{"service": "Orders", "monitor": true, "client": "c-1",
        "org": "Partners", "app": "Shop", "method": "getOrder", "status": "success", "duration": 14}]}));
    let time = UnixNanos::from_millis(1_700_000_000_123);
    let mut expect = TrafficEvent::new(TrafficKind::Summary, time, "a1b2c3d4e5f60718293a4b5c");
    let text = |text: &str| Some(text.to_owned());
    expect.gateway_name = text("gw");
    expect.gateway_region = text("eu");
    expect.hostname = text("gw-1");
    expect.group_id = text("group-7");
    expect.group_name = text("Edge");
    expect.service_id = text("instance-4");
    expect.gateway_version = text("7.7.20230830");
    expect.path = text("/orders/v1/42?apikey=***");
    expect.protocol = text("https");
    expect.protocol_src = text("8065");
    expect.final_status = text("Fail");
    expect.service = text("Orders");
    expect.operation = text("getOrder");
    expect.app = text("Shop");
    expect.app_org = text("Partners");
    expect.monitored = Some(true);
    expect.duration_ms = Some(14);
    expect.event.clone_from(&found.event);
    assert_eq!(found, expect);
    let kept: Value = serde_json::from_str(&found.event).unwrap();
    assert_eq!(kept.as_object().unwrap().keys().collect::<Vec<_>>(), ["transactionSummary"]);
}

#[test]
fn durations_are_milliseconds_and_what_was_not_measured_is_none() {
    let check = |duration: Value, expect| {
        let context = json!({"service": "Orders", "app": "Shop", "duration": duration});
        let found =
            summary(json!({"path": "/a", "protocol": "http", "serviceContexts": [context, {"duration": 9}]}));
        assert_eq!(found.duration_ms, expect, "summary, {duration}");
        assert_eq!(leg(json!({"leg": 0, "duration": duration})).duration_ms, expect, "leg, {duration}");
    };
    check(json!(14), Some(14));
    check(json!(0), Some(0));
    check(json!("14"), Some(14));
    check(json!(-1), None);
    check(json!("-1"), None);
    check(json!(null), None);
    check(json!("soon"), None);
    check(json!(1e300), None);
    for contexts in [json!([]), json!([null]), json!({"duration": 3}), json!(null)] {
        let found = summary(json!({"path": "/a", "protocol": "http", "serviceContexts": contexts}));
        assert_eq!(found.duration_ms, None);
    }
}

#[test]
fn final_states_are_translated_and_unknown_ones_kept() {
    let check = |status: Value, expect: Option<&str>| {
        let found = summary(json!({"path": "/a", "protocol": "http", "status": status}));
        assert_eq!(found.final_status.as_deref(), expect);
    };
    check(json!("success"), Some("Pass"));
    check(json!("failure"), Some("Fail"));
    check(json!("exception"), Some("Error"));
    check(json!("odd"), Some("odd"));
    check(json!(null), None);
    let check = |status: Value, http: Value, expect| {
        let found = leg(json!({"leg": 0, "finalStatus": status, "protocolInfo": {"http": {"status": http}}}));
        assert_eq!(found.final_status.as_deref(), Some(expect));
    };
    check(json!("Error"), json!(200), "Error");
    check(json!("success"), json!(null), "Pass");
    check(json!(null), json!(204), "Pass");
    check(json!(null), json!("299"), "Pass");
    check(json!(null), json!(300), "Fail");
    check(json!(null), json!(null), "Fail");
}

#[test]
fn a_summary_without_any_address_is_a_scheduled_policy() {
    let nameless = json!({"path": null, "protocol": null, "protocolSrc": null, "serviceContexts": []});
    let found = summary(nameless.clone());
    assert_eq!(found.kind, TrafficKind::ScheduledPolicy);
    assert_eq!(found.service.as_deref(), Some("Scheduled policy"));
    assert_eq!((found.operation.as_deref(), found.final_status.as_deref()), (Some("N/A"), Some("Pass")));
    let mut background = line("transactionSummary", nameless);
    background["correlationId"] = json!("000000000000000000000000");
    assert_eq!(event(&background).kind, TrafficKind::Summary);
    assert_eq!(summary(json!({"protocol": "jms"})).kind, TrafficKind::Summary);
}

#[test]
fn an_http_leg_has_its_fields_its_trace_and_no_secrets() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = format!(
        "GET /a HTTP/1.1\r\nTraceparent: 00-{trace}-00f067aa0ba902b7-01\r\nAuthorization: Bearer hush\r\n\r\n"
    );
    let other = "HTTP/1.1 200 OK\r\nSet-Cookie: hush\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01\r\n\r\n";
    let http = json!({"uri": "/a?token=hush", "status": 200, "method": "GET", "vhost": null, "bytesSent": 310,
        "bytesReceived": 140, "remoteAddr": "10.0.0.9", "localAddr": "10.0.0.1", "remotePort": "51234",
        "authSubjectId": "joe"});
    for (number, received, sent) in [(0, request.as_str(), other), (1, other, request.as_str())] {
        let found =
            leg(json!({"leg": number, "duration": 22, "serviceName": "Orders", "operation": "getOrder",
            "finalStatus": "Pass", "protocolInfo": {"http": http, "recvHeader": received, "sentHeader": sent,
            "recvPayload": null, "sentPayload": "file:///x"}}));
        assert_eq!((found.kind, found.leg, found.duration_ms), (TrafficKind::Leg, Some(number), Some(22)));
        assert_eq!(
            (found.service.as_deref(), found.operation.as_deref()),
            (Some("Orders"), Some("getOrder"))
        );
        assert_eq!((found.http_status, found.http_method.as_deref()), (Some(200), Some("GET")));
        assert_eq!((found.bytes_sent, found.bytes_received, found.http_vhost), (Some(310), Some(140), None));
        assert_eq!(
            (found.remote_addr.as_deref(), found.local_addr.as_deref()),
            (Some("10.0.0.9"), Some("10.0.0.1"))
        );
        assert_eq!(found.auth_subject_id.as_deref(), Some("joe"));
        assert_eq!(found.path.as_deref(), Some("/a?token=***"));
        assert_eq!(found.trace_id.unwrap().to_hex(), trace);
        assert!(!found.event.contains("hush"), "{}", found.event);
        assert!(found.event.contains("sentPayload"));
    }
}

#[test]
fn other_protocols_and_circuit_paths() {
    let jms = leg(json!({"leg": 1, "protocolInfo": {"jms": {"jmsDestination": "queue://orders.in",
        "authSubjectId": "joe"}, "recvHeader": "{ \"orderId\": \"42\" }"}}));
    assert_eq!(
        (jms.protocol.as_deref(), jms.protocol_src.as_deref()),
        (Some("jms"), Some("queue://orders.in"))
    );
    let transfer = leg(json!({"leg": 0, "finalStatus": "success", "protocolInfo": {"fileTransfer":
        {"remoteAddr": "/10.0.0.9:5555", "uploadFile": "/in/a.txt", "serviceType": "ftps", "authSubjectId": "joe"}}}));
    assert_eq!((transfer.protocol.as_deref(), transfer.path.as_deref()), (Some("ftps"), Some("/in/a.txt")));
    assert_eq!(transfer.final_status.as_deref(), Some("Pass"));
    let circuit =
        event(&line("circuitPath", json!([{"policy": "API Broker", "execTime": 20, "filters": []}])));
    assert_eq!(circuit.kind, TrafficKind::CircuitPath);
    assert!(circuit.event.contains("API Broker"));
}

#[test]
fn bad_lines_are_named() {
    let check = |line: &str, expect| {
        assert_eq!(decode(line.as_bytes(), &Options::default()), Err(expect), "{line}");
    };
    check("", BadLine::NotJson);
    check("[]", BadLine::NotJson);
    check(r#"{"timestamp":1"#, BadLine::NotJson);
    check(r#"{"timestamp":"x","correlationId":"a","circuitPath":[]}"#, BadLine::NoTimestamp);
    check(r#"{"timestamp":1,"circuitPath":[]}"#, BadLine::NoCorrelationId);
    check(r#"{"timestamp":1,"correlationId":"a"}"#, BadLine::UnknownKind);
    check(r#"{"timestamp":1,"correlationId":"a","trace":{}}"#, BadLine::UnknownKind);
    check(r#"{"timestamp":1,"correlationId":"a","transactionSummary":[]}"#, BadLine::UnknownKind);
}

#[test]
fn bad_lines_are_counted_and_do_not_stop_the_others() {
    let input = input(Vec::new(), Options::default());
    let mut decoder = (input.decoder)(Path::new("/x"));
    let good = line("circuitPath", json!([])).to_string();
    for (at, text) in ["nonsense", good.as_str(), "", "{}", good.as_str()].iter().enumerate() {
        decoder.line(text.as_bytes(), at as u64..at as u64 + 1, false, UnixNanos(0));
    }
    decoder.line(good.as_bytes(), 5..6, true, UnixNanos(0));
    let taken = decoder.take(6);
    assert_eq!(taken.batch.len(), 2);
    assert_eq!(taken.bad, [("too_long", 1), ("not_json", 1), ("no_timestamp", 1)]);
}

proptest! {
    #[test]
    fn any_bytes_decode(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &Options::default());
    }

    #[test]
    fn a_secret_header_never_survives(
        name in prop::sample::select(vec!["Authorization", "cookie", "X-Api-Key", "SET-COOKIE", "x_auth_token"]),
        before in "([A-Za-z]{1,6}: [a-z]{0,5}\r\n){0,3}",
        after in "(\r\n[ \t]hush7hush)?(\r\n[A-Za-z]{1,6}: [a-z]{0,5}){0,3}",
    ) {
        let headers = format!("GET / HTTP/1.1\r\n{before}{name}: hush7hush{after}\r\n\r\n");
        let found = leg(json!({"leg": 0, "protocolInfo": {"http": {}, "recvHeader": headers}}));
        prop_assert!(!found.event.contains("hush7hush"), "{}", found.event);
    }
}
