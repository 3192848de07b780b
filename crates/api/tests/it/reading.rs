//! What an API server holds is read, whoever wrote it.

use parapet_api::{Application as _, AssociationState, ConditionType, Elasticsearch, Health, Kibana, Phase};
use serde_json::json;

use crate::objects;

#[test]
fn null_is_absent() {
    let es = objects::elasticsearch(json!({
        "spec": {
            "auth": null, "http": { "service": { "metadata": { "creationTimestamp": null }, "spec": null }, "tls": null },
            "transport": { "service": null, "tls": { "certificate": null, "subjectAltNames": null } },
            "updateStrategy": { "changeBudget": null }, "podDisruptionBudget": { "metadata": null, "spec": null },
            "secureSettings": null, "monitoring": { "metrics": null, "logs": { "elasticsearchRefs": null } },
            "nodeSets": [{
                "name": "default", "count": null, "config": null, "podTemplate": { "metadata": { "creationTimestamp": null } },
                "volumeClaimTemplates": null,
            }],
        },
    }));
    assert_eq!(es.spec.node_sets[0].count, 0);
    assert!(es.http().tls_enabled());
    assert!(es.spec.pod_disruption_budget.is_some());
}

#[test]
fn a_pod_template_needs_no_containers_and_takes_numbers_for_quantities() {
    let es = objects::elasticsearch(
        json!({ "spec": { "nodeSets": [{ "name": "a", "count": 1, "podTemplate": { "spec": {
        "containers": [{ "name": "elasticsearch", "resources": { "limits": { "cpu": 2, "memory": "4Gi" } } }],
    } } }] } }),
    );
    let spec = es.spec.node_sets[0].pod_template.spec.as_ref().unwrap();
    let limits = spec.containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap();
    assert_eq!(limits["cpu"].0, "2");
    let es = objects::elasticsearch(json!({ "spec": { "nodeSets": [{ "name": "a", "podTemplate": { "spec": {
        "automountServiceAccountToken": true,
    } } }] } }));
    let spec = es.spec.node_sets[0].pod_template.spec.as_ref().unwrap();
    assert_eq!((spec.automount_service_account_token, spec.containers.len()), (Some(true), 0));
}

#[test]
fn numbers_in_a_configuration_stay_what_they_are() {
    let es = objects::elasticsearch(json!({ "spec": { "nodeSets": [{ "name": "a", "config": {
        "whole": 1, "broken": 1.5, "large": 9_007_199_254_740_993_i64, "text": "0777", "yes": true, "nothing": null,
    } }] } }));
    let config = es.spec.node_sets[0].config.clone().unwrap();
    let text = serde_json::to_string(&config).unwrap();
    for expected in [
        "\"whole\":1,",
        "\"broken\":1.5,",
        "\"large\":9007199254740993,",
        "\"text\":\"0777\"",
        "\"nothing\":null",
    ] {
        assert!(format!("{text},").contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_status_of_another_release_is_no_obstacle() {
    let es: Elasticsearch = objects::elasticsearch(json!({ "status": {
        "health": "purple", "phase": "Ready", "availableNodes": 3, "version": "8.15.3",
        "monitoringAssociationStatus": { "default/a": "" },
        "conditions": [
            { "type": "FromTheFuture", "status": "True" },
            { "type": "ElasticsearchIsReachable", "status": "Unknown", "message": "m" },
        ],
        "inProgressOperations": { "downscale": "no" },
    } }));
    let status = es.status.unwrap();
    assert_eq!((status.health, status.phase, status.available_nodes), (None, Some(Phase::Ready), Some(3)));
    assert_eq!(status.conditions.len(), 1);
    assert_eq!(status.conditions[0].kind, ConditionType::ElasticsearchIsReachable);
    assert_eq!(status.in_progress_operations, None);
    let kb: Kibana = objects::kibana(json!({ "status": {
        "health": "green", "associationStatus": "", "elasticsearchAssociationStatus": "Established",
    } }));
    let status = kb.status.unwrap();
    assert_eq!(status.health, Some(Health::Green));
    assert_eq!(status.association_status, None);
    assert_eq!(status.elasticsearch_association_status, Some(AssociationState::Established));
}

#[test]
fn a_specification_is_read_strictly() {
    let refused =
        |spec: serde_json::Value| serde_json::from_value::<parapet_api::ElasticsearchSpec>(spec).is_err();
    assert!(!refused(json!({ "version": "8.15.3", "nodeSets": [] })));
    assert!(refused(json!({ "version": "8.15.3" })));
    assert!(refused(json!({ "version": 8, "nodeSets": [] })));
    assert!(refused(json!({ "version": "8.15.3", "nodeSets": [], "volumeClaimDeletePolicy": "Never" })));
    assert!(refused(json!({ "version": "8.15.3", "nodeSets": [{ "name": "a", "count": "3" }] })));
}
