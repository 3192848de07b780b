//! When a change is over: not while a node that went isn't gone, one that restarts isn't back, or the last write isn't seen.

use parapet_orchestrate::{Node, Plan, ShutdownKind, ShutdownStatus, State, decide};

use super::given::{Changed as _, cluster};

const GROUP: (&str, u32, &[&str]) = ("m", 3, &["master", "data"]);

/// Nobody has to do anything but to wait, for this.
fn waits(state: &State, words: &str) {
    let plan = decide(state);
    assert!(plan.only_clears_up() && !plan.is_empty(), "{plan:?}");
    assert!(plan.unfinished.as_ref().is_some_and(|why| why.contains(words)), "{words}: {plan:?}");
}

/// The node's pod was made anew, and hasn't joined yet.
fn without(mut state: State, name: &str) -> State {
    state.observed.nodes.as_mut().unwrap().remove(name);
    state.with_down(name)
}

#[test]
fn nothing_is_left_of_a_cluster_at_rest() {
    assert_eq!(decide(&cluster(&[GROUP])), Plan::default());
}

#[test]
fn the_last_node_that_restarts_must_be_back() {
    let told = || cluster(&[GROUP]).told("m-0");
    waits(&without(told(), "m-0"), "isn't back in the cluster");
    waits(&told().with_down("m-0"), "m-0 restarts");
    let back = decide(&told());
    assert_eq!((back.restart.clear_shutdowns.len(), &back.unfinished), (1, &None));
    assert!(back.only_clears_up());
    let mut others = told();
    others.observed.shutdowns.as_mut().unwrap().values_mut().for_each(|record| {
        record.kind = ShutdownKind::Other;
        record.status = ShutdownStatus::InProgress;
    });
    assert_eq!(decide(&others).unfinished, None, "we don't ask for that");
}

#[test]
fn a_node_of_somebody_else_s_is_nobody_s_business() {
    let mut state = cluster(&[GROUP]).told("theirs");
    let version = state.version.clone();
    let theirs = Node { id: "id-of-theirs".to_owned(), version };
    state.observed.nodes.as_mut().unwrap().insert("theirs".to_owned(), theirs);
    assert_eq!(decide(&state).unfinished, None);
}

#[test]
fn a_node_that_leaves_must_be_gone() {
    let mut state = cluster(&[GROUP]).with_terminating("m-2");
    let set = &mut state.node_sets[0];
    set.desired.as_mut().unwrap().count = 2;
    set.live.as_mut().unwrap().replicas = 2;
    let plan = decide(&state);
    let leaving: Vec<&str> = plan.downscale.leaving.iter().map(|leaving| leaving.pod.as_str()).collect();
    assert_eq!(leaving, ["m-2"]);
    assert!(plan.downscale.lower.is_empty() && !plan.only_clears_up(), "{plan:?}");
    state.pods.retain(|pod| pod.name != "m-2");
    let mut listed = state.clone().told("m-2");
    listed.observed.shutdowns.as_mut().unwrap().values_mut().for_each(|record| {
        record.kind = ShutdownKind::Remove;
    });
    let plan = decide(&listed);
    assert_eq!(plan.unfinished.as_deref(), Some("m-2 leaves and is still in the cluster"));
    state.observed.nodes.as_mut().unwrap().remove("m-2");
    assert_eq!(decide(&state), Plan::default());
}

#[test]
fn the_last_write_must_be_seen() {
    let mut state = cluster(&[GROUP]);
    state.unsettled = vec!["the StatefulSet m was changed".to_owned()];
    waits(&state, "the StatefulSet m was changed");
    state.paused = true;
    assert_eq!(decide(&state), Plan::default(), "who pauses isn't told of what would come");
}

#[test]
fn without_the_shutdown_api_replicas_must_be_allocated_again() {
    let mut state = without(cluster(&[GROUP]).running("7.14.0"), "m-0");
    state.version = "7.14.0".parse().unwrap();
    state.observed.shutdowns = None;
    state.observed.allocation.as_mut().unwrap().enabled = false;
    waits(&state, "replicas are allocated again");
}
