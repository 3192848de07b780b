//! Operational Insights: what its production documentation wants connected, by the labels of its chart `apim4elastic`
//! (`cluster` is the Helm release, `axway-elk` if none is named) or of manifests that name components as it does.
//!
//! In the chart memcached is a container beside Logstash, so the flow to it is for those who run it alone.

use super::{APM, APP, BEATS, ES_HTTP, ES_TRANSPORT, KIBANA, Kit, OLD_APP, any_of};
use crate::flows::{Flow, Party};

/// The release that the chart's fixed names are made for.
const RELEASE: &str = "axway-elk";
const CHART: &str = "apim4elastic";
const API_BUILDER: u16 = 8443;
const MEMCACHED: u16 = 11211;
/// Where Logstash and Filebeat tell how they are.
const LOGSTASH_API: u16 = 9600;
const FILEBEAT_API: u16 = 5066;
const ADMIN_NODE_MANAGER: u16 = 8090;
const API_MANAGER: u16 = 8075;

pub(super) fn flows(kit: &Kit<'_>) -> Vec<Flow> {
    let release = kit.cluster.unwrap_or(RELEASE);
    // Charts of Elastic's that the chart takes in label their pods with their full name.
    let part = |name: &str| {
        let of_chart = format!("{release}-{CHART}-{name}");
        any_of(kit.app(name), kit.here(&[(OLD_APP, &of_chart)]))
    };
    let api_builder = || {
        let of_chart = kit.here(&[(APP, CHART), ("app.kubernetes.io/component", "apibuilder4elastic")]);
        any_of(any_of(kit.app("apibuilder"), kit.app("apibuilder4elastic")), of_chart)
    };
    let elasticsearch = || part("elasticsearch");
    let flow = |from: Party, to: Party, port: u16, reason: &str| kit.flow(from, to, &[port], reason);
    vec![
        flow(part("filebeat"), part("logstash"), BEATS, "gateway logs"),
        flow(part("logstash"), api_builder(), API_BUILDER, "details of APIs and applications"),
        flow(part("logstash"), part("memcached"), MEMCACHED, "cached details"),
        flow(part("logstash"), elasticsearch(), ES_HTTP, "writes events"),
        flow(api_builder(), elasticsearch(), ES_HTTP, "reads events, keeps templates"),
        flow(api_builder(), part("anm"), ADMIN_NODE_MANAGER, "asks the Admin Node Manager"),
        flow(api_builder(), part("apimanager"), API_MANAGER, "asks the API Manager"),
        flow(part("anm"), api_builder(), API_BUILDER, "traffic for the gateway's own pages"),
        flow(part("long-term-analytics"), api_builder(), API_BUILDER, "starts the transformation"),
        flow(part("kibana"), elasticsearch(), ES_HTTP, "reads events"),
        flow(Party::World, part("kibana"), KIBANA, "users open Kibana"),
        flow(elasticsearch(), elasticsearch(), ES_TRANSPORT, "its nodes among themselves"),
        flow(api_builder(), part("apm-server"), APM, "traces of itself"),
        flow(part("apm-server"), elasticsearch(), ES_HTTP, "writes traces"),
        flow(part("filebeat"), elasticsearch(), ES_HTTP, "tells how it is"),
        flow(part("metricbeat"), elasticsearch(), ES_HTTP, "asks how Elasticsearch is, and writes it down"),
        flow(part("metricbeat"), part("kibana"), KIBANA, "asks how Kibana is"),
        flow(part("metricbeat"), part("logstash"), LOGSTASH_API, "asks how Logstash is"),
        flow(part("metricbeat"), part("filebeat"), FILEBEAT_API, "asks how Filebeat is"),
        flow(part("metricbeat"), part("memcached"), MEMCACHED, "asks how memcached is"),
    ]
}
