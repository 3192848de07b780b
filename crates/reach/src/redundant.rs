//! Rules of NetworkPolicies that others imply, and whole policies: without them, no verdict changes, neither for the pods
//! that there are nor for those that the policies' own selectors speak of.
//!
//! A rule is looked at together with every other rule that may have its say about the same pod. What it allows to whom is
//! tried on examples: each kind of real pod, a pod made for each selector and each value that a selector names, and the
//! edges of each block. Selectors are few conditions on single labels, so these are enough but for rules that only together,
//! by two labels at once, allow what a third one does; there a rule may be called implied that isn't for a pod with both.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use crate::matching::{self, End, rule_ports};
use crate::model::{
    Cluster, Direction, Labels, NAMESPACE_NAME_LABEL, Namespace, NetworkPolicy, Operator, Peer, Pod, Rule,
    Selector,
};
use crate::options::Options;
use crate::portset::PortSet;

/// Something that can go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Implied {
    /// The policy's namespace.
    pub namespace: String,
    /// The policy's name.
    pub policy: String,
    /// The rule's direction and its place, from 0; none for the whole policy.
    pub rule: Option<(Direction, usize)>,
    /// The rules that allow all of it, as `policy rule 2`; for a whole policy, those policies' names.
    pub by: BTreeSet<String>,
}

/// Everything that can go at once: what is found later counts on what was found earlier being gone. Of two equal rules the
/// later one goes.
pub fn implied(cluster: &Cluster, options: &Options) -> Vec<Implied> {
    let mut search = Search { cluster, options, examples: examples(cluster), gone: HashSet::new() };
    let mut found = Vec::new();
    for index in (0..cluster.network_policies.len()).rev() {
        let policy = &cluster.network_policies[index];
        if let Some(by) = search.whole(index) {
            search.gone.insert((index, None));
            found.push(Implied {
                namespace: policy.namespace.to_string(),
                policy: policy.name.to_string(),
                rule: None,
                by: by.into_iter().map(|by| cluster.network_policies[by.policy].name.to_string()).collect(),
            });
            continue;
        }
        for direction in Direction::BOTH.into_iter().filter(|direction| policy.isolates(*direction)) {
            for rule in (0..policy.rules(direction).len()).rev() {
                let own = Place { policy: index, rule };
                let Some(by) = search.rule(own, direction, |other| other == own) else { continue };
                search.gone.insert((index, Some((direction, rule))));
                let name =
                    |by: Place| format!("{} rule {}", cluster.network_policies[by.policy].name, by.rule + 1);
                found.push(Implied {
                    namespace: policy.namespace.to_string(),
                    policy: policy.name.to_string(),
                    rule: Some((direction, rule)),
                    by: by.into_iter().map(name).collect(),
                });
            }
        }
    }
    found.sort();
    found
}

/// A rule of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    policy: usize,
    rule: usize,
}

struct Search<'c> {
    cluster: &'c Cluster,
    options: &'c Options,
    /// A pod of each kind.
    examples: Vec<&'c Pod>,
    /// What was found to be implied: a rule, or the whole policy.
    gone: HashSet<(usize, Option<(Direction, usize)>)>,
}

/// The other end: a pod with its namespace, or an address.
enum Other<'a> {
    Pod(&'a Pod, &'a Namespace),
    Address(IpAddr),
}

type OtherRule<'c> = (Place, &'c Rule, &'c NetworkPolicy);

impl<'c> Search<'c> {
    /// What implies a whole policy: its pods are isolated without it, and its rules are others', too.
    fn whole(&self, index: usize) -> Option<BTreeSet<Place>> {
        let policy = &self.cluster.network_policies[index];
        let mut by = BTreeSet::new();
        for direction in Direction::BOTH.into_iter().filter(|direction| policy.isolates(*direction)) {
            for subject in self.subjects(index) {
                let other = self.isolating(&subject, direction).find(|other| *other != index)?;
                by.insert(Place { policy: other, rule: 0 });
            }
            for rule in 0..policy.rules(direction).len() {
                by.extend(
                    self.rule(Place { policy: index, rule }, direction, |other| other.policy == index)?,
                );
            }
        }
        (!by.is_empty()).then_some(by)
    }

    /// The rules that allow all that `own` does, if they do; those that `is_own` names don't count. A rule that has no
    /// effect on anybody is implied by nothing.
    fn rule(
        &self,
        own: Place,
        direction: Direction,
        is_own: impl Fn(Place) -> bool,
    ) -> Option<BTreeSet<Place>> {
        let policy = &self.cluster.network_policies[own.policy];
        let rule = &policy.rules(direction)[own.rule];
        let mut by = BTreeSet::new();
        for subject in self.subjects(own.policy) {
            let others: Vec<OtherRule<'_>> = self
                .isolating(&subject, direction)
                .flat_map(|policy| self.rules_of(policy, direction))
                .filter(|(place, ..)| !is_own(*place))
                .collect();
            let hypothetical = self.hypothetical(rule, policy, &others);
            let addresses = addresses(rule, &others);
            let made = hypothetical.iter().map(|(pod, namespace)| Other::Pod(pod, namespace));
            let real = self
                .examples
                .iter()
                .filter_map(|pod| Some(Other::Pod(pod, self.cluster.namespace(&pod.namespace)?)));
            for other in made.chain(addresses.into_iter().map(Other::Address)).chain(real) {
                let open = self.ports(rule, policy, direction, &subject, &other);
                if open.is_empty() {
                    continue;
                }
                let mut left = open;
                for (place, rule, policy) in &others {
                    let theirs = self.ports(rule, policy, direction, &subject, &other);
                    if !left.intersection(&theirs).is_empty() {
                        left = left.difference(&theirs);
                        by.insert(*place);
                    }
                }
                if !left.is_empty() {
                    return None;
                }
            }
        }
        (!by.is_empty()).then_some(by)
    }

    /// The pods that a policy selects, and those that it might.
    fn subjects(&self, index: usize) -> Vec<Pod> {
        let policy = &self.cluster.network_policies[index];
        let mut named = Named::default();
        for other in self.in_namespace(&policy.namespace) {
            named.add(&self.cluster.network_policies[other].pod_selector);
        }
        let made = satisfying(&policy.pod_selector, &named);
        let made = made.into_iter().map(|labels| Pod::new(&policy.namespace, "", labels));
        let view = self.view();
        let real = self.examples.iter().filter(|pod| view.selects(policy, pod)).map(|pod| (*pod).clone());
        made.chain(real).collect()
    }

    fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = usize> {
        let all = &self.cluster.network_policies;
        let first = all.partition_point(|policy| *policy.namespace < *namespace);
        let count = all[first..].partition_point(|policy| *policy.namespace == *namespace);
        first..first + count
    }

    /// The policies that are left and isolate a pod.
    fn isolating(&self, subject: &Pod, direction: Direction) -> impl Iterator<Item = usize> {
        self.in_namespace(&subject.namespace).filter(move |index| {
            let policy = &self.cluster.network_policies[*index];
            !self.gone.contains(&(*index, None))
                && policy.isolates(direction)
                && self.view().selects(policy, subject)
        })
    }

    /// The rules of a policy that are left.
    fn rules_of(&self, policy: usize, direction: Direction) -> impl Iterator<Item = OtherRule<'c>> {
        let owner = &self.cluster.network_policies[policy];
        let all = owner.rules(direction).iter().enumerate();
        all.map(move |(rule, node)| (Place { policy, rule }, node, owner))
            .filter(move |(place, ..)| !self.gone.contains(&(policy, Some((direction, place.rule)))))
    }

    /// Pods that don't exist and that the rule's peers speak of, told apart by whatever the other rules ask for.
    fn hypothetical(
        &self,
        rule: &Rule,
        policy: &NetworkPolicy,
        others: &[OtherRule<'_>],
    ) -> Vec<(Pod, Namespace)> {
        let mut named = [Named::default(), Named::default()];
        for peer in others.iter().flat_map(|(_, rule, _)| rule.peers.iter().flatten()) {
            if let Peer::Pods { namespaces, pods } = peer {
                named[0].add(pods);
                namespaces.iter().for_each(|selector| named[1].add(selector));
            }
        }
        let anybody = [Peer::Pods { namespaces: Some(Selector::everything()), pods: Selector::everything() }];
        let peers = rule.peers.as_deref().unwrap_or(&anybody);
        let mut made = Vec::new();
        for peer in peers {
            let Peer::Pods { namespaces, pods } = peer else { continue };
            let own = self.cluster.namespace(&policy.namespace).cloned();
            let places: Vec<Namespace> = match namespaces {
                None => own.into_iter().collect(),
                // Its own namespace, others that exist, and others that might.
                Some(selector) => {
                    let fits = |namespace: &Namespace| selector.matches_labels(&namespace.labels);
                    let might = satisfying(selector, &named[1]).into_iter().map(elsewhere).filter(fits);
                    own.into_iter().filter(|own| fits(own)).chain(might).collect()
                }
            };
            for place in places {
                for labels in satisfying(pods, &named[0]) {
                    made.push((Pod::new(&place.name, "", labels), place.clone()));
                }
            }
        }
        made
    }

    fn ports(
        &self,
        rule: &Rule,
        policy: &NetworkPolicy,
        direction: Direction,
        subject: &Pod,
        other: &Other<'_>,
    ) -> PortSet {
        let end = match other {
            Other::Pod(pod, _) => End::Pod(pod),
            Other::Address(address) => End::Address(*address),
        };
        let view = self.view();
        let matched = |peer: &Peer| match (peer, other) {
            (Peer::Pods { namespaces, pods }, Other::Pod(pod, namespace)) => {
                let there = match namespaces {
                    None => *pod.namespace == *policy.namespace,
                    Some(selector) => selector.matches_labels(&namespace.labels),
                };
                there && pod.matches(pods) && !view.is_node_like(pod)
            }
            (peer, _) => view.is_peer(peer, &policy.namespace, end),
        };
        // The name of a port means nothing at a block's address to go to, even where a pod has it.
        let target = |peer: Option<&Peer>| match (direction, peer) {
            (Direction::Ingress, _) => End::Pod(subject),
            (Direction::Egress, Some(Peer::Block(_))) => {
                End::Address(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
            }
            (Direction::Egress, _) => end,
        };
        let ports = |peer: Option<&Peer>| rule_ports(rule.ports.as_deref(), target(peer));
        match &rule.peers {
            None => ports(None),
            Some(peers) => peers
                .iter()
                .filter(|peer| matched(peer))
                .fold(PortSet::none(), |all, peer| all.union(&ports(Some(peer)))),
        }
    }

    fn view(&self) -> matching::View<'_> {
        matching::View { cluster: self.cluster, options: self.options }
    }
}

/// One pod for each kind that policies can tell apart.
fn examples(cluster: &Cluster) -> Vec<&Pod> {
    let mut seen = HashSet::new();
    let kinds = cluster.pods.iter().filter(|pod| {
        seen.insert((
            &pod.namespace,
            &pod.labels,
            &pod.unknown_labels,
            &pod.ports,
            pod.host_network,
            &pod.addresses,
        ))
    });
    kinds.collect()
}

/// A namespace that doesn't exist, with these labels; if they hold a name, it is that one's.
fn elsewhere(labels: Labels) -> Namespace {
    let name = labels.get(NAMESPACE_NAME_LABEL).unwrap_or(NOBODY).to_owned();
    Namespace::new(&name, &labels)
}

/// A value and a name that nobody gives: a label's value can't begin with a dash.
const NOBODY: &str = "-nobody";

/// The keys that selectors name, with the values that they name.
#[derive(Default)]
struct Named(BTreeMap<String, BTreeSet<String>>);

impl Named {
    fn add(&mut self, selector: &Selector) {
        for requirement in &selector.requirements {
            let values = self.0.entry(requirement.key.clone()).or_default();
            values.insert(NOBODY.to_owned());
            if let Operator::In(more) | Operator::NotIn(more) = &requirement.operator {
                values.extend(more.iter().cloned());
            }
        }
    }
}

/// Labels that a selector matches: as few as possible, each of its own values once, and each value that others name once.
fn satisfying(selector: &Selector, named: &Named) -> Vec<Labels> {
    let least: Labels = selector
        .requirements
        .iter()
        .filter_map(|requirement| match &requirement.operator {
            Operator::In(values) => Some((requirement.key.as_str(), values.first()?.as_str())),
            Operator::Exists => Some((requirement.key.as_str(), NOBODY)),
            Operator::NotIn(_) | Operator::DoesNotExist => None,
        })
        .collect();
    let mut all = vec![least.clone()];
    for requirement in &selector.requirements {
        if let Operator::In(values) = &requirement.operator {
            all.extend(values.iter().skip(1).map(|value| least.with(&requirement.key, value)));
        }
    }
    for (key, values) in &named.0 {
        all.extend(values.iter().map(|value| least.with(key, value)));
    }
    all.retain(|labels| selector.matches_labels(labels));
    all.dedup();
    all
}

/// Addresses at the edges of the blocks that a rule and the others name; a rule for anybody is for addresses outside, too.
fn addresses(rule: &Rule, others: &[OtherRule<'_>]) -> Vec<IpAddr> {
    let blocks = |rule: &Rule| {
        let peers = rule.peers.clone().unwrap_or_default();
        let blocks = peers.into_iter().filter_map(|peer| match peer {
            Peer::Block(block) => Some(block),
            Peer::Pods { .. } => None,
        });
        blocks.flat_map(|block| std::iter::once(block.cidr).chain(block.except)).collect::<Vec<_>>()
    };
    let mut edges: BTreeSet<IpAddr> = BTreeSet::new();
    if rule.peers.is_none() {
        edges.extend([
            IpAddr::from([0; 4]),
            IpAddr::from([255; 4]),
            IpAddr::from([0; 16]),
            IpAddr::from([255; 16]),
        ]);
    }
    for net in blocks(rule).into_iter().chain(others.iter().flat_map(|(_, rule, _)| blocks(rule))) {
        let (first, last) = (net.network(), net.broadcast());
        edges.extend([Some(first), Some(last), before(first), after(last)].into_iter().flatten());
    }
    edges.into_iter().collect()
}

fn before(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => IpAddr::V4(address.to_bits().checked_sub(1)?.into()),
        IpAddr::V6(address) => IpAddr::V6(address.to_bits().checked_sub(1)?.into()),
    })
}

fn after(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => IpAddr::V4(address.to_bits().checked_add(1)?.into()),
        IpAddr::V6(address) => IpAddr::V6(address.to_bits().checked_add(1)?.into()),
    })
}
