//! Starts the demo and looks at what it leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use parapet_demo::{Demo, Options};
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;

use crate::formats::{FinalStatus, Line, Status, container_log, header, traffic};
use crate::identity::{Identity, identity};
use crate::receiver::{self, TOKEN};

fn options(dir: &Path, identity: &Identity, otlp: std::net::SocketAddr, requests: u64) -> Options {
    Options {
        dir: dir.to_owned(),
        certificate_pem: identity.leaf_pem.clone(),
        key_pem: identity.leaf_pem.clone(),
        ca_pem: identity.ca_pem.clone(),
        otlp_endpoint: format!("https://{otlp}"),
        otlp_token: TOKEN.to_owned(),
        requests_per_second: 200.0,
        max_requests: Some(requests),
        seed: 1,
    }
}

async fn run(options: Options) {
    let demo = Demo::start(options).await.unwrap();
    demo.finished().await;
    demo.shutdown().await;
}

fn by_transaction(lines: &[Line]) -> BTreeMap<&str, Vec<&Line>> {
    let mut transactions = BTreeMap::<_, Vec<_>>::new();
    for line in lines {
        transactions.entry(line.correlation_id.as_str()).or_default().push(line);
    }
    transactions
}

fn trace_id(header_text: &str) -> Option<String> {
    let traceparent = header(header_text, "traceparent")?;
    let [version, trace, _, flags] = traceparent.split('-').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((version, trace.len(), flags), ("00", 32, "01"), "{traceparent}");
    Some(trace.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_the_event_log_through_spans_and_container_logs() {
    let identity = identity();
    let (otlp, received) = receiver::start(&identity).await;
    let dir = tempfile::tempdir().unwrap();
    run(options(dir.path(), &identity, otlp, 120)).await;
    let received = received.take();
    let lines = traffic(dir.path());

    // An order that was made: gateway → orders → inventory and payments.
    let order = lines
        .iter()
        .filter_map(|line| Some((line, line.leg.as_ref()?)))
        .find(|(_, leg)| {
            leg.leg == 0
                && leg.operation.as_deref() == Some("createOrder")
                && leg.protocol_info.http.status == 201
        })
        .unwrap();
    let trace = trace_id(order.1.protocol_info.sent_header.as_deref().unwrap()).unwrap();
    let correlation_id = order.0.correlation_id.as_str();
    let behind = lines
        .iter()
        .filter(|line| line.correlation_id == correlation_id)
        .filter_map(|line| line.leg.as_ref())
        .find(|leg| leg.leg == 1)
        .unwrap();
    assert_eq!(trace_id(behind.protocol_info.sent_header.as_deref().unwrap()), Some(trace.clone()));

    let spans: Vec<_> =
        received.spans.iter().filter(|(_, span)| hex::encode(&span.trace_id) == trace).collect();
    let services: BTreeSet<_> = spans.iter().map(|(service, _)| service.as_str()).collect();
    assert_eq!(services, BTreeSet::from(["inventory", "orders", "payments", "toy-gateway"]));
    let ids: BTreeSet<_> = spans.iter().map(|(_, span)| span.span_id.clone()).collect();
    let roots: Vec<_> = spans.iter().filter(|(_, span)| span.parent_span_id.is_empty()).collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert_eq!((roots[0].0.as_str(), roots[0].1.name.as_str()), ("toy-gateway", "POST /orders/v1"));
    for (service, span) in &spans {
        let known = span.parent_span_id.is_empty() || ids.contains(&span.parent_span_id);
        assert!(known, "{service}: {} has a parent that nobody sent", span.name);
    }

    for pod in ["toy-gateway", "orders", "payments"] {
        let entries = container_log(dir.path(), pod);
        let of_trace = entries.iter().filter(|(_, text)| text.starts_with('{')).find(|(_, text)| {
            let entry: serde_json::Value = serde_json::from_str(text).unwrap();
            entry["trace_id"] == trace.as_str() && entry["correlation_id"] == correlation_id
        });
        assert!(of_trace.is_some(), "{pod} logged nothing of trace {trace}");
    }
    let plain = container_log(dir.path(), "inventory");
    assert!(plain.iter().any(|(_, text)| text.contains(&trace) && !text.starts_with('{')));
    let sent = received.logs.iter().find(|(_, log)| hex::encode(&log.trace_id) == trace).unwrap();
    assert_eq!((sent.0.as_str(), sent.1.event_name.as_str()), ("payments", "payment.captured"));

    let metrics: BTreeSet<_> =
        received.metrics.iter().map(|(service, name)| (service.as_str(), name.as_str())).collect();
    for service in ["inventory", "orders", "payments", "toy-gateway"] {
        assert!(metrics.contains(&(service, "http.server.request.duration")), "{metrics:?}");
    }
    assert!(metrics.contains(&("orders", "demo.orders.created")), "{metrics:?}");
    assert_eq!(received.unlabelled, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_transaction_has_its_legs_circuit_path_and_summary() {
    let identity = identity();
    let (otlp, _) = receiver::start(&identity).await;
    let dir = tempfile::tempdir().unwrap();
    run(options(dir.path(), &identity, otlp, 300)).await;
    let lines = traffic(dir.path());
    let transactions = by_transaction(&lines);
    assert!(transactions.len() >= 300, "{}: retries may add some", transactions.len());

    let mut statuses = BTreeSet::new();
    let mut applications = BTreeSet::new();
    for (correlation_id, lines) in transactions {
        assert!(
            correlation_id.len() == 24 && correlation_id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{correlation_id}"
        );
        let legs: Vec<_> = lines.iter().filter_map(|line| line.leg.as_ref()).collect();
        let [summary] =
            lines.iter().filter_map(|line| line.summary.as_ref()).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(lines.iter().filter(|line| line.circuit_path.is_some()).count(), 1);
        assert_eq!(lines.len(), legs.len() + 2);
        assert!(legs.iter().enumerate().all(|(n, leg)| leg.leg as usize == n), "{legs:?}");

        let client = legs[0];
        let http = &client.protocol_info.http;
        let expected = match http.status {
            200..400 => (Status::Success, FinalStatus::Pass),
            400..500 => (Status::Failure, FinalStatus::Fail),
            _ => (Status::Exception, FinalStatus::Error),
        };
        assert_eq!((summary.status, client.final_status.unwrap()), expected);
        assert!(summary.path.is_some() && summary.protocol.as_deref() == Some("https"));
        assert!(http.remote_addr == "127.0.0.1" && http.remote_port.parse::<u16>().is_ok());
        assert!(
            http.bytes_sent > 0
                && client.duration >= legs.iter().skip(1).map(|leg| leg.duration).max().unwrap_or(0)
        );
        for leg in &legs {
            let recorded = format!("{:?}", leg.protocol_info);
            assert!(!recorded.contains("Bearer"), "{recorded}");
        }
        if let [context] = summary.service_contexts.as_slice() {
            assert_eq!((context.app.is_some(), context.status), (context.org.is_some(), summary.status));
            assert!(context.app.is_some() || http.status == 401);
            applications.extend(context.app.as_deref().map(str::to_owned));
        } else {
            assert_eq!((http.status, summary.service_contexts.len()), (404, 0));
        }
        statuses.insert(http.status);
    }
    assert!(statuses.is_superset(&BTreeSet::from([200, 201, 401, 404])), "{statuses:?}");
    assert!(applications.len() >= 4, "{applications:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_otlp_endpoint_it_lives_and_stops_and_a_second_start_goes_on() {
    let identity = identity();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path(), &identity, nobody, 10);
    run(options.clone()).await;
    let first = traffic(dir.path());
    options.seed = 2;
    run(options).await;
    let both = traffic(dir.path());
    assert_eq!(
        both[..first.len()].iter().map(|line| &line.correlation_id).collect::<Vec<_>>(),
        first.iter().map(|line| &line.correlation_id).collect::<Vec<_>>()
    );
    assert!(by_transaction(&both).len() >= 20);
    let starts =
        container_log(dir.path(), "orders").iter().filter(|(_, text)| text.contains("started")).count();
    assert_eq!(starts, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_takes_neither_strangers_nor_clear_text() {
    let identity = identity();
    let (otlp, _) = receiver::start(&identity).await;
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(options(dir.path(), &identity, otlp, 0)).await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(PemObject::from_pem_slice(identity.ca_pem.as_bytes()).unwrap()).unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    let url = |scheme: &str| format!("{scheme}://{}/orders/v1", demo.gateway()).parse().unwrap();
    let refused = client.get(url("https")).await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("traceparent"));
    assert_eq!(refused.into_body().collect().await.unwrap().to_bytes(), r#"{"error":"no valid API key"}"#);
    assert!(client.get(url("http")).await.is_err());
    demo.shutdown().await;
}

#[tokio::test]
async fn clear_text_otlp_is_refused() {
    let identity = identity();
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path(), &identity, "127.0.0.1:1".parse().unwrap(), 0);
    options.otlp_endpoint = "http://127.0.0.1:4317".to_owned();
    let error = Demo::start(options).await.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(error.to_string(), "the demo sends over TLS only, not to http://127.0.0.1:4317");
}
