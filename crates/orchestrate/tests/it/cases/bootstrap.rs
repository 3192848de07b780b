//! Which masters elect the first of them. Two lists could elect two masters, each with a cluster of its own.

use parapet_orchestrate::{Bootstrap, State, bootstrap};

use super::given::cluster;

/// A cluster of which nothing exists yet.
fn new(groups: &[(&str, u32, &[&str])]) -> State {
    let mut state = cluster(groups);
    state.formed = false;
    state.pods.clear();
    state.node_sets.iter_mut().for_each(|set| set.live = None);
    state
}

/// One that began with these groups, and isn't formed.
fn begun(groups: &[(&str, u32, &[&str])]) -> State {
    State { formed: false, ..cluster(groups) }
}

#[track_caller]
fn check(state: &State, pinned: Option<&str>, expected: &[&str], pin: bool) {
    let masters = expected.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(bootstrap(state, pinned), Bootstrap::Initial { masters, pin });
}

const MASTERS: (&str, u32, &[&str]) = ("m", 3, &["master"]);
const DATA: (&str, u32, &[&str]) = ("d", 2, &["data"]);

#[test]
fn all_masters_of_the_specification_begin_and_are_pinned_before() {
    check(&new(&[MASTERS, DATA]), None, &["m-0", "m-1", "m-2"], true);
    check(
        &new(&[DATA, ("all", 1, &["master", "data"]), MASTERS]),
        Some(""),
        &["all-0", "m-0", "m-1", "m-2"],
        true,
    );
    check(&new(&[MASTERS, ("none", 0, &["master"])]), Some(" , "), &["m-0", "m-1", "m-2"], true);
    check(&new(&[("v", 1, &["master", "voting_only"]), MASTERS]), None, &["v-0", "m-0", "m-1", "m-2"], true);
}

#[test]
fn what_is_pinned_stays_whatever_becomes_of_the_specification() {
    let pinned = Some("m-0,m-1, m-2");
    let first = ["m-0", "m-1", "m-2"];
    check(&new(&[MASTERS]), pinned, &first, false);
    check(&begun(&[("m", 5, &["master"])]), pinned, &first, false);
    check(&begun(&[("m", 1, &["master"])]), pinned, &first, false);
    check(&begun(&[("other", 3, &["master"]), DATA]), pinned, &first, false);
}

#[test]
fn a_formed_cluster_is_never_given_a_list() {
    for pinned in [None, Some(""), Some("m-0,m-1,m-2"), Some("other-0")] {
        for state in [cluster(&[MASTERS, DATA]), State { formed: true, ..new(&[MASTERS]) }] {
            assert_eq!(bootstrap(&state, pinned), Bootstrap::Formed, "{pinned:?}");
        }
    }
}

#[test]
fn where_the_annotations_were_lost_masters_that_come_found_no_second_cluster() {
    // Renamed in the same moment: the new group exists in the specification alone.
    let mut renamed = begun(&[MASTERS, DATA]);
    let mut coming = new(&[("other", 3, &["master"])]).node_sets.remove(0);
    renamed.node_sets[0].desired = None;
    renamed.node_sets.insert(0, coming.clone());
    check(&renamed, None, &["m-0", "m-1", "m-2"], true);
    // Enlarged in the same moment.
    let mut enlarged = begun(&[MASTERS]);
    enlarged.node_sets[0].desired.as_mut().unwrap().count = 5;
    check(&enlarged, None, &["m-0", "m-1", "m-2"], true);
    // Of the one that existed nothing is left: the new ones begin.
    renamed.node_sets[1].live.as_mut().unwrap().replicas = 0;
    check(&renamed, None, &["other-0", "other-1", "other-2"], true);
    // A group that becomes masters isn't one yet.
    coming.name = "d".to_owned();
    let mut becomes = begun(&[DATA]);
    becomes.node_sets[0].desired = coming.desired;
    check(&becomes, None, &["d-0", "d-1", "d-2"], true);
}
