//! Laws that hold for every cluster, and for port sets.

use parapet_reach::model::{Cluster, Direction, NetworkPolicy};
use parapet_reach::{Options, PortSet, Protocol, Reachability};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::random;

fn verdicts(cluster: &Cluster, options: &Options) -> Vec<PortSet> {
    let engine = Reachability::compute(cluster, options);
    let pairs = random::pairs(cluster);
    pairs.into_iter().map(|(source, destination)| engine.connections(source, destination)).collect()
}

fn port_set() -> impl Strategy<Value = PortSet> {
    let protocol = proptest::sample::select(&Protocol::ALL[..]);
    let near_the_edges =
        || prop_oneof![1u16..20, 65520u16..=65535, any::<u16>().prop_map(|port| port.max(1))];
    let range = (protocol, near_the_edges(), near_the_edges())
        .prop_map(|(protocol, a, b)| PortSet::range(protocol, a.min(b), a.max(b)));
    vec(range, 0..6).prop_map(|ranges| ranges.iter().fold(PortSet::none(), |set, range| set.union(range)))
}

fn complement(set: &PortSet) -> PortSet {
    PortSet::all().difference(set)
}

proptest! {
    #[test]
    fn port_sets_are_a_boolean_algebra(a in port_set(), b in port_set(), c in port_set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b).intersection(&c), a.intersection(&b.intersection(&c)));
        prop_assert_eq!(a.intersection(&b.union(&c)), a.intersection(&b).union(&a.intersection(&c)));
        prop_assert_eq!(complement(&a.union(&b)), complement(&a).intersection(&complement(&b)));
        prop_assert_eq!(complement(&complement(&a)), a.clone());
        prop_assert_eq!(a.difference(&b), a.intersection(&complement(&b)));
        prop_assert_eq!(a.union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(a.is_subset(&b), a.union(&b) == b);
        prop_assert!(a.union(&complement(&a)).is_all() && a.intersection(&complement(&a)).is_empty());
    }

    #[test]
    fn port_sets_hold_what_their_operands_hold(a in port_set(), b in port_set(), port in 1u16..) {
        for protocol in Protocol::ALL {
            let (in_a, in_b) = (a.contains(protocol, port), b.contains(protocol, port));
            prop_assert_eq!(a.union(&b).contains(protocol, port), in_a || in_b);
            prop_assert_eq!(a.intersection(&b).contains(protocol, port), in_a && in_b);
            prop_assert_eq!(a.difference(&b).contains(protocol, port), in_a && !in_b);
        }
        for set in [a.union(&b), a.intersection(&b), a.difference(&b)] {
            for protocol in Protocol::ALL {
                let ranges = set.ranges(protocol);
                prop_assert!(ranges.iter().all(|(first, last)| first <= last));
                prop_assert!(ranges.windows(2).all(|pair| u32::from(pair[0].1) + 1 < u32::from(pair[1].0)));
            }
        }
    }

    /// Policies have no order, and neither have their rules, peers and ports.
    #[test]
    fn permuting_network_policies_and_rules_changes_nothing(cluster in random::cluster(2), options in random::options()) {
        let mut permuted = cluster.clone();
        permuted.network_policies.reverse();
        for policy in &mut permuted.network_policies {
            policy.ingress.reverse();
            policy.egress.reverse();
            for rule in policy.ingress.iter_mut().chain(&mut policy.egress) {
                rule.peers.iter_mut().for_each(|peers| peers.reverse());
                rule.ports.iter_mut().for_each(|ports| ports.reverse());
            }
        }
        prop_assert_eq!(verdicts(&cluster, &options), verdicts(&permuted, &options));
    }

    /// A rule more in a policy that isolates already can only allow more.
    #[test]
    fn adding_a_rule_is_monotone(cluster in random::cluster(2), options in random::options(), rule in random::rule()) {
        let before = verdicts(&cluster, &options);
        for index in 0..cluster.network_policies.len() {
            let mut more = cluster.clone();
            let policy: &mut NetworkPolicy = &mut more.network_policies[index];
            policy.ingress.push(rule.clone());
            policy.egress.push(rule.clone());
            for (before, after) in before.iter().zip(verdicts(&more, &options)) {
                prop_assert!(before.is_subset(&after));
            }
        }
    }

    /// Rules of a direction that the policy doesn't isolate have no effect.
    #[test]
    fn dead_rules_have_no_effect(cluster in random::cluster(1), options in random::options()) {
        let mut without = cluster.clone();
        for policy in &mut without.network_policies {
            for direction in Direction::BOTH {
                if !policy.isolates(direction) {
                    match direction {
                        Direction::Ingress => policy.ingress.clear(),
                        Direction::Egress => policy.egress.clear(),
                    }
                }
            }
        }
        prop_assert_eq!(verdicts(&cluster, &options), verdicts(&without, &options));
    }
}

#[test]
fn adding_a_policy_may_take_away() {
    let pod = |name: &str| parapet_reach::model::Pod::new("x", name, [("app", name)]);
    let mut cluster = Cluster { pods: vec![pod("a"), pod("b")], ..Cluster::default() };
    cluster.normalise();
    let options = Options::default();
    assert!(verdicts(&cluster, &options).iter().all(PortSet::is_all));
    let mut deny = NetworkPolicy::new("x", "deny", parapet_reach::model::Selector::everything());
    deny.isolates_ingress = true;
    cluster.network_policies.push(deny);
    assert!(verdicts(&cluster, &options).iter().any(PortSet::is_empty));
}
