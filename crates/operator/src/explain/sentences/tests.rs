//! One snapshot per state that people meet.

use k8s_openapi::api::core::v1::Pod;
use parapet_api::{Condition, ConditionState, InProgress};
use serde_json::{Value, json};

use super::super::{Certificate, Said};
use super::*;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn facts(kind: Kind, said: Said) -> Facts {
    Facts {
        kind,
        namespace: "elastic".to_owned(),
        name: "quickstart".to_owned(),
        said,
        references: Vec::new(),
        odd: Vec::new(),
        pods: Vec::new(),
        certificates: Vec::new(),
        events: Vec::new(),
        now: now(),
    }
}

fn said(phase: &str, available: i32) -> Said {
    Said {
        generation: 2,
        observed_generation: Some(2),
        version: "8.16.0".to_owned(),
        wanted: 3,
        available: Some(available),
        running: Some("8.15.3".to_owned()),
        health: Some("yellow".to_owned()),
        phase: Some(phase.to_owned()),
        ..Said::default()
    }
}

fn condition(kind: ConditionType, status: ConditionState, message: &str) -> Condition {
    Condition { kind, status, last_transition_time: None, message: Some(message.to_owned()) }
}

fn pod(name: &str, status: Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": name }, "status": status })).unwrap()
}

fn ready(name: &str) -> Pod {
    pod(name, json!({ "conditions": [{ "type": "Ready", "status": "True" }] }))
}

fn told(facts: &Facts) -> String {
    explain(facts).to_string()
}

#[test]
fn nothing_holds_it() {
    let mut facts = facts(Kind::Elasticsearch, said("Ready", 3));
    facts.said.running = Some("8.16.0".to_owned());
    facts.said.health = Some("green".to_owned());
    facts.pods = ["a", "b", "c"].map(ready).to_vec();
    let explained = explain(&facts);
    assert!(explained.is_fine());
    insta::assert_snapshot!(explained.to_string());
}

#[test]
fn a_rolling_upgrade_waits_for_a_rule() {
    let in_progress = json!({
        "upgrade": { "nodes": [
            { "name": "quickstart-es-default-2", "status": "DELETED" },
            { "name": "quickstart-es-default-1", "status": "PENDING",
              "message": "only this node serves shard 0 of logs, whose replica isn't started",
              "predicate": "require_started_replica" },
            { "name": "quickstart-es-default-0", "status": "PENDING",
              "message": "as many as maxUnavailable allows go before it",
              "predicate": "do_not_restart_healthy_node_if_MaxUnavailable_reached" },
        ] },
        "downscale": { "nodes": [{ "name": "quickstart-es-old-0", "shutdownStatus": "STALLED", "explanation": "no node takes shard 1 of logs" }] },
        "upscale": { "nodes": [{ "name": "quickstart-es-new-0", "status": "PENDING", "message": "maxSurge is reached" }] },
    });
    let in_progress: InProgress = serde_json::from_value(in_progress).unwrap();
    let conditions = vec![
        condition(
            ConditionType::RunningDesiredVersion,
            ConditionState::False,
            "Some nodes still run 8.15.3.",
        ),
        condition(ConditionType::ElasticsearchIsReachable, ConditionState::True, "It answers"),
    ];
    let mut facts = facts(Kind::Elasticsearch, Said { in_progress, conditions, ..said("Stalled", 2) });
    facts.pods = vec![ready("quickstart-es-default-0"), ready("quickstart-es-default-1")];
    insta::assert_snapshot!(told(&facts));
}

#[test]
fn pods_that_do_not_come_up_say_why() {
    let mut facts = facts(Kind::Elasticsearch, said("ApplyingChanges", 1));
    let waiting =
        |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
    let main = |state: Value, restarts: i32, last: Value| {
        json!([{ "name": "elasticsearch", "image": "i", "imageID": "", "ready": false, "restartCount": restarts,
                 "state": state, "lastState": last }])
    };
    let not_ready = json!([{ "type": "Ready", "status": "False", "message": "containers with unready status: [elasticsearch]" }]);
    facts.pods = vec![
        pod(
            "unscheduled",
            json!({ "conditions": [{ "type": "PodScheduled", "status": "False",
            "message": "0/3 nodes are available: 3 Insufficient memory." }] }),
        ),
        pod(
            "no-image",
            json!({ "containerStatuses": main(waiting("ImagePullBackOff", "Back-off pulling image \"x\""), 0, json!({})) }),
        ),
        pod(
            "crashes",
            json!({ "containerStatuses": main(waiting("CrashLoopBackOff", ""), 7,
            json!({ "terminated": { "exitCode": 78, "reason": "Error" } })) }),
        ),
        pod(
            "too-small",
            json!({ "containerStatuses": main(waiting("CrashLoopBackOff", ""), 2,
            json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } })) }),
        ),
        pod(
            "suspended",
            json!({ "initContainerStatuses": [{ "name": "elastic-internal-suspend", "image": "i", "imageID": "",
            "ready": false, "restartCount": 0, "state": { "running": {} } }] }),
        ),
        pod("starts", json!({ "conditions": not_ready })),
        ready("fine"),
    ];
    insta::assert_snapshot!(told(&facts));
}

#[test]
fn elasticsearch_that_does_not_answer_and_a_mesh_that_does_not_fit() {
    let conditions = vec![
        condition(
            ConditionType::ReconciliationComplete,
            ConditionState::False,
            "Elasticsearch doesn't answer",
        ),
        condition(
            ConditionType::ElasticsearchIsReachable,
            ConditionState::False,
            "503 Service Unavailable from a proxy",
        ),
        condition(ConditionType::MeshReady, ConditionState::False, "C1: 9300 isn't excluded"),
    ];
    let facts = facts(Kind::Elasticsearch, Said { conditions, paused: true, ..said("ApplyingChanges", 3) });
    insta::assert_snapshot!(told(&facts));
}

#[test]
fn what_nobody_looks_at() {
    let of = |said| explain(&facts(Kind::Kibana, said)).blocked_by;
    let never = Said { observed_generation: None, ..said("", 0) };
    assert_eq!(of(never)[0], "No operator has looked at it yet");
    let behind = Said { observed_generation: Some(1), ..said("", 3) };
    assert_eq!(of(behind)[0], "The operator hasn't looked at the last change yet");
    let alone = Said { left_alone: Some("eck.k8s.elastic.co/managed".to_owned()), ..said("", 3) };
    assert_eq!(
        of(alone),
        ["The operator leaves it alone, as its annotation eck.k8s.elastic.co/managed says"]
    );
    let odd = Said { unreadable: Some("spec.count: invalid type".to_owned()), ..said("", 3) };
    assert_eq!(of(odd), ["The operator can't read it: spec.count: invalid type"]);
    let conditions =
        vec![condition(ConditionType::ReconciliationComplete, ConditionState::False, "spec.version: x")];
    let refused = Said { conditions, ..said("Invalid", 3) };
    assert_eq!(of(refused)[0], "It is refused: spec.version: x");
}

#[test]
fn references_certificates_and_events() {
    let mut facts = facts(Kind::ApmServer, Said { phase: None, ..said("", 0) });
    let target = |name: &str| Some(("data".to_owned(), name.to_owned()));
    let reference = |field, kind, target, exists, state| Reference { field, kind, target, exists, state };
    facts.references = vec![
        reference(
            "elasticsearchRef",
            Kind::Elasticsearch,
            target("es"),
            true,
            Some(AssociationState::Pending),
        ),
        reference("kibanaRef", Kind::Kibana, target("gone"), false, Some(AssociationState::Pending)),
        reference("kibanaRef", Kind::Kibana, target("denied"), true, Some(AssociationState::Failed)),
        reference("elasticsearchRef", Kind::Elasticsearch, None, true, None),
        reference(
            "elasticsearchRef",
            Kind::Elasticsearch,
            target("fine"),
            true,
            Some(AssociationState::Established),
        ),
    ];
    let certificate = |key: &str, hours| Certificate {
        secret: "quickstart-apm-http-certs-internal".to_owned(),
        key: key.to_owned(),
        not_after: now() + SignedDuration::from_hours(hours),
    };
    facts.certificates =
        vec![certificate("tls.crt", 5), certificate("ca.crt", -50), certificate("old.crt", 24 * 300)];
    let event = |minutes, reason: &str, note: &str, about: Option<&str>| Happened {
        at: Some(now() - SignedDuration::from_mins(minutes)),
        warning: reason != "AssociationStatusChange",
        reason: reason.to_owned(),
        note: note.to_owned(),
        about: about.map(str::to_owned),
    };
    facts.events = vec![
        event(1, "Delayed", "Kibana waits.", None),
        event(2, "Delayed", "Kibana waits.", None),
        event(70, "FailedScheduling", "no node", Some("Pod quickstart-apm-server-0")),
        event(60 * 50, "AssociationStatusChange", "from [] to [Pending]", None),
    ];
    insta::assert_snapshot!(told(&facts));
}

#[test]
fn what_is_odd_and_what_is_not_looked_after_hold_nothing() {
    let left = "The licence in the Secret quickstart-es-license is given to Elasticsearch";
    let conditions = vec![condition(ConditionType::FullyManaged, ConditionState::False, left)];
    let mut facts = facts(Kind::Elasticsearch, Said { conditions, ..said("Ready", 3) });
    facts.pods = ["a", "b", "c"].map(ready).to_vec();
    facts.odd = vec!["spec.version: it ends soon".to_owned()];
    let explained = explain(&facts);
    assert!(explained.is_fine(), "{explained}");
    assert_eq!(explained.going_on, [format!("Not looked after here: {left}")]);
    assert!(explained.to_string().contains("What is odd:\n  - spec.version: it ends soon.\n"), "{explained}");
}

#[test]
fn metrics_and_logs_wait_for_the_clusters_that_they_go_to() {
    let mut facts = facts(Kind::Elasticsearch, said("Ready", 3));
    facts.pods = ["a", "b", "c"].map(ready).to_vec();
    let reference = |field, name: &str, exists, state| Reference {
        field,
        kind: Kind::Elasticsearch,
        target: Some(("monitoring".to_owned(), name.to_owned())),
        exists,
        state,
    };
    facts.references = vec![
        reference("monitoring.metrics", "far", true, Some(AssociationState::Established)),
        reference("monitoring.logs", "gone", false, Some(AssociationState::Pending)),
    ];
    let held = explain(&facts).blocked_by;
    assert_eq!(held, ["monitoring.logs names Elasticsearch monitoring/gone, which doesn't exist"]);
}
