//! A cluster of at most two masters, which can't elect while one of them restarts: in a version upgrade, and in no other
//! change, all that is outdated goes together, and nothing goes before everything is ready for it.

use std::collections::BTreeSet;

use parapet_orchestrate::{Restart, State, restart};

use super::given::{AFTER, Changed as _, cluster};

const TWO: (&str, u32, &[&str]) = ("m", 2, &["master", "data"]);

fn deleted(plan: &Restart) -> BTreeSet<&str> {
    plan.delete.iter().map(|delete| delete.pod.as_str()).collect()
}

fn told(plan: &Restart) -> BTreeSet<&str> {
    plan.shutdown.iter().map(|shutdown| shutdown.node.as_str()).collect()
}

/// Two masters of which both are outdated.
fn upgrading() -> State {
    cluster(&[TWO]).upgraded_to(AFTER).with_max_unavailable(1)
}

#[test]
fn both_go_together_once_elasticsearch_knows_of_both() {
    let plan = restart(&upgrading());
    assert_eq!((told(&plan), deleted(&plan)), (["m-0", "m-1"].into(), BTreeSet::new()));
    let plan = restart(&upgrading().told("m-1"));
    assert_eq!(
        (told(&plan), deleted(&plan)),
        (["m-0"].into(), BTreeSet::new()),
        "one alone would never join again"
    );
    let plan = restart(&upgrading().told("m-0").told("m-1"));
    assert_eq!((told(&plan), deleted(&plan)), (BTreeSet::new(), ["m-0", "m-1"].into()));
}

#[test]
fn the_second_goes_though_the_first_is_gone_already() {
    // The operator died between the two deletions: the first pod ends, or is back already.
    let ends = upgrading().told("m-0").told("m-1").with_terminating("m-0");
    assert_eq!(deleted(&restart(&ends)), ["m-1"].into());
    let back = upgrading().with_done("m-0").with_down("m-0").told("m-1");
    assert_eq!(deleted(&restart(&back)), ["m-1"].into());
}

#[test]
fn one_after_the_other_in_every_other_change() {
    let template = cluster(&[TWO]).with_new_templates().with_max_unavailable(1);
    assert_eq!(told(&restart(&template)).len(), 1);
    let one = template.clone().told("m-1");
    assert_eq!(deleted(&restart(&one)), ["m-1"].into());
    let both = template.told("m-0").told("m-1");
    assert_eq!(deleted(&restart(&both)).len(), 1, "whoever was told by mistake waits nevertheless");
    let three = cluster(&[("m", 3, &["master", "data"])]).upgraded_to(AFTER).with_max_unavailable(1);
    assert_eq!(told(&restart(&three)).len(), 1);
}

#[test]
fn three_masters_that_are_to_be_two_are_no_two_yet() {
    let mut state = cluster(&[("m", 3, &["master", "data"])]).upgraded_to(AFTER).with_max_unavailable(1);
    state.node_sets[0].desired.as_mut().unwrap().count = 2;
    assert_eq!(told(&restart(&state)).len(), 1);
    let mut state = upgrading();
    state.node_sets[0].desired.as_mut().unwrap().count = 3;
    assert_eq!(told(&restart(&state)).len(), 1, "with the third, two can elect");
}

#[test]
fn a_master_that_stops_to_be_one_loses_its_vote_before_it_goes() {
    let groups: [(&str, u32, &[&str]); 2] = [("a", 1, &["master", "data"]), ("b", 1, &["master", "data"])];
    let mut state = cluster(&groups).upgraded_to(AFTER).with_max_unavailable(1);
    let data = parapet_orchestrate::Roles::named(["data"]);
    state.node_sets[1].desired.as_mut().unwrap().roles = data.clone();
    state.node_sets[1].live.as_mut().unwrap().roles = data;
    let plan = restart(&state.clone().told("a-0").told("b-0"));
    assert_eq!(deleted(&plan), ["a-0"].into(), "not together with the only one that votes then");
    assert!(plan.exclude_from_voting.is_empty());
    let plan = restart(&state.with_done("a-0").told("b-0"));
    assert_eq!((deleted(&plan), &*plan.exclude_from_voting), (["b-0"].into(), &["b-0".to_owned()][..]));
}

#[test]
fn nothing_goes_while_nobody_answers_or_nothing_of_the_last_writes_is_seen() {
    let ready = upgrading().told("m-0").told("m-1");
    let silent = State { observed: Default::default(), ..ready.clone() };
    assert_eq!(restart(&silent).delete, []);
    let unsettled =
        State { unsettled: vec!["the deletion of the pod m-0 isn't seen yet".to_owned()], ..ready.clone() };
    assert_eq!(restart(&unsettled).delete, []);
    let paused = State { paused: true, ..ready };
    assert_eq!(restart(&paused).delete, []);
}
