//! The gateway's open-traffic event log: one JSON object a line, several lines a transaction, joined by `correlationId`.

use std::io;
use std::path::Path;
use std::sync::Mutex;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::rotating::{Bounds, Rotating};

/// One line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line<'a> {
    pub(crate) timestamp: i64,
    pub(crate) correlation_id: &'a str,
    pub(crate) process_info: &'a ProcessInfo,
    #[serde(flatten)]
    pub(crate) event: Event<'a>,
}

/// The gateway instance that writes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessInfo {
    pub(crate) hostname: &'static str,
    pub(crate) domain_id: &'static str,
    pub(crate) group_id: &'static str,
    pub(crate) group_name: &'static str,
    pub(crate) service_id: &'static str,
    pub(crate) service_name: &'static str,
    pub(crate) version: &'static str,
}

/// What a line tells.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Event<'a> {
    TransactionSummary(Summary<'a>),
    TransactionElement(Box<Leg<'a>>),
    CircuitPath(Vec<Policy<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary<'a> {
    pub(crate) path: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) protocol_src: String,
    pub(crate) status: &'a str,
    pub(crate) service_contexts: Vec<ServiceContext<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ServiceContext<'a> {
    pub(crate) service: &'a str,
    pub(crate) monitor: bool,
    pub(crate) client: Option<&'a str>,
    pub(crate) org: Option<&'a str>,
    pub(crate) app: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) status: &'a str,
    pub(crate) duration: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Leg<'a> {
    pub(crate) leg: usize,
    pub(crate) duration: u64,
    pub(crate) service_name: Option<&'a str>,
    pub(crate) operation: Option<&'a str>,
    pub(crate) final_status: &'a str,
    pub(crate) protocol_info: ProtocolInfo<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProtocolInfo<'a> {
    pub(crate) http: Http<'a>,
    pub(crate) recv_header: String,
    pub(crate) sent_header: String,
    pub(crate) recv_payload: Option<&'a str>,
    pub(crate) sent_payload: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Http<'a> {
    pub(crate) uri: &'a str,
    pub(crate) status: u16,
    pub(crate) status_text: &'a str,
    pub(crate) method: &'a str,
    pub(crate) vhost: Option<&'a str>,
    pub(crate) waf_status: u8,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) remote_name: String,
    pub(crate) remote_addr: String,
    pub(crate) local_addr: String,
    pub(crate) remote_port: String,
    pub(crate) local_port: String,
    pub(crate) ssl_subject: Option<&'a str>,
    pub(crate) auth_subject_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policy<'a> {
    pub(crate) policy: &'a str,
    pub(crate) exec_time: u64,
    pub(crate) filters: Vec<Filter<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter<'a> {
    pub(crate) name: &'a str,
    pub(crate) r#type: &'a str,
    pub(crate) class: &'a str,
    pub(crate) status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filter_message: Option<String>,
    pub(crate) filter_time: i64,
    pub(crate) exec_time: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sub_paths: Vec<Policy<'a>>,
}

/// The file `<dir>/toy-gateway_traffic.log`.
#[derive(Debug)]
pub(crate) struct TrafficLog(Mutex<Rotating>);

impl TrafficLog {
    pub(crate) fn open(dir: &Path, bounds: Bounds) -> io::Result<Self> {
        let file = Rotating::open(dir, "toy-gateway_traffic.log", ("toy-gateway_traffic_", ".log"), bounds)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Appends the lines of one transaction together.
    pub(crate) fn write(&self, lines: &[Line<'_>], now: Timestamp) -> io::Result<()> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        self.0.lock().expect("nothing panics while holding the lock").append(&text, now)
    }
}

/// Headers as the log has them: the start line, CRLF between, an empty line at the end. Credentials are masked.
pub(crate) fn header_text(start_line: &str, headers: &HeaderMap) -> String {
    const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "keyid"];
    let mut text = format!("{start_line}\r\n");
    for (name, value) in headers {
        let masked = CREDENTIALS.contains(&name.as_str());
        let value = if masked { "********".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_crlf_separated_and_without_credentials() {
        let headers = HeaderMap::from_iter([
            (http::header::HOST, "gw".parse().unwrap()),
            (http::header::AUTHORIZATION, "Bearer s3cret".parse().unwrap()),
        ]);
        assert_eq!(
            header_text("GET / HTTP/1.1", &headers),
            "GET / HTTP/1.1\r\nhost: gw\r\nauthorization: ********\r\n\r\n"
        );
    }
}
