//! Policies that don't do what their author may think: they select nobody, match nobody, repeat others, or lose to others.

use std::collections::HashSet;

use serde::Serialize;

use crate::engine::{Change, Edited, Endpoint, PodId, Reachability};
use crate::matching::{End, View};
use crate::model::{Action, AdminPolicy, Cluster, Direction, NetworkPolicy, Tier};
use crate::options::Options;
use crate::portset::PortSet;

/// What is the matter with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// It selects no pod.
    SelectsNothing,
    /// A rule matches no peer of today.
    NeverMatches,
    /// Rules of a direction that it doesn't isolate: they have no effect.
    DeadRules,
    /// Without it, every verdict is the same.
    Redundant,
    /// Without this rule, every verdict is the same: others allow what it allows.
    RedundantRule,
    /// An administrators' rule decides before this one can.
    Shadowed,
    /// Two administrators' policies of one priority say the opposite to the same traffic: the order isn't defined.
    Contradicting,
    /// It selects host-network pods, which it can't bind.
    Ineffective,
}

impl Oddity {
    /// The name that the command line and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::SelectsNothing => "selects-nothing",
            Self::NeverMatches => "never-matches",
            Self::DeadRules => "dead-rules",
            Self::Redundant => "redundant",
            Self::RedundantRule => "redundant-rule",
            Self::Shadowed => "shadowed",
            Self::Contradicting => "contradicting",
            Self::Ineffective => "ineffective",
        }
    }
}

/// One odd policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: String,
    /// `namespace/name`, or the name alone.
    pub policy: String,
    /// The direction in question.
    pub direction: Option<Direction>,
    /// The rule in question, counted from 1.
    pub rule: Option<usize>,
    /// What is the matter.
    pub oddity: Oddity,
    /// In words.
    pub message: String,
}

/// Every odd policy of a cluster. Redundancy takes one edit per policy and rule, so it costs that many times an edit.
pub fn odd_policies(cluster: &Cluster, options: &Options) -> Vec<Finding> {
    let view = View { cluster, options };
    let mut findings = Vec::new();
    for policy in &cluster.network_policies {
        plain(&view, policy, &mut findings);
    }
    let mut spare = Vec::new();
    redundant(cluster, options, &mut spare);
    // What matches nobody can always go: that is one thing to say, not two.
    let place = |finding: &Finding| (finding.policy.clone(), finding.direction, finding.rule);
    let silent: HashSet<_> =
        findings.iter().filter(|one| one.oddity == Oddity::NeverMatches).map(place).collect();
    findings.extend(spare.into_iter().filter(|one| !silent.contains(&place(one))));
    for (index, policy) in cluster.admin_policies.iter().enumerate() {
        administrators(&view, policy, &cluster.admin_policies[..index], &mut findings);
    }
    findings.sort();
    findings
}

fn of_policy(policy: &NetworkPolicy, oddity: Oddity, message: impl Into<String>) -> Finding {
    Finding {
        kind: "NetworkPolicy".to_owned(),
        policy: format!("{}/{}", policy.namespace, policy.name),
        direction: None,
        rule: None,
        oddity,
        message: message.into(),
    }
}

fn plain(view: &View<'_>, policy: &NetworkPolicy, findings: &mut Vec<Finding>) {
    let pods = &view.cluster.pods;
    let selects = pods.iter().any(|pod| view.selects(policy, pod));
    let by_labels = |node_like: bool| {
        pods.iter().any(|pod| {
            pod.namespace == policy.namespace
                && pod.matches(&policy.pod_selector)
                && view.is_node_like(pod) == node_like
        })
    };
    if by_labels(true) {
        findings.push(of_policy(
            policy,
            Oddity::Ineffective,
            "selects pods that share their node's network: it can't bind them",
        ));
    }
    if !selects && !by_labels(true) {
        findings.push(of_policy(
            policy,
            Oddity::SelectsNothing,
            "its podSelector matches no pod of the namespace",
        ));
    }
    for direction in Direction::BOTH {
        let rules = policy.rules(direction);
        if !policy.isolates(direction) {
            if !rules.is_empty() {
                findings.push(Finding {
                    direction: Some(direction),
                    ..of_policy(
                        policy,
                        Oddity::DeadRules,
                        "rules of a direction that policyTypes doesn't name have no effect",
                    )
                });
            }
            continue;
        }
        for (index, rule) in rules.iter().enumerate() {
            let Some(peers) = &rule.peers else { continue };
            let somebody = peers.iter().any(|peer| match peer {
                crate::model::Peer::Block(_) => true,
                peer => pods.iter().any(|pod| view.is_peer(peer, &policy.namespace, End::Pod(pod))),
            });
            if !somebody {
                findings.push(Finding {
                    direction: Some(direction),
                    rule: Some(index + 1),
                    ..of_policy(policy, Oddity::NeverMatches, "no pod of today matches any of its peers")
                });
            }
        }
    }
}

/// Takes out policies, then rules, and looks whether a verdict changes.
fn redundant(cluster: &Cluster, options: &Options, findings: &mut Vec<Finding>) {
    let mut engine = Reachability::compute(cluster, options);
    for policy in &cluster.network_policies {
        let selected = engine.selected(policy);
        if selected.is_empty() {
            continue;
        }
        let before = verdicts(&engine, &selected);
        let mut try_without = |change: Change| {
            let edited = engine.edit(change);
            debug_assert!(!matches!(edited, Edited::Recomputed), "taking away mentions nothing new");
            let same = verdicts(&engine, &selected) == before;
            engine.edit(Change::Put(policy.clone()));
            same
        };
        let (namespace, name) = (policy.namespace.to_string(), policy.name.to_string());
        if try_without(Change::Remove { namespace, name }) {
            findings.push(of_policy(
                policy,
                Oddity::Redundant,
                "without it, every verdict of today is the same",
            ));
            continue;
        }
        for direction in Direction::BOTH.into_iter().filter(|direction| policy.isolates(*direction)) {
            for index in 0..policy.rules(direction).len() {
                let mut fewer = policy.clone();
                match direction {
                    Direction::Ingress => fewer.ingress.remove(index),
                    Direction::Egress => fewer.egress.remove(index),
                };
                if try_without(Change::Put(fewer)) {
                    findings.push(Finding {
                        direction: Some(direction),
                        rule: Some(index + 1),
                        ..of_policy(
                            policy,
                            Oddity::RedundantRule,
                            "without it, every verdict of today is the same",
                        )
                    });
                }
            }
        }
    }
}

/// Both halves of the selected pods towards one example of each class and range.
fn verdicts(engine: &Reachability<'_>, selected: &[PodId]) -> Vec<PortSet> {
    let mut classes: Vec<usize> = selected.iter().map(|pod| engine.class_of(*pod)).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut all = Vec::new();
    for subject in classes {
        let subject = Endpoint::Pod(engine.class_example(subject));
        for direction in Direction::BOTH {
            let pods = (0..engine.class_count()).map(|class| Endpoint::Pod(engine.class_example(class)));
            let ranges =
                engine.external_ranges(direction).into_iter().map(|range| Endpoint::Address(range.first));
            all.extend(pods.chain(ranges).map(|peer| engine.half(direction, subject, peer).clone()));
        }
    }
    all
}

fn administrators(
    view: &View<'_>,
    policy: &AdminPolicy,
    earlier: &[AdminPolicy],
    findings: &mut Vec<Finding>,
) {
    let pods = &view.cluster.pods;
    let of_admin = |oddity, message: String| Finding {
        kind: policy.kind.name().to_owned(),
        policy: policy.name.to_string(),
        direction: None,
        rule: None,
        oddity,
        message,
    };
    let subjects: Vec<usize> = (0..pods.len())
        .filter(|index| view.in_subject(&policy.subject, policy.kind, &pods[*index]))
        .collect();
    if subjects.is_empty() {
        findings.push(of_admin(Oddity::SelectsNothing, "its subject matches no pod".to_owned()));
        return;
    }
    for direction in Direction::BOTH {
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            let mut matched = false;
            let mut decides = false;
            let mut contradicts = None;
            for (subject, peer) in subjects.iter().flat_map(|s| pods.iter().map(move |peer| (*s, peer))) {
                if !view.is_admin_peer(rule, policy.kind, End::Pod(peer)) {
                    continue;
                }
                matched = true;
                let target = if direction == Direction::Ingress { &pods[subject] } else { peer };
                let ports = |rule: &crate::model::AdminRule| {
                    crate::matching::rule_ports(rule.ports.as_deref(), End::Pod(target))
                };
                let mut open = ports(rule);
                let before = earlier.iter().filter(|other| other.tier == policy.tier);
                let about =
                    before.filter(|other| view.in_subject(&other.subject, other.kind, &pods[subject]));
                let theirs =
                    about.flat_map(|other| other.rules(direction).iter().map(move |rule| (other, rule)));
                let own = policy.rules(direction)[..index].iter().map(|rule| (policy, rule));
                for (other, one) in theirs.chain(own) {
                    if view.is_admin_peer(one, other.kind, End::Pod(peer)) {
                        let both = open.intersection(&ports(one));
                        let opposite = matches!(
                            (one.action, rule.action),
                            (Action::Allow, Action::Deny) | (Action::Deny, Action::Allow)
                        );
                        if !both.is_empty()
                            && opposite
                            && other.priority == policy.priority
                            && other.name != policy.name
                        {
                            contradicts = Some(other.name.to_string());
                        }
                        open = open.difference(&both);
                    }
                }
                decides |= !open.is_empty();
            }
            let at = |oddity, message| Finding {
                direction: Some(direction),
                rule: Some(index + 1),
                ..of_admin(oddity, message)
            };
            if let Some(other) = contradicts {
                let message =
                    format!("{other} has the same priority and says the opposite: the order isn't defined");
                findings.push(at(Oddity::Contradicting, message));
            }
            let outside = rule.peers.iter().any(|peer| !matches!(peer, crate::model::AdminPeer::Pods(_)));
            if !matched && !outside {
                findings
                    .push(at(Oddity::NeverMatches, "no pod of today matches any of its peers".to_owned()));
            } else if matched && !decides && !outside {
                let tier = if policy.tier == Tier::Admin { "administrators'" } else { "baseline" };
                findings.push(at(
                    Oddity::Shadowed,
                    format!("earlier rules of the {tier} tier decide everything that it matches"),
                ));
            }
        }
    }
}
