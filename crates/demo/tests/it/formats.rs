//! Readers of the demo's files, written from the formats' descriptions and not from what writes them.
//! A member that they do not know, or miss, is an error.
#![allow(dead_code, reason = "members are there to be required")]

use std::path::Path;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) timestamp: i64,
    #[serde(rename = "correlationId")]
    pub(crate) correlation_id: String,
    #[serde(rename = "processInfo")]
    process_info: ProcessInfo,
    #[serde(rename = "transactionSummary")]
    pub(crate) summary: Option<Summary>,
    #[serde(rename = "transactionElement")]
    pub(crate) leg: Option<Leg>,
    #[serde(rename = "circuitPath")]
    pub(crate) circuit_path: Option<Vec<Policy>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProcessInfo {
    hostname: String,
    domain_id: String,
    group_id: String,
    group_name: String,
    service_id: String,
    service_name: String,
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Summary {
    pub(crate) path: Option<String>,
    pub(crate) protocol: Option<String>,
    protocol_src: Option<String>,
    pub(crate) status: Status,
    pub(crate) service_contexts: Vec<ServiceContext>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Status {
    Success,
    Failure,
    Exception,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceContext {
    pub(crate) service: String,
    monitor: bool,
    client: Option<String>,
    pub(crate) org: Option<String>,
    pub(crate) app: Option<String>,
    pub(crate) method: String,
    pub(crate) status: Status,
    duration: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Leg {
    pub(crate) leg: u32,
    pub(crate) duration: i64,
    service_name: Option<String>,
    pub(crate) operation: Option<String>,
    pub(crate) final_status: Option<FinalStatus>,
    pub(crate) protocol_info: ProtocolInfo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum FinalStatus {
    Pass,
    Fail,
    Error,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProtocolInfo {
    pub(crate) http: Http,
    pub(crate) recv_header: Option<String>,
    pub(crate) sent_header: Option<String>,
    recv_payload: Option<String>,
    sent_payload: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Http {
    uri: String,
    pub(crate) status: u16,
    status_text: String,
    method: String,
    vhost: Option<String>,
    waf_status: i32,
    pub(crate) bytes_sent: i64,
    bytes_received: i64,
    remote_name: String,
    pub(crate) remote_addr: String,
    local_addr: String,
    pub(crate) remote_port: String,
    local_port: String,
    ssl_subject: Option<String>,
    auth_subject_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Policy {
    policy: String,
    exec_time: i64,
    filters: Vec<Filter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    espk: Option<String>,
    name: String,
    r#type: String,
    class: String,
    status: String,
    filter_message: Option<String>,
    filter_time: i64,
    exec_time: i64,
    #[serde(default)]
    sub_paths: Vec<Policy>,
}

pub(crate) fn traffic(dir: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(dir.join("opentraffic/toy-gateway_traffic.log")).unwrap();
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    text.lines().map(line).collect()
}

/// The value of a header in a header text, whose form is checked.
pub(crate) fn header(text: &str, name: &str) -> Option<String> {
    let body = text.strip_suffix("\r\n\r\n").unwrap();
    let (start, headers) = body.split_once("\r\n").unwrap_or((body, ""));
    assert!(start.contains("HTTP/1.1"), "{start}");
    headers.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

/// The entries of a pod's log, partial ones joined: (stream, text).
pub(crate) fn container_log(dir: &Path, pod: &str) -> Vec<(String, String)> {
    let pods = std::fs::read_dir(dir.join("pods")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let [namespace, pod_name, uid] = name.split('_').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((namespace, uid.len()), ("demo", 36), "{name}");
        pod_name.starts_with(pod)
    };
    let folder = pods.into_iter().find(named).unwrap();
    let container = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(container.join("0.log")).unwrap();
    let mut entries = Vec::new();
    let mut begun = String::new();
    for line in text.lines() {
        let [time, stream, tag, text] = line.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(time.len(), "2026-11-21T06:45:01.123456789Z".len(), "{time}");
        time.parse::<jiff::Timestamp>().unwrap();
        assert!(matches!(stream, "stdout" | "stderr"), "{line}");
        begun.push_str(text);
        match tag {
            "F" => entries.push((stream.to_owned(), std::mem::take(&mut begun))),
            "P" => assert_eq!(text.len(), 16 * 1024),
            _ => panic!("{line}"),
        }
    }
    entries
}
