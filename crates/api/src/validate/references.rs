//! References to other applications: their shape, and what they need.

use super::versions::needs;
use crate::{
    Application as _, Elasticsearch, FieldError, LocalSelector, Monitoring, MonitoringTarget, ObjectSelector,
    StackVersion,
};

/// Since when an application can report to another cluster.
const MONITORING_SINCE: StackVersionParts = (7, 14, 0);
/// Since when clusters can be reached by API keys.
const REMOTE_KEYS_SINCE: StackVersionParts = (8, 10, 0);

type StackVersionParts = (u64, u64, u64);

/// By name, or by a Secret.
pub(super) fn object(path: &str, target: &ObjectSelector) -> Vec<FieldError> {
    let given = |part: &Option<String>| part.as_deref().is_some_and(|text| !text.is_empty());
    let mut found = Vec::new();
    if given(&target.secret_name) {
        for (part, key) in
            [(&target.name, "name"), (&target.namespace, "namespace"), (&target.service_name, "serviceName")]
        {
            if given(part) {
                found.push(FieldError::forbidden(
                    format!("{path}.{key}"),
                    "can't be used together with secretName",
                ));
            }
        }
    } else {
        let local = LocalSelector {
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            service_name: target.service_name.clone(),
        };
        found.extend(by_name(path, &local));
    }
    found
}

fn by_name(path: &str, target: &LocalSelector) -> Option<FieldError> {
    let given = |part: &Option<String>| part.as_deref().is_some_and(|text| !text.is_empty());
    let more = given(&target.namespace) || given(&target.service_name);
    (more && !given(&target.name))
        .then(|| FieldError::required(format!("{path}.name"), "a namespace or a Service alone names nothing"))
}

/// Where metrics and logs go. Kibana's metrics are about its Elasticsearch, so it must have one.
pub(super) fn monitoring(
    monitoring: Option<&Monitoring>,
    version: &str,
    has_elasticsearch: bool,
) -> Vec<FieldError> {
    let Some(monitoring) = monitoring else { return Vec::new() };
    let mut found = Vec::new();
    let is_used = |target: &MonitoringTarget| target.elasticsearch_refs.iter().any(ObjectSelector::is_set);
    if is_used(&monitoring.metrics) || is_used(&monitoring.logs) {
        found.extend(needs("spec.monitoring", version, since(MONITORING_SINCE)));
    }
    for (part, target) in [("metrics", &monitoring.metrics), ("logs", &monitoring.logs)] {
        let path = format!("spec.monitoring.{part}.elasticsearchRefs");
        if target.elasticsearch_refs.len() > 1 {
            let reason = "there can be one cluster at most";
            found.push(FieldError::invalid(path.clone(), target.elasticsearch_refs.len(), reason));
        }
        for (index, reference) in target.elasticsearch_refs.iter().enumerate() {
            found.extend(object(&format!("{path}[{index}]"), reference));
        }
    }
    if is_used(&monitoring.metrics) && !has_elasticsearch {
        let reason = "metrics can only be collected beside an Elasticsearch that spec.elasticsearchRef names";
        found.push(FieldError::invalid("spec.monitoring.metrics", "", reason));
    }
    found
}

/// Other clusters, and the server for them.
pub(super) fn remote_clusters(es: &Elasticsearch) -> Vec<FieldError> {
    let mut found = Vec::new();
    for (index, remote) in es.spec.remote_clusters.iter().flatten().enumerate() {
        let path = format!("spec.remoteClusters[{index}]");
        found.extend(by_name(&format!("{path}.elasticsearchRef"), &remote.elasticsearch_ref));
        if remote.api_key.is_some() {
            found.extend(needs(&format!("{path}.apiKey"), es.version(), since(REMOTE_KEYS_SINCE)));
        }
    }
    if es.spec.remote_cluster_server.as_ref().is_some_and(|server| server.enabled) {
        found.extend(needs("spec.remoteClusterServer", es.version(), since(REMOTE_KEYS_SINCE)));
    }
    found
}

fn since((major, minor, patch): StackVersionParts) -> StackVersion {
    StackVersion::new(major, minor, patch)
}
