//! The rules that a pod must pass before it is made anew, by the names that users know from the reference.
//!
//! Differences from the reference, each because the reference stops there for ever:
//!
//! - `if_yellow_only_restart_upgrading_nodes_with_unassigned_replicas` lets a healthy pod go also if waiting brings no replica
//!   back: every node with data is there, and each unassigned replica has no place on any, as they have a copy or run a lower
//!   version than its primary's node (Elasticsearch's own guide says to go on with an upgrade then).
//! - `require_started_replica` isn't asked where no other node holds data and stays.
//! - `do_not_delete_last_master_if_all_master_ineligible_nodes_are_not_upgraded` holds no master that is down.
//! - `data_tier_with_higher_priority_must_be_upgraded_first` looks at pods that run a lower version, not at pods that are
//!   outdated in any way.
//! - `one_master_at_a_time` never lets the last healthy master leave its role.

mod masters;
mod shards;
mod tiers;

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{Pod, candidates::Context};

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate {
    /// In a version upgrade tiers go in their order.
    DataTier,
    /// No healthy pod goes beyond the budget.
    MaxUnavailable,
    /// What goes already needn't be sent.
    Terminating,
    /// Nothing healthy goes while data is missing.
    GreenOrYellow,
    /// While replicas are missing, only what can bring them back goes.
    Yellow,
    /// What is served by one copy only isn't taken down.
    StartedReplica,
    /// One master at a time.
    OneMaster,
    /// The last master of the old version goes after all others.
    LastMaster,
    /// Two pods with copies of the same shard don't go together.
    SameShards,
    /// Of each role somebody stays.
    Tier,
}

impl Predicate {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 10] = [
        Self::DataTier,
        Self::MaxUnavailable,
        Self::Terminating,
        Self::GreenOrYellow,
        Self::Yellow,
        Self::StartedReplica,
        Self::OneMaster,
        Self::LastMaster,
        Self::SameShards,
        Self::Tier,
    ];

    /// As in the status and in the annotation that switches it off.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataTier => "data_tier_with_higher_priority_must_be_upgraded_first",
            Self::MaxUnavailable => "do_not_restart_healthy_node_if_MaxUnavailable_reached",
            Self::Terminating => "skip_already_terminating_pods",
            Self::GreenOrYellow => "only_restart_healthy_node_if_green_or_yellow",
            Self::Yellow => "if_yellow_only_restart_upgrading_nodes_with_unassigned_replicas",
            Self::StartedReplica => "require_started_replica",
            Self::OneMaster => "one_master_at_a_time",
            Self::LastMaster => "do_not_delete_last_master_if_all_master_ineligible_nodes_are_not_upgraded",
            Self::SameShards => "do_not_delete_pods_with_same_shards",
            Self::Tier => "do_not_delete_all_members_of_a_tier",
        }
    }

    /// Why it holds the pod, in a sentence; `None` if it doesn't.
    fn holds(self, context: &Context<'_>, pod: &Pod) -> Option<String> {
        match self {
            Self::DataTier => tiers::in_order(context, pod),
            Self::MaxUnavailable => max_unavailable(context, pod),
            Self::Terminating => pod.terminating.then(|| "it is terminating already".to_owned()),
            Self::GreenOrYellow => shards::green_or_yellow(context, pod),
            Self::Yellow => shards::yellow(context, pod),
            Self::StartedReplica => shards::started_replica(context, pod),
            Self::OneMaster => masters::one_at_a_time(context, pod),
            Self::LastMaster => masters::last(context, pod),
            Self::SameShards => shards::same(context, pod),
            Self::Tier => tiers::not_all_members(context, pod),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no rule's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no upgrade predicate {0:?}")]
pub struct UnknownPredicate(pub String);

impl FromStr for Predicate {
    type Err = UnknownPredicate;
    fn from_str(name: &str) -> Result<Self, UnknownPredicate> {
        let known = Self::ALL.into_iter().find(|predicate| predicate.name() == name);
        known.ok_or_else(|| UnknownPredicate(name.to_owned()))
    }
}

/// The rules that a user switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disabled(BTreeSet<Predicate>);

impl Disabled {
    /// From the annotation `eck.k8s.elastic.co/disable-upgrade-predicates`: names with commas between them, or `*`. Names
    /// that are unknown switch nothing off, and are given back to be warned of.
    pub fn parse(annotation: &str) -> (Self, Vec<UnknownPredicate>) {
        let mut disabled = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in annotation.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.parse() {
                _ if name == "*" => disabled.extend(Predicate::ALL),
                Ok(predicate) => {
                    disabled.insert(predicate);
                }
                Err(error) => unknown.push(error),
            }
        }
        (Self(disabled), unknown)
    }

    fn has(&self, predicate: Predicate) -> bool {
        self.0.contains(&predicate)
    }
}

/// The first rule that holds a pod, and why.
pub(crate) fn first_that_holds(context: &Context<'_>, pod: &Pod) -> Option<(Predicate, String)> {
    Predicate::ALL
        .into_iter()
        .filter(|predicate| !context.state.disabled.has(*predicate))
        .find_map(|predicate| predicate.holds(context, pod).map(|why| (predicate, why)))
}

fn max_unavailable(context: &Context<'_>, pod: &Pod) -> Option<String> {
    (context.allowed == Some(0) && context.state.healthy(pod)).then(|| {
        let most = context.state.budget.max_unavailable.unwrap_or_default();
        format!("maxUnavailable is {most}, and no more may be down than now")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_to_what_they_name() {
        for predicate in Predicate::ALL {
            assert_eq!(predicate.name().parse(), Ok(predicate));
        }
    }

    #[test]
    fn an_annotation_switches_off_what_it_names() {
        let (disabled, unknown) = Disabled::parse("require_started_replica, nonsense,,one_master_at_a_time");
        let expected = [Predicate::StartedReplica, Predicate::OneMaster];
        assert_eq!(disabled, Disabled(expected.into_iter().collect()));
        assert_eq!(unknown, [UnknownPredicate("nonsense".to_owned())]);
        assert_eq!(Disabled::parse("*").0, Disabled(Predicate::ALL.into_iter().collect()));
        assert_eq!(Disabled::parse("").0, Disabled::default());
    }
}
