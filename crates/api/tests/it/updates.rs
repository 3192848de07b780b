//! Every rule about a change, one row each.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::storage::v1::StorageClass;
use parapet_api::validate::{self, Live};
use serde_json::{Value, json};

use crate::objects;

#[track_caller]
fn check(old: Value, new: Value, expect: &[&str]) {
    let (old, new) = (objects::elasticsearch(old), objects::elasticsearch(new));
    let found = validate::elasticsearch_update(&old, &new, None);
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

fn version(version: &str) -> Value {
    json!({ "spec": { "version": version } })
}

const DOWNGRADE: &str =
    "spec.version: Forbidden: 8.14.0 is older than 8.15.3, and data can't be taken back to it";

#[test]
fn no_downgrade() {
    check(version("8.15.3"), version("8.15.3"), &[]);
    check(version("8.15.3"), version("8.16.0"), &[]);
    check(version("8.15.3"), version("8.14.0"), &[DOWNGRADE]);
    let allowed = json!({
        "metadata": { "annotations": { "eck.k8s.elastic.co/disable-downgrade-validation": "true" } },
        "spec": { "version": "8.14.0" },
    });
    check(version("8.15.3"), allowed, &[]);
    let words = |found: Vec<validate::FieldError>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
    let kibana = |text: &str| objects::kibana(version(text));
    assert_eq!(words(validate::kibana_update(&kibana("8.15.3"), &kibana("8.14.0"))), [DOWNGRADE]);
    assert!(validate::kibana_update(&kibana("8.14.0"), &kibana("8.15.3")).is_empty());
    let apm = |text: &str| objects::apm_server(version(text));
    assert_eq!(words(validate::apm_server_update(&apm("8.15.3"), &apm("8.14.0"))), [DOWNGRADE]);
    assert!(validate::apm_server_update(&apm("8.14.0"), &apm("8.15.3")).is_empty());
}

#[test]
fn majors_are_reached_from_their_predecessors_last_versions() {
    check(version("7.17.0"), version("8.15.3"), &[]);
    check(version("8.18.0"), version("9.0.0"), &[]);
    check(
        version("7.16.0"),
        version("8.15.3"),
        &[
            "spec.version: Forbidden: 8.15.3 can't take over from 7.16.0: upgrade to 7.17.0 or a later 7 first",
        ],
    );
    check(
        version("7.17.0"),
        version("9.0.0"),
        &["spec.version: Forbidden: 9.0.0 can't take over from 7.17.0: upgrade to 8.18.0 or a later 8 first"],
    );
    // What runs counts, not what was asked for last.
    let underway = json!({ "spec": { "version": "8.18.0" }, "status": { "version": "8.15.3" } });
    check(
        underway,
        version("9.0.0"),
        &["spec.version: Forbidden: 9.0.0 can't take over from 8.15.3: upgrade to 8.18.0 or a later 8 first"],
    );
}

fn claim(name: &str, storage: &str, class: Option<&str>) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": { "requests": { "storage": storage } },
        },
    })
}

fn class(name: &str, expandable: bool, default: bool) -> StorageClass {
    let annotations = json!({ "storageclass.kubernetes.io/is-default-class": default.to_string() });
    serde_json::from_value(json!({
        "metadata": { "name": name, "annotations": annotations }, "provisioner": "p", "allowVolumeExpansion": expandable,
    }))
    .unwrap()
}

/// What is said of claims that become others, with a StatefulSet as the API server shows it.
#[track_caller]
fn check_claims(live: &[Value], wanted: &[Value], classes: Option<&[StorageClass]>, expect: &[&str]) {
    let mut templates = live.to_vec();
    for template in &mut templates {
        template["spec"]["volumeMode"] = json!("Filesystem");
        template["status"] = json!({ "phase": "Pending" });
    }
    let set: StatefulSet = serde_json::from_value(json!({
        "metadata": { "name": "shop-es-default" },
        "spec": { "selector": {}, "serviceName": "s", "template": {}, "volumeClaimTemplates": templates },
    }))
    .unwrap();
    let of = |claims: &[Value]| {
        objects::elasticsearch(
            json!({ "spec": { "nodeSets": [{ "name": "default", "count": 1, "volumeClaimTemplates": claims }] } }),
        )
    };
    let live = Live { stateful_sets: &[set], storage_classes: classes };
    let found = validate::elasticsearch_update(&of(wanted), &of(wanted), Some(live));
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

#[test]
fn claims_may_grow_if_their_class_lets_them_and_change_in_no_other_way() {
    let data = |storage: &str, class: Option<&str>| claim("elasticsearch-data", storage, class);
    let classes = [class("fixed", false, true), class("grows", true, false)];
    let fixed = "spec.nodeSets[0].volumeClaimTemplates: Forbidden: claims can't be changed but for more storage; add a group of \
                 nodes with the new claims instead";
    let size = "spec.nodeSets[0].volumeClaimTemplates[0].spec.resources.requests.storage: Forbidden:";
    check_claims(&[data("1Gi", None)], &[data("1Gi", None)], Some(&classes), &[]);
    check_claims(&[data("1Gi", None)], &[data("1024Mi", None)], Some(&classes), &[]);
    check_claims(&[data("1Gi", Some("grows"))], &[data("2Gi", Some("grows"))], Some(&classes), &[]);
    let cannot = format!("{size} the storage class doesn't allow volumes to be expanded");
    check_claims(&[data("1Gi", Some("fixed"))], &[data("2Gi", Some("fixed"))], Some(&classes), &[&cannot]);
    check_claims(&[data("1Gi", None)], &[data("2Gi", None)], Some(&classes), &[&cannot]);
    check_claims(&[data("1Gi", Some("gone"))], &[data("2Gi", Some("gone"))], Some(&classes), &[&cannot]);
    check_claims(&[data("1Gi", Some("fixed"))], &[data("2Gi", Some("fixed"))], None, &[]);
    check_claims(
        &[data("2Gi", Some("grows"))],
        &[data("1Gi", Some("grows"))],
        Some(&classes),
        &[&format!("{size} volumes of 2Gi can't shrink to 1Gi")],
    );
    check_claims(&[data("1Gi", Some("grows"))], &[data("1Gi", Some("fixed"))], Some(&classes), &[fixed]);
    check_claims(
        &[data("1Gi", None)],
        &[claim("other", "1Gi", None), data("1Gi", None)],
        Some(&classes),
        &[fixed],
    );
    let mut shared = data("1Gi", None);
    shared["spec"]["accessModes"] = json!(["ReadWriteMany"]);
    check_claims(&[data("1Gi", None)], &[shared], Some(&classes), &[fixed]);
    let mut labelled = data("1Gi", None);
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    check_claims(&[data("1Gi", None)], &[labelled], Some(&classes), &[fixed]);
}

#[test]
fn the_default_claim_can_grow_by_being_written_down() {
    let classes = [class("grows", true, true)];
    check_claims(&[claim("elasticsearch-data", "1Gi", None)], &[], Some(&classes), &[]);
    check_claims(
        &[claim("elasticsearch-data", "1Gi", None)],
        &[claim("elasticsearch-data", "5Gi", None)],
        Some(&classes),
        &[],
    );
    check_claims(
        &[claim("elasticsearch-data", "5Gi", None)],
        &[],
        Some(&classes),
        &[
            "spec.nodeSets[0].volumeClaimTemplates[0].spec.resources.requests.storage: Forbidden: volumes of 5Gi can't shrink to 1Gi",
        ],
    );
}
