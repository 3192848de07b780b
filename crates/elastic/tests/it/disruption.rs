//! Budgets of disruption.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::Health;
use parapet_elastic::config::{Role, Roles};
use parapet_elastic::disruption::pdb;
use serde_json::json;

use crate::given::elasticsearch;

fn roles(roles: &[Role]) -> Roles {
    roles.iter().copied().collect()
}

fn check(health: Health, node_sets: &[(i32, Roles)], expected: i32) {
    let made = pdb(&elasticsearch(|_| {}), health, node_sets).unwrap().spec.unwrap();
    assert_eq!(made.min_available, Some(IntOrString::Int(expected)), "{health:?} {node_sets:?}");
}

#[test]
fn one_node_may_go_while_all_is_well() {
    let all = Roles::all_of(&"8.15.3".parse().unwrap());
    check(Health::Green, &[(3, all.clone())], 2);
    for health in [Health::Yellow, Health::Red, Health::Unknown] {
        check(health, &[(3, all.clone())], 3);
        check(health, &[(1, all.clone())], 0);
    }
    check(Health::Green, &[(1, all)], 0);
    let (master, data, ingest) = (roles(&[Role::Master]), roles(&[Role::DataHot]), roles(&[Role::Ingest]));
    check(Health::Green, &[(3, master.clone()), (2, data.clone()), (2, ingest.clone())], 6);
    check(Health::Green, &[(1, master.clone()), (2, data.clone())], 3);
    check(Health::Green, &[(3, master.clone()), (1, data.clone())], 4);
    check(Health::Green, &[(3, master), (2, data), (1, ingest)], 6);
}

#[test]
fn the_users_budget() {
    let with = |template: serde_json::Value| {
        pdb(&elasticsearch(|es| es["spec"]["podDisruptionBudget"] = template), Health::Green, &[])
    };
    assert_eq!(with(json!({})), None);
    let own =
        with(json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "maxUnavailable": 2 } })).unwrap();
    assert_eq!(own.metadata.name.as_deref(), Some("x-es-default"));
    assert_eq!(own.metadata.labels.unwrap()["a"], "b");
    let spec = own.spec.unwrap();
    assert_eq!((spec.max_unavailable, spec.min_available), (Some(IntOrString::Int(2)), None));
    assert_eq!(
        spec.selector.unwrap().match_labels.unwrap(),
        [("elasticsearch.k8s.elastic.co/cluster-name".to_owned(), "x".to_owned())].into()
    );
}
