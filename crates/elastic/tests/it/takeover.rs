//! Hashes of a configuration across a takeover.

use k8s_openapi::api::apps::v1::StatefulSet;
use parapet_api::annotations::ELASTICSEARCH_CONFIG_HASH;
use parapet_elastic::compare::{changed, differences};
use parapet_elastic::pod::{self, PodInputs};
use parapet_elastic::{ADOPTED_CONFIG_HASH, Settings, config, config_hash, stateful_set, with_config_hash};

use crate::built;
use crate::compare::adopted;

const FOREIGN: &str = "3646914737";

fn build(hash: &str) -> StatefulSet {
    let es = built::elasticsearch("8.15.3", "", "");
    let (set, settings, version) = (&es.spec.node_sets[0], Settings::default(), "8.15.3".parse().unwrap());
    let roles = config::Roles::all_of(&version).labels(&version);
    let inputs = PodInputs { settings: &settings, version: &version, config_hash: hash, keystore: false };
    stateful_set(&es, set, pod::elasticsearch(&es, set, &roles, &inputs), 1)
}

fn hash_of(set: &StatefulSet) -> String {
    let template = &set.spec.as_ref().unwrap().template;
    template.metadata.as_ref().unwrap().annotations.as_ref().unwrap()[ELASTICSEARCH_CONFIG_HASH].clone()
}

fn reconciled(live: Option<&StatefulSet>, computed: &str, unchanged: bool) -> StatefulSet {
    with_config_hash(live, ELASTICSEARCH_CONFIG_HASH, computed, build, |_| unchanged)
}

#[test]
fn a_takeover_keeps_the_hash_until_the_configuration_changes() {
    let (before, after) = (config_hash([b"a".as_slice()]), config_hash([b"b".as_slice()]));
    let left_behind = adopted(build(FOREIGN));
    // The first pass writes what it found out, and leaves the template alone.
    let desired = reconciled(Some(&left_behind), &before, true);
    let live = changed(&left_behind, &desired).expect("what was found out is remembered");
    assert_eq!(live.spec.as_ref().unwrap().template, left_behind.spec.as_ref().unwrap().template);
    assert_eq!(live.metadata.labels.as_ref().unwrap()[ADOPTED_CONFIG_HASH], before);
    // Later ones write nothing, whatever can be said of the configuration then.
    for unchanged in [true, false] {
        let desired = reconciled(Some(&live), &before, unchanged);
        assert_eq!(differences(&live, &desired), []);
    }
    // A change is a change.
    let desired = reconciled(Some(&live), &after, true);
    assert_eq!(hash_of(&desired), after);
    let live = changed(&live, &desired).unwrap();
    assert_eq!(hash_of(&live), after);
    // And from then on the hash is ours.
    assert_eq!(hash_of(&reconciled(Some(&live), &before, true)), before);
}

#[test]
fn a_configuration_that_changed_before_the_takeover_restarts() {
    let computed = config_hash([b"a".as_slice()]);
    assert_eq!(hash_of(&reconciled(Some(&adopted(build(FOREIGN))), &computed, false)), computed);
}

#[test]
fn what_is_new_or_ours_is_never_kept() {
    let (old, new) = (config_hash([b"a".as_slice()]), config_hash([b"b".as_slice()]));
    assert_eq!(hash_of(&reconciled(None, &new, true)), new);
    assert_eq!(hash_of(&reconciled(Some(&build(&old)), &new, true)), new);
}
