//! Each rule by its name: a cluster in which it holds a pod, and what becomes of the pod where the rule is switched off.

use parapet_api::Health;
use parapet_orchestrate::{Predicate, ShardState, State, restart};

use super::given::{AFTER, Changed as _, cluster};

const DATA_TIER: &str = "data_tier_with_higher_priority_must_be_upgraded_first";
const MAX_UNAVAILABLE: &str = "do_not_restart_healthy_node_if_MaxUnavailable_reached";
const TERMINATING: &str = "skip_already_terminating_pods";
const GREEN_OR_YELLOW: &str = "only_restart_healthy_node_if_green_or_yellow";
const YELLOW: &str = "if_yellow_only_restart_upgrading_nodes_with_unassigned_replicas";
const STARTED_REPLICA: &str = "require_started_replica";
const ONE_MASTER: &str = "one_master_at_a_time";
const LAST_MASTER: &str = "do_not_delete_last_master_if_all_master_ineligible_nodes_are_not_upgraded";
const SAME_SHARDS: &str = "do_not_delete_pods_with_same_shards";
const TIER: &str = "do_not_delete_all_members_of_a_tier";

/// In the order in which they are asked.
const NAMES: [&str; 10] = [
    DATA_TIER,
    MAX_UNAVAILABLE,
    TERMINATING,
    GREEN_OR_YELLOW,
    YELLOW,
    STARTED_REPLICA,
    ONE_MASTER,
    LAST_MASTER,
    SAME_SHARDS,
    TIER,
];

/// Masters that nobody touches, so that cases are about data.
const MASTERS: (&str, u32, &[&str]) = ("m", 3, &["master"]);

fn data(count: u32) -> State {
    let state = cluster(&[MASTERS, ("d", count, &["data"])]).with_new_templates();
    masters_are_done(state)
}

fn masters_are_done(state: State) -> State {
    ["m-0", "m-1", "m-2"].into_iter().fold(state, |state, name| state.with_done(name))
}

/// The name of the rule that holds the pod; none if it may go.
#[track_caller]
fn holds(state: &State, pod: &str) -> Option<&'static str> {
    let plan = restart(state);
    let told = plan.shutdown.iter().any(|shutdown| shutdown.node == pod);
    let deleted = plan.delete.iter().any(|delete| delete.pod == pod);
    let waits = plan.waiting.iter().find(|blocked| blocked.pod == pod);
    let rule = waits.and_then(|blocked| blocked.predicate).map(Predicate::name);
    assert!(rule.is_some() != (told || deleted), "{pod} either waits for a rule or goes: {plan:#?}");
    if let Some(blocked) = waits {
        assert!(!blocked.why.is_empty());
    }
    rule
}

/// The rule holds the pod; the pod goes where the rule is switched off, by itself or with all others.
#[track_caller]
fn check(rule: &str, state: State, pod: &str) {
    assert_eq!(holds(&state, pod), Some(rule), "{pod} is held");
    for annotation in [rule.to_owned(), format!("{TERMINATING}, {rule}"), "*".to_owned()] {
        let disabled = state.clone().without_rules(&annotation);
        assert_eq!(holds(&disabled, pod), None, "{pod} goes without {annotation}");
    }
    let others: Vec<&str> = NAMES.into_iter().filter(|name| *name != rule).collect();
    let disabled = state.without_rules(&others.join(","));
    assert_eq!(holds(&disabled, pod), Some(rule), "{pod} is held by this rule alone");
}

/// No rule holds the pod.
#[track_caller]
fn goes(state: &State, pod: &str) {
    assert_eq!(holds(state, pod), None, "{pod} goes");
}

#[test]
fn the_ten_names_are_those_that_users_know() {
    assert_eq!(Predicate::ALL.map(Predicate::name), NAMES);
}

#[test]
fn tiers_are_upgraded_in_their_order() {
    let tiers = [("f", "data_frozen"), ("c", "data_cold"), ("w", "data_warm"), ("h", "data_hot")];
    for (at, (earlier, earlier_role)) in tiers.into_iter().enumerate() {
        for (later, later_role) in &tiers[at + 1..] {
            let groups: [(&str, u32, &[&str]); 3] =
                [MASTERS, (later, 1, &[*later_role, "data_content"]), (earlier, 2, &[earlier_role])];
            let upgrading = masters_are_done(cluster(&groups).upgraded_to(AFTER));
            let (first, last) = (format!("{earlier}-1"), format!("{later}-0"));
            check(DATA_TIER, upgrading.clone(), &last);
            goes(&upgrading, &first);
            let done = upgrading.with_done(&first).with_done(&format!("{earlier}-0"));
            goes(&done, &last);
            // Only versions have an order.
            goes(&masters_are_done(cluster(&groups).with_new_templates()), &last);
        }
    }
}

#[test]
fn tiers_that_share_a_role_or_have_none_do_not_wait_for_each_other() {
    for (one, other) in [
        (&["data_hot", "data_warm"][..], &["data_warm", "data_cold"][..]),
        (&["data_hot"][..], &["data"][..]),
        (&["data"][..], &["data_frozen"][..]),
        (&["data_hot"][..], &["ingest"][..]),
        (&["data_hot"][..], &["data_content"][..]),
    ] {
        let upgrading = cluster(&[MASTERS, ("one", 1, one), ("other", 1, other)]).upgraded_to(AFTER);
        goes(&masters_are_done(upgrading), "one-0");
    }
    // Before tiers there was nothing to put in order.
    let old = cluster(&[("m", 3, &["master"]), ("h", 1, &["data_hot"]), ("w", 1, &["data_warm"])]);
    goes(&masters_are_done(old.running("7.9.3").upgraded_to("7.17.0")), "h-0");
}

#[test]
fn no_healthy_node_goes_beyond_the_budget() {
    let down = data(3).with_done("d-0").with_down("d-0").with_max_unavailable(1);
    check(MAX_UNAVAILABLE, down.clone(), "d-2");
    goes(&down.with_max_unavailable(2), "d-2");
    // One that is down already takes nothing from the budget.
    goes(&data(3).with_down("d-1").with_max_unavailable(1), "d-1");
}

#[test]
fn whatever_is_switched_off_a_pass_takes_no_more_than_the_budget() {
    for most in 1..=3 {
        let state = data(5).with_max_unavailable(most).without_rules("*");
        assert_eq!(restart(&state).shutdown.len(), most as usize);
    }
}

#[test]
fn what_goes_already_is_not_sent() {
    let state = data(3).with_terminating("d-1");
    assert_eq!(holds(&state, "d-1"), Some(TERMINATING));
    goes(&state.without_rules(TERMINATING), "d-1");
}

#[test]
fn nothing_healthy_goes_while_data_is_missing() {
    for health in [Health::Red, Health::Unknown] {
        check(GREEN_OR_YELLOW, data(3).with_health(health), "d-2");
        goes(&data(3).with_health(health).with_down("d-1"), "d-1");
    }
    goes(&data(3).with_health(Health::Yellow).upgraded_to(AFTER), "d-2");
}

#[test]
fn while_replicas_are_missing_only_what_brings_them_back_goes() {
    let unassigned = |state: State| {
        state.with_health(Health::Yellow).with_shard("logs", "d-0", (ShardState::Unassigned, None))
    };
    check(YELLOW, unassigned(data(3)), "d-2");
    let upgrading = masters_are_done(data(3).upgraded_to(AFTER));
    goes(&unassigned(upgrading.clone()), "d-2");
    let copied = upgrading.clone().with_health(Health::Yellow).with_shard(
        "logs",
        "d-0",
        (ShardState::Initializing, Some("d-1")),
    );
    check(YELLOW, copied, "d-2");
    // The replica has no place: its primary runs the new version, and both others the old one.
    goes(&unassigned(upgrading.with_done("d-0")), "d-2");
}

#[test]
fn what_one_copy_alone_serves_is_not_taken_down() {
    let upgrading = masters_are_done(data(3).upgraded_to(AFTER)).with_health(Health::Yellow);
    let alone = upgrading.clone().with_shard("logs", "d-2", (ShardState::Unassigned, None));
    check(STARTED_REPLICA, alone.clone(), "d-2");
    goes(&alone.with_health(Health::Green), "d-2");
    goes(&upgrading.with_shard("logs", "d-2", (ShardState::Started, Some("d-0"))), "d-2");
}

#[test]
fn one_master_changes_at_a_time() {
    let masters =
        || cluster(&[("m", 3, &["master"]), ("d", 1, &["data"])]).with_new_templates().with_done("d-0");
    check(ONE_MASTER, masters().with_done("m-0").with_down("m-0"), "m-2");
    check(ONE_MASTER, masters(), "m-1");
    goes(&masters(), "m-2");
    // One that is down goes, whoever else is.
    goes(&masters().with_down("m-1").with_done("m-0").with_down("m-0"), "m-1");
    // One that was asked for and has no pod counts.
    let mut missing = masters();
    missing.pods.retain(|pod| pod.name != "m-0");
    check(ONE_MASTER, missing, "m-2");
}

#[test]
fn the_last_master_of_the_old_version_goes_after_all_others() {
    let groups: [(&str, u32, &[&str]); 2] = [("m", 3, &["master"]), ("d", 2, &["data"])];
    let upgrading = cluster(&groups).upgraded_to(AFTER).with_done("m-2").with_done("m-1");
    check(LAST_MASTER, upgrading.clone(), "m-0");
    goes(&upgrading.with_done("d-0").with_done("d-1"), "m-0");
    goes(&cluster(&groups).upgraded_to(AFTER), "m-2");
}

#[test]
fn two_with_copies_of_the_same_shard_do_not_go_together() {
    // One stays, so that the role isn't what holds the others.
    let both = || data(5).with_done("d-4").with_shard("logs", "d-0", (ShardState::Started, Some("d-2")));
    check(SAME_SHARDS, both(), "d-0");
    goes(&both(), "d-2");
    goes(&both(), "d-1");
    // One that is down though Elasticsearch didn't notice yet counts.
    check(SAME_SHARDS, both().with_done("d-2").with_down("d-2"), "d-0");
}

#[test]
fn of_each_role_somebody_stays() {
    let ml = |count| {
        let state = cluster(&[MASTERS, ("d", 2, &["data"]), ("ml", count, &["ml"])]).with_new_templates();
        masters_are_done(state).with_done("d-0").with_done("d-1")
    };
    check(TIER, ml(2).with_done("ml-0").with_down("ml-0"), "ml-1");
    check(TIER, ml(2), "ml-0");
    goes(&ml(2), "ml-1");
    goes(&ml(1), "ml-0");
}

#[test]
fn the_first_rule_that_holds_is_the_one_that_is_said() {
    let red = data(3).with_done("d-0").with_down("d-0").with_max_unavailable(1).with_health(Health::Red);
    assert_eq!(holds(&red, "d-2"), Some(MAX_UNAVAILABLE));
    assert_eq!(holds(&red.without_rules(MAX_UNAVAILABLE), "d-2"), Some(GREEN_OR_YELLOW));
}
