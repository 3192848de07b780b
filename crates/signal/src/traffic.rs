//! API-gateway traffic: one event is one line of a gateway's open-traffic event log, classified, with the fields that
//! people filter and group by lifted out of it.
//!
//! Field names follow the published vocabulary of Operational Insights (`correlationId`, `finalStatus`,
//! `serviceContext.appOrg`, `http.bytesSent`, …), in snake case where they become columns.

use crate::{TraceId, UnixNanos};

/// What a line of the log describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrafficKind {
    /// The transaction as a whole: path, protocol, final status, service context.
    Summary,
    /// One leg: 0 is the client's side, 1..n the calls to back ends.
    Leg,
    /// The policies and filters it went through.
    CircuitPath,
    /// A policy run by schedule, not by a request.
    ScheduledPolicy,
}

impl TrafficKind {
    /// `summary`, `leg`, `circuit_path`, `scheduled_policy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Leg => "leg",
            Self::CircuitPath => "circuit_path",
            Self::ScheduledPolicy => "scheduled_policy",
        }
    }
}

/// One line of an open-traffic event log. `None` is absent or null in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficEvent {
    /// `timestamp`.
    pub time: UnixNanos,
    /// `correlationId`: joins the lines of one transaction.
    pub correlation_id: String,
    /// What the line describes.
    pub kind: TrafficKind,
    /// `leg`, for legs.
    pub leg: Option<i32>,
    /// Name of the gateway, given by whoever collects.
    pub gateway_name: Option<String>,
    /// Region of the gateway, given by whoever collects.
    pub gateway_region: Option<String>,
    /// `processInfo.hostname`.
    pub hostname: Option<String>,
    /// `processInfo.groupId`.
    pub group_id: Option<String>,
    /// `processInfo.groupName`.
    pub group_name: Option<String>,
    /// `processInfo.serviceId`: the gateway instance.
    pub service_id: Option<String>,
    /// `processInfo.version`: the gateway's.
    pub gateway_version: Option<String>,
    /// `path` of the summary, `http.uri` of a leg.
    pub path: Option<String>,
    /// `protocol` (`http`, `https`, `jms`, …).
    pub protocol: Option<String>,
    /// `protocolSrc`: the listener's port, a queue, a directory.
    pub protocol_src: Option<String>,
    /// `finalStatus`: `Pass`, `Fail`, `Error`, or what the log said if it is none of the known.
    pub final_status: Option<String>,
    /// API: `serviceContext.service`, or a leg's `serviceName`.
    pub service: Option<String>,
    /// Method of the API: `serviceContext.method`, or a leg's `operation`.
    pub operation: Option<String>,
    /// `serviceContext.app`.
    pub app: Option<String>,
    /// `serviceContext.appOrg`.
    pub app_org: Option<String>,
    /// `serviceContext.monitor`.
    pub monitored: Option<bool>,
    /// `duration` in milliseconds.
    pub duration_ms: Option<i64>,
    /// `http.status`.
    pub http_status: Option<i32>,
    /// `http.method`.
    pub http_method: Option<String>,
    /// `http.vhost`.
    pub http_vhost: Option<String>,
    /// `http.bytesSent`.
    pub bytes_sent: Option<i64>,
    /// `http.bytesReceived`.
    pub bytes_received: Option<i64>,
    /// `http.remoteAddr`, or the file transfer's.
    pub remote_addr: Option<String>,
    /// `http.localAddr`.
    pub local_addr: Option<String>,
    /// `http.authSubjectId` (also of JMS and file transfer).
    pub auth_subject_id: Option<String>,
    /// From the leg's `traceparent` header, if it had one.
    pub trace_id: Option<TraceId>,
    /// The line itself as a JSON object, less envelope fields that are lifted out whole; for the detail view.
    pub event: String,
}

impl TrafficEvent {
    /// An event of `kind` with nothing else known.
    pub fn new(kind: TrafficKind, time: UnixNanos, correlation_id: impl Into<String>) -> Self {
        Self {
            time,
            correlation_id: correlation_id.into(),
            kind,
            leg: None,
            gateway_name: None,
            gateway_region: None,
            hostname: None,
            group_id: None,
            group_name: None,
            service_id: None,
            gateway_version: None,
            path: None,
            protocol: None,
            protocol_src: None,
            final_status: None,
            service: None,
            operation: None,
            app: None,
            app_org: None,
            monitored: None,
            duration_ms: None,
            http_status: None,
            http_method: None,
            http_vhost: None,
            bytes_sent: None,
            bytes_received: None,
            remote_addr: None,
            local_addr: None,
            auth_subject_id: None,
            trace_id: None,
            event: String::from("{}"),
        }
    }
}
