//! The names and labels that dashboards ask for, in both directions: nothing is missing, and nothing else has such a name.

use std::collections::{BTreeMap, BTreeSet};

use prometheus_client::encoding::text::encode;

use super::*;
use crate::usage::Usage;

/// Name, type and labels, as the reference documents and shows them; without labels where none was written yet.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("certwatcher_read_certificate", "counter", &[]),
    ("certwatcher_read_certificate_errors", "counter", &[]),
    ("controller_runtime_active_workers", "gauge", &["controller"]),
    ("controller_runtime_max_concurrent_reconciles", "gauge", &["controller"]),
    ("controller_runtime_reconcile", "counter", &["controller", "result"]),
    ("controller_runtime_reconcile_errors", "counter", &["controller"]),
    ("controller_runtime_reconcile_panics", "counter", &["controller"]),
    ("controller_runtime_reconcile_time_seconds", "histogram", &["controller"]),
    ("controller_runtime_reconcile_timeouts", "counter", &["controller"]),
    ("controller_runtime_terminal_reconcile_errors", "counter", &["controller"]),
    ("controller_runtime_webhook_panics", "counter", &[]),
    ("elastic_leader", "gauge", &["operator_namespace", "uuid"]),
    ("elastic_licensing_enterprise_resource_units_total", "gauge", &["license_level"]),
    ("elastic_licensing_memory_gibibytes_apm", "gauge", &["license_level"]),
    ("elastic_licensing_memory_gibibytes_elasticsearch", "gauge", &["license_level"]),
    ("elastic_licensing_memory_gibibytes_enterprise_search", "gauge", &["license_level"]),
    ("elastic_licensing_memory_gibibytes_kibana", "gauge", &["license_level"]),
    ("elastic_licensing_memory_gibibytes_logstash", "gauge", &["license_level"]),
    ("elastic_licensing_memory_gibibytes_total", "gauge", &["license_level"]),
    ("leader_election_master_status", "gauge", &["name"]),
    ("process_cpu_seconds", "counter", &[]),
    ("process_max_fds", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
    ("process_virtual_memory_bytes", "gauge", &[]),
    ("rest_client_requests", "counter", &["code", "host", "method"]),
    ("workqueue_adds", "counter", &["controller", "name"]),
    ("workqueue_depth", "gauge", &["controller", "name", "priority"]),
    ("workqueue_longest_running_processor_seconds", "gauge", &["controller", "name"]),
    ("workqueue_queue_duration_seconds", "histogram", &["controller", "name"]),
    ("workqueue_retries", "counter", &["controller", "name"]),
    ("workqueue_unfinished_work_seconds", "gauge", &["controller", "name"]),
    ("workqueue_work_duration_seconds", "histogram", &["controller", "name"]),
];

/// Whose names are the reference's; ours begin otherwise.
const PREFIXES: [&str; 8] = [
    "certwatcher_",
    "controller_runtime_",
    "elastic_",
    "go_",
    "leader_election_",
    "process_",
    "rest_client_",
    "workqueue_",
];

/// Controllers of the reference that have something to do here.
const CONTROLLERS: [&str; 10] = [
    "apm-es-association-controller",
    "apm-kibana-association-controller",
    "apmserver-controller",
    "elasticsearch-controller",
    "es-monitoring-association-controller",
    "kb-es-association-controller",
    "kb-monitoring-association-controller",
    "kibana-controller",
    "license-controller",
    "webhook-certificates-controller",
];

/// An operator's metrics when it has begun and called an API server, which isn't there.
async fn text() -> String {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    for kind in parapet_api::Kind::ALL {
        let name = crate::pass::controller(kind);
        drop(metrics.workers.queue(name));
        let controller = metrics.workers.controller(name);
        controller.workers(3);
        controller.ended(Ended::Success, std::time::Duration::ZERO);
    }
    let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let client = crate::cluster::counted(nowhere, metrics.api.clone()).unwrap();
    client.apiserver_version().await.unwrap_err();
    metrics.leader.holds(true);
    metrics.leader.leads("elastic-system", "uuid");
    metrics.usage.set("basic", &Usage::default());
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// Of each metric, its type and the labels of its samples, without those that a histogram adds.
fn families(text: &str) -> BTreeMap<&str, (&str, BTreeSet<&str>)> {
    let mut families: BTreeMap<&str, (&str, BTreeSet<&str>)> = BTreeMap::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(families.insert(name, (kind, BTreeSet::new())).is_none(), "{name} is there twice");
            current = name;
        } else if let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let (labels, _) = labels.rsplit_once('}').unwrap();
            let names = labels.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
            families.get_mut(current).unwrap().1.extend(names.filter(|name| *name != "le"));
        }
    }
    families
}

#[tokio::test]
async fn names_types_and_labels_are_the_documented_ones_and_no_others() {
    let text = text().await;
    let mut found = families(&text);
    found.retain(|name, _| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
    let expected: BTreeMap<&str, (&str, BTreeSet<&str>)> =
        TABLE.iter().map(|(name, kind, labels)| (*name, (*kind, labels.iter().copied().collect()))).collect();
    let names = |all: &BTreeMap<&str, _>| all.keys().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    assert_eq!(found, expected);
}

#[test]
fn our_own_are_in_the_documentation() {
    let mut registry = Registry::default();
    let _ = (
        Metrics::register(&mut registry),
        CertificateMetrics::register(&mut registry),
        crate::elasticsearch::ElasticsearchMetrics::register(&mut registry),
    );
    let documentation = include_str!("../../../../docs/operator.md");
    let held = format!("{registry:?}");
    let names: BTreeSet<&str> = held
        .match_indices("\"parapet_operator_")
        .filter_map(|(at, _)| held[at + 1..].split('"').next())
        .collect();
    assert!(names.len() > 7, "the registry's Debug has changed: {names:?}");
    for name in names {
        assert!(documentation.contains(&format!("`{name}")), "{name}");
    }
    assert!(documentation.contains("`parapet_operator_certificate_expiry_timestamp_seconds"));
}

#[tokio::test]
async fn every_controller_is_there_from_the_start_with_all_ways_to_end() {
    let text = text().await;
    for controller in CONTROLLERS {
        for result in ["error", "requeue", "requeue_after", "success"] {
            let sample = format!(
                "controller_runtime_reconcile_total{{controller=\"{controller}\",result=\"{result}\"}}"
            );
            assert!(text.contains(&sample), "{sample}");
        }
    }
    let counted = text.lines().filter_map(|line| line.strip_prefix("controller_runtime_reconcile_total{"));
    let names: BTreeSet<&str> = counted.filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(names, BTreeSet::from(CONTROLLERS));
}
