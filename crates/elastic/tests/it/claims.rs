//! Claims: whose they are, how they grow, when they go.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use parapet_api::Elasticsearch;
use parapet_elastic::claims::{self, ClaimGrowth, RecreationError, Refusal, Step};
use serde_json::{Value, json};

use crate::built;

const SET: &str = "x-es-s";
const ANNOTATION: &str = "elasticsearch.k8s.elastic.co/recreate-x-es-s";

fn claim(name: &str, set: &str, storage: &str) -> PersistentVolumeClaim {
    serde_json::from_value(json!({
        "metadata": { "name": name, "uid": format!("uid-of-{name}"),
            "labels": { "elasticsearch.k8s.elastic.co/statefulset-name": set } },
        "spec": { "resources": { "requests": { "storage": storage } } } }))
    .unwrap()
}

fn es(storage: &str) -> Elasticsearch {
    let templates = if storage.is_empty() {
        String::new()
    } else {
        format!(
            "volumeClaimTemplates: [{{metadata: {{name: elasticsearch-data}}, spec: {{accessModes: [ReadWriteOnce], \
                 resources: {{requests: {{storage: {storage}}}}}}}}}]"
        )
    };
    built::elasticsearch("8.15.3", "", &templates)
}

fn set(storage: &str, replicas: i32) -> StatefulSet {
    let mut set = built::stateful_sets(&es(storage)).remove(0);
    set.metadata.uid = Some("old".to_owned());
    set.spec.as_mut().unwrap().replicas = Some(replicas);
    set
}

#[test]
fn claims_go_with_their_cluster_or_outlive_it() {
    let goes = built::elasticsearch("8.15.3", "", "");
    let stays = built::elasticsearch("8.15.3", "volumeClaimDeletePolicy: DeleteOnScaledownOnly,", "");
    let unowned = claim("a", SET, "1Gi");
    let owned = claims::with_owner(&goes, &unowned).unwrap();
    assert_eq!(
        json!(owned.metadata.owner_references),
        json!([{ "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch", "name": "x", "uid": built::UID }])
    );
    assert_eq!(claims::with_owner(&goes, &owned), None);
    assert_eq!(claims::with_owner(&stays, &unowned), None);
    assert_eq!(claims::with_owner(&stays, &owned).unwrap().metadata.owner_references, None);
    let mut shared = owned;
    let other = json!({ "apiVersion": "v1", "kind": "A", "name": "a", "uid": "other" });
    shared.metadata.owner_references.as_mut().unwrap().push(serde_json::from_value(other).unwrap());
    let left = claims::with_owner(&stays, &shared).unwrap().metadata.owner_references.unwrap();
    assert_eq!(left.iter().map(|owner| owner.uid.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[test]
fn claims_go_only_when_nothing_counts_on_them() {
    let garbage = |live: Option<i32>, desired: Option<i32>, pods: &[&str]| -> Vec<String> {
        let all = [
            claim("elasticsearch-data-x-es-s-0", SET, "1Gi"),
            claim("elasticsearch-data-x-es-s-1", SET, "1Gi"),
            claim("elasticsearch-data-x-es-s-2", SET, "1Gi"),
            // Not named like a claim of that StatefulSet.
            claim("mine", SET, "1Gi"),
            claim("x-es-s-7", SET, "1Gi"),
            claim("elasticsearch-data-x-es-s-x", SET, "1Gi"),
            claim("elasticsearch-data-x-es-s-+9", SET, "1Gi"),
            serde_json::from_value(json!({ "metadata": { "name": "elasticsearch-data-x-es-s-9" } })).unwrap(),
        ];
        let sets = |count: Option<i32>| count.map(|count| set("", count)).into_iter().collect::<Vec<_>>();
        let pods: BTreeSet<String> = pods.iter().map(|pod| (*pod).to_owned()).collect();
        let found = claims::garbage(&all, &sets(live), &sets(desired), &pods);
        found.into_iter().map(|claim| claim.metadata.name.clone().unwrap()).collect()
    };
    let named = |ordinals: &[u8]| {
        ordinals.iter().map(|n| format!("elasticsearch-data-x-es-s-{n}")).collect::<Vec<_>>()
    };
    for (live, desired, pods, expected) in [
        (Some(3), Some(3), vec![], vec![]),
        // Still to be scaled down, or up.
        (Some(3), Some(1), vec![], vec![]),
        (Some(1), Some(3), vec![], vec![]),
        (Some(1), Some(1), vec![], vec![1, 2]),
        // The pod is still there.
        (Some(1), Some(1), vec!["x-es-s-2"], vec![1]),
        // About to be made, or made anew.
        (None, Some(1), vec![], vec![]),
        // Removed from the specification, not drained yet.
        (Some(2), None, vec![], vec![2]),
        (None, None, vec![], vec![0, 1, 2]),
        (None, None, vec!["x-es-s-0"], vec![1, 2]),
    ] {
        assert_eq!(garbage(live, desired, &pods), named(&expected), "{live:?} {desired:?} {pods:?}");
    }
}

#[test]
fn volumes_grow_where_their_class_allows_it() {
    let all = [
        claim("elasticsearch-data-x-es-s-0", SET, "1Gi"),
        claim("elasticsearch-data-x-es-s-1", SET, "2048Mi"),
        claim("elasticsearch-data-x-es-other-0", "x-es-other", "1Gi"),
        claim("other-x-es-s-0", SET, "1Gi"),
    ];
    let plan = claims::resize(&set("1Gi", 2), &set("2Gi", 2), &all, |class| {
        assert_eq!(class, None);
        Some(true)
    });
    let growth = ClaimGrowth {
        name: "elasticsearch-data-x-es-s-0".to_owned(),
        uid: "uid-of-elasticsearch-data-x-es-s-0".to_owned(),
        storage: "2Gi".to_owned(),
    };
    assert_eq!((plan.grow, plan.refused), (vec![growth], vec![]));
    let (annotation, value) = plan.remember.unwrap();
    assert_eq!(annotation, ANNOTATION);
    let remembered: Value = serde_json::from_str(&value).unwrap();
    assert_eq!(remembered["metadata"]["uid"], json!("old"));
    assert_eq!(
        remembered["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"],
        json!("2Gi")
    );
    assert_eq!(remembered["spec"]["replicas"], json!(2));
}

#[test]
fn claims_that_lag_behind_grow_without_a_new_stateful_set() {
    let all = [claim("elasticsearch-data-x-es-s-0", SET, "1Gi")];
    let plan = claims::resize(&set("2Gi", 1), &set("2048Mi", 1), &all, |_| Some(true));
    assert_eq!((plan.grow.len(), plan.remember, plan.refused), (1, None, vec![]));
    let plan = claims::resize(&set("2Gi", 1), &set("2Gi", 1), &[], |_| panic!("nobody needs to know"));
    assert_eq!(plan, claims::Resize::default());
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let check = |live: &StatefulSet,
                 desired: &StatefulSet,
                 expandable: Option<bool>,
                 expected: Refusal,
                 text: &str| {
        let plan = claims::resize(live, desired, &[claim("elasticsearch-data-x-es-s-0", SET, "1Gi")], |_| {
            expandable
        });
        assert_eq!((plan.grow, plan.remember), (vec![], None));
        assert_eq!(plan.refused[0].to_string(), text);
        assert_eq!(plan.refused, [expected]);
    };
    let template = || "elasticsearch-data".to_owned();
    check(
        &set("2Gi", 1),
        &set("1Gi", 1),
        Some(true),
        Refusal::Shrinks { template: template(), live: "2Gi".to_owned(), wanted: "1Gi".to_owned() },
        "the volume elasticsearch-data has 2Gi and can't shrink to 1Gi",
    );
    let no_class = || Refusal::ClassRefuses { template: template(), class: None };
    let text =
        "the volume elasticsearch-data can't grow: it has no storage class and there is no default one";
    check(&set("1Gi", 1), &set("2Gi", 1), None, no_class(), text);
    let classed = |storage: &str| {
        crate::compare::with(&set(storage, 1), |set| {
            set["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] = json!("slow");
        })
    };
    check(
        &classed("1Gi"),
        &classed("2Gi"),
        Some(false),
        Refusal::ClassRefuses { template: template(), class: Some("slow".to_owned()) },
        "the volume elasticsearch-data can't grow: the storage class slow doesn't allow it",
    );
    let changed = "of the claim template elasticsearch-data only the requested storage can be changed; a node set of another name gets other volumes";
    check(&set("1Gi", 1), &classed("1Gi"), Some(true), Refusal::Changed { template: template() }, changed);
    let gone = crate::compare::with(&set("1Gi", 1), |set| set["spec"]["volumeClaimTemplates"] = json!([]));
    check(&set("1Gi", 1), &gone, Some(true), Refusal::Changed { template: template() }, changed);
}

#[test]
fn a_template_as_the_api_server_gives_it_back_is_unchanged() {
    let live = crate::compare::with(&set("1Gi", 1), |set| {
        let template = &mut set["spec"]["volumeClaimTemplates"][0];
        template["apiVersion"] = json!("v1");
        template["kind"] = json!("PersistentVolumeClaim");
        template["status"] = json!({ "phase": "Pending" });
        template["spec"]["volumeMode"] = json!("Filesystem");
        template["metadata"]["creationTimestamp"] = Value::Null;
    });
    assert_eq!(claims::resize(&live, &set("1024Mi", 1), &[], |_| None), claims::Resize::default());
}

fn pod(name: &str, owners: Value) -> Pod {
    serde_json::from_value(
        json!({ "metadata": { "name": name, "uid": format!("uid-of-{name}"), "ownerReferences": owners,
        "labels": { "elasticsearch.k8s.elastic.co/statefulset-name": SET } } }),
    )
    .unwrap()
}

fn remembering(value: Option<&str>) -> Elasticsearch {
    let mut es = es("1Gi");
    es.metadata.annotations = value.map(|value| [(ANNOTATION.to_owned(), value.to_owned())].into());
    es
}

/// The whole way, as an API server and a crash at each step would show it.
#[test]
fn a_stateful_set_is_made_anew_around_its_pods() {
    let plan = claims::resize(&set("1Gi", 1), &set("2Gi", 1), &[], |_| Some(true));
    let es = remembering(Some(&plan.remember.unwrap().1));
    let by_set = json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": SET, "uid": "old", "controller": true }]);
    let own = json!({ "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch", "name": "x", "uid": built::UID });
    let both = json!([by_set[0], own]);
    let stranger = serde_json::from_value(json!({ "metadata": { "name": "y", "uid": "y" } })).unwrap();

    // The old one is there: its pods get a second owner, then it goes and leaves them.
    let steps =
        claims::recreation(&es, &[set("1Gi", 1)], &[pod("x-es-s-0", by_set.clone()), stranger]).unwrap();
    let delete = Step::DeleteKeepingPods { stateful_set: SET.to_owned(), uid: "old".to_owned() };
    let owns = |owners: &Value| Step::Own {
        pod: "x-es-s-0".to_owned(),
        uid: "uid-of-x-es-s-0".to_owned(),
        owners: serde_json::from_value(owners.clone()).unwrap(),
    };
    assert_eq!(steps, [owns(&both), delete.clone()]);
    // Again after a crash between the two.
    assert_eq!(
        claims::recreation(&es, &[set("1Gi", 1)], &[pod("x-es-s-0", both.clone())]).unwrap(),
        [delete]
    );

    // It is gone: the new one comes, without what belonged to the old one.
    let steps = claims::recreation(&es, &[], &[pod("x-es-s-0", both.clone())]).unwrap();
    let [Step::Create(created)] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!((created.metadata.uid.as_ref(), created.metadata.resource_version.as_ref()), (None, None));
    let templates = created.spec.as_ref().unwrap().volume_claim_templates.as_ref().unwrap();
    assert_eq!(
        json!(templates[0].spec.as_ref().unwrap().resources),
        json!({ "requests": { "storage": "2Gi" } })
    );

    // The new one is there: the pods lose the second owner, and all is forgotten.
    let mut new = (**created).clone();
    new.metadata.uid = Some("new".to_owned());
    let forget = Step::Forget { annotation: ANNOTATION.to_owned() };
    let steps = claims::recreation(&es, &[new.clone()], &[pod("x-es-s-0", both)]).unwrap();
    assert_eq!(steps, [owns(&by_set), forget.clone()]);
    assert_eq!(claims::recreation(&es, &[new], &[pod("x-es-s-0", by_set)]).unwrap(), [forget]);
    assert_eq!(claims::recreation(&remembering(None), &[], &[]).unwrap(), []);
}

#[test]
fn what_is_remembered_and_makes_no_sense_stops_everything() {
    let error = |value: &str| claims::recreation(&remembering(Some(value)), &[], &[]).unwrap_err();
    assert!(matches!(error("{"), RecreationError::NotAStatefulSet { .. }));
    for value in [r#"{"metadata":{"name":"other","uid":"u"}}"#, r#"{"metadata":{"name":"x-es-s"}}"#, "{}"] {
        assert!(matches!(error(value), RecreationError::OtherStatefulSet { .. }), "{value}");
    }
}
