//! What isn't seen: pods of nodes that have joined, the answer to a deletion, nodes that nobody waits for.

use parapet_orchestrate::{Expectations, Shutdown, ShutdownKind, ShutdownStatus, State, Unanswered, decide};

use super::given::{Changed as _, cluster};

const GROUP: (&str, u32, &[&str]) = ("m", 3, &["master", "data"]);

fn pending(expectations: &mut Expectations, state: &State) -> usize {
    expectations.pending(state).len()
}

#[test]
fn what_may_have_been_deleted_is_waited_for_until_anything_of_it_is_seen() {
    let state = cluster(&[GROUP]);
    let pod = &state.pods[0];
    let lost = || Unanswered {
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
        resource_version: pod.resource_version.clone(),
    };
    let mut expectations = Expectations::default();
    expectations.maybe_deleted(lost());
    assert_eq!((pending(&mut expectations, &state), expectations.unanswered()), (1, vec![lost()]));
    // Somebody read it, and it was as it was.
    expectations.wasnt_deleted(&pod.name);
    assert_eq!(pending(&mut expectations, &state), 0);

    let (mut changed, mut ending, mut gone) = (state.clone(), state.clone(), state.clone());
    changed.pods[0].resource_version = "another".to_owned();
    ending.pods[0].terminating = true;
    gone.pods.remove(0);
    for seen in [&changed, &ending, &gone] {
        expectations.maybe_deleted(lost());
        assert_eq!((pending(&mut expectations, seen), expectations.unanswered()), (0, Vec::new()));
    }
    // Done once more, and answered: from then on only its end says so.
    expectations.maybe_deleted(lost());
    expectations.deleted(&pod.name, &pod.uid);
    assert_eq!((pending(&mut expectations, &changed), expectations.unanswered()), (1, Vec::new()));
}

#[test]
fn a_node_whose_pod_is_not_seen_is_not_removed() {
    let mut state = cluster(&[GROUP]);
    state.node_sets[0].desired.as_mut().unwrap().count = 1;
    for name in ["m-1", "m-2"] {
        let id = state.observed.nodes.as_ref().unwrap()[name].id.clone();
        let record =
            Shutdown { kind: ShutdownKind::Remove, status: ShutdownStatus::Complete, explanation: None };
        state.observed.shutdowns.as_mut().unwrap().insert(id, record);
    }
    let seen = state;
    assert_eq!(decide(&seen).downscale.lower[0].exclude_from_voting, ["m-2"], "one master at a time");
    let mut unseen = seen;
    unseen.pods.retain(|pod| pod.name == "m-0");
    let plan = decide(&unseen).downscale;
    assert_eq!(plan.lower, []);
    assert!(
        plan.leaving
            .iter()
            .any(|leaving| leaving.why.as_deref().is_some_and(|why| why.contains("isn't seen")))
    );
}

#[test]
fn nobody_waits_for_a_node_that_restarted_and_was_removed_while_another_leaves() {
    let mut state = cluster(&[GROUP, ("old", 1, &["data"])]);
    state.node_sets[1].desired.as_mut().unwrap().count = 0;
    let state = state.told("old-1");
    assert_eq!(decide(&state).restart.clear_shutdowns, ["id-of-old-1"]);
    let away = state.with_down("m-1");
    assert_eq!(decide(&away).restart.clear_shutdowns, Vec::<String>::new(), "it may be that one");
}
