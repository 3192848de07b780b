//! One transaction of the gateway, as lines of its open-traffic event log.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;

use crate::catalogue::{Application, Operation};
use crate::component::Exchange;
use crate::opentraffic::{
    Event, Filter, Http, Leg, Line, Policy, ProcessInfo, ProtocolInfo, ServiceContext, Summary, header_text,
};

/// All that the log tells of a transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) correlation_id: String,
    pub(crate) started: Timestamp,
    pub(crate) took: Duration,
    pub(crate) client: SocketAddr,
    pub(crate) gateway: SocketAddr,
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) received_header: String,
    pub(crate) received_bytes: u64,
    pub(crate) sent_header: String,
    pub(crate) sent_bytes: u64,
    pub(crate) status: StatusCode,
    /// `None`: no API has this path.
    pub(crate) operation: Option<&'static Operation>,
    /// `None`: no valid key.
    pub(crate) application: Option<&'static Application>,
    pub(crate) calls: Vec<Exchange>,
}

const PROCESS: ProcessInfo = ProcessInfo {
    hostname: "toy-gateway-7c9d5f8b6-x2k4q",
    domain_id: "5e0c51de-2a7b-4c43-9d0f-8f1a6c1e0100",
    group_id: "group-1",
    group_name: "Demo",
    service_id: "instance-1",
    service_name: "toy-gateway-1",
    version: "0.0.0-demo",
};

impl Transaction {
    /// The client's leg, one for each call behind the gateway, the circuit path, and the summary: in the order that they ended.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let end = self.started.as_millisecond() + millis(self.took);
        let mut lines = vec![
            self.line(self.started.as_millisecond(), Event::TransactionElement(Box::new(self.client_leg()))),
        ];
        for (n, call) in self.calls.iter().enumerate() {
            let leg = self.call_leg(n + 1, call);
            lines.push(self.line(call.started.as_millisecond(), Event::TransactionElement(Box::new(leg))));
        }
        lines.push(self.line(end, Event::CircuitPath(vec![self.circuit_path()])));
        lines.push(self.line(end, Event::TransactionSummary(self.summary())));
        lines
    }

    fn line<'a>(&'a self, timestamp: i64, event: Event<'a>) -> Line<'a> {
        Line { timestamp, correlation_id: &self.correlation_id, process_info: &PROCESS, event }
    }

    fn client_leg(&self) -> Leg<'_> {
        Leg {
            leg: 0,
            duration: self.took.as_millis() as u64,
            service_name: self.operation.map(|operation| operation.api),
            operation: self.operation.map(|operation| operation.name),
            final_status: outcome(self.status).leg,
            protocol_info: ProtocolInfo {
                http: Http {
                    uri: &self.uri,
                    status: self.status.as_u16(),
                    status_text: self.status.canonical_reason().unwrap_or_default(),
                    method: self.method.as_str(),
                    vhost: None,
                    waf_status: 0,
                    bytes_sent: self.sent_header.len() as u64 + self.sent_bytes,
                    bytes_received: self.received_header.len() as u64 + self.received_bytes,
                    remote_name: self.client.ip().to_string(),
                    remote_addr: self.client.ip().to_string(),
                    local_addr: self.gateway.ip().to_string(),
                    remote_port: self.client.port().to_string(),
                    local_port: self.gateway.port().to_string(),
                    ssl_subject: None,
                    auth_subject_id: self.application.map(|application| application.id),
                },
                recv_header: self.received_header.clone(),
                sent_header: self.sent_header.clone(),
                recv_payload: None,
                sent_payload: None,
            },
        }
    }

    fn call_leg<'a>(&'a self, leg: usize, call: &'a Exchange) -> Leg<'a> {
        let sent_header =
            header_text(&format!("{} {} HTTP/1.1", call.method, call.path), &call.request_headers);
        let received_header = header_text(&status_line(call.status), &call.headers);
        Leg {
            leg,
            duration: call.took.as_millis() as u64,
            service_name: self.operation.map(|operation| operation.api),
            operation: self.operation.map(|operation| operation.name),
            final_status: outcome(call.status).leg,
            protocol_info: ProtocolInfo {
                http: Http {
                    uri: &call.path,
                    status: call.status.as_u16(),
                    status_text: call.status.canonical_reason().unwrap_or_default(),
                    method: call.method.as_str(),
                    vhost: None,
                    waf_status: 0,
                    bytes_sent: sent_header.len() as u64 + call.request_bytes,
                    bytes_received: received_header.len() as u64 + call.body.len() as u64,
                    remote_name: call.peer.to_owned(),
                    remote_addr: call.address.ip().to_string(),
                    local_addr: self.gateway.ip().to_string(),
                    remote_port: call.address.port().to_string(),
                    // The port that the client's pool dialled from is not known here.
                    local_port: "0".to_owned(),
                    ssl_subject: None,
                    auth_subject_id: None,
                },
                recv_header: received_header,
                sent_header,
                recv_payload: None,
                sent_payload: None,
            },
        }
    }

    fn circuit_path(&self) -> Policy<'_> {
        let at = self.started.as_millisecond();
        let filter = |name, r#type, class, passed, message, filter_time, exec_time| Filter {
            name,
            r#type,
            class,
            status: if passed { "Pass" } else { "Fail" },
            filter_message: message,
            filter_time,
            exec_time,
            sub_paths: Vec::new(),
        };
        let mut filters = Vec::new();
        let found = self.operation.is_some();
        let unknown = (!found).then(|| format!("no API at {}", self.uri));
        filters.push(filter("Find API", "ApiFilter", "toy.gateway.ApiFilter", found, unknown, at, 0));
        if found {
            let known = self.application.is_some();
            let unknown = (!known).then(|| "no application has this key".to_owned());
            filters.push(filter(
                "Check API key",
                "ApiKeyFilter",
                "toy.gateway.ApiKeyFilter",
                known,
                unknown,
                at,
                0,
            ));
        }
        for call in &self.calls {
            let answered = !call.status.is_server_error();
            let failed = (!answered).then(|| format!("{} answered {}", call.peer, call.status));
            let (at, took) = (call.started.as_millisecond(), call.took.as_millis() as u64);
            filters.push(filter(
                "Call back end",
                "ConnectFilter",
                "toy.gateway.ConnectFilter",
                answered,
                failed,
                at,
                took,
            ));
        }
        Policy { policy: "API Broker", exec_time: self.took.as_millis() as u64, filters }
    }

    fn summary(&self) -> Summary<'_> {
        let status = outcome(self.status).summary;
        let context = self.operation.map(|operation| ServiceContext {
            service: operation.api,
            monitor: true,
            client: self.application.map(|application| application.id),
            org: self.application.map(|application| application.organisation),
            app: self.application.map(|application| application.name),
            method: operation.name,
            status,
            duration: self.took.as_millis() as u64,
        });
        Summary {
            path: self.uri.split('?').next().unwrap_or_default(),
            protocol: "https",
            protocol_src: self.gateway.port().to_string(),
            status,
            service_contexts: context.into_iter().collect(),
        }
    }
}

/// `HTTP/1.1 200 OK`
pub(crate) fn status_line(status: StatusCode) -> String {
    format!("HTTP/1.1 {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
}

struct Outcome {
    summary: &'static str,
    leg: &'static str,
}

fn outcome(status: StatusCode) -> Outcome {
    if status.is_server_error() {
        Outcome { summary: "exception", leg: "Error" }
    } else if status.is_client_error() {
        Outcome { summary: "failure", leg: "Fail" }
    } else {
        Outcome { summary: "success", leg: "Pass" }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
