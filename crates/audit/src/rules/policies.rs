//! How policies are written: OBS-NP-05 to 11, 13 to 18, 21, 22.

mod names;
mod ports;
mod selectors;

use parapet_manifest::Node;
use serde_json::json;

use crate::finding::Findings;
use crate::rule::Needs::{Manifests, Option as Opt, Reach};
use crate::rule::Severity::{Critical, High, Info, Low, Medium};
use crate::rule::{Group, Rule};
use crate::world::{Direction, Policy, PolicyRule, Workload, World, selector_matches};
pub(super) use names::allows_dns;
use names::no_dns;
pub(crate) use ports::target_port;
use ports::{one_sided, service_port, unknown_port_name};
use selectors::{invalid_selector, no_namespace, other_namespace, peer_matches_nothing, selects_nothing};

const GROUP: Group = Group::Isolation;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "OBS-NP-05",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "A policy selects no pod",
        why: "It protects nothing. Most often its labels are not those that the chart or the operator really sets.",
        fix: "Use the pod template's labels.",
        check: selects_nothing,
    },
    Rule {
        id: "OBS-NP-06",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "A policy's peer matches no pod",
        why: "The rule admits nobody today, so the flow it was written for is blocked, and whoever gets such labels tomorrow is let in.",
        fix: "Correct the selector, or delete the rule.",
        check: peer_matches_nothing,
    },
    Rule {
        id: "OBS-NP-07",
        severity: Critical,
        group: GROUP,
        needs: Manifests,
        title: "A selector is one that the API server rejects",
        why: "The policy is never applied, so nothing is isolated, while its file says otherwise. A value that starts with `-` or holds `{{` is usually what a template's prefix left behind.",
        fix: "Fill in the release's name: label values begin and end with a letter or digit and have at most 63 characters.",
        check: invalid_selector,
    },
    Rule {
        id: "OBS-NP-08",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "A policy names no namespace while other objects do",
        why: "It lands in whatever namespace is current when it is applied, and selects pods only there.",
        fix: "Set metadata.namespace.",
        check: no_namespace,
    },
    Rule {
        id: "OBS-NP-09",
        severity: High,
        group: GROUP,
        needs: Manifests,
        title: "A peer's pods live in another namespace",
        why: "A podSelector without a namespaceSelector means the policy's own namespace. The pods it names are elsewhere, so the scrape or flow that the rule is for is blocked.",
        fix: "Add a namespaceSelector with `kubernetes.io/metadata.name` beside the podSelector, in the same list item.",
        check: other_namespace,
    },
    Rule {
        id: "OBS-NP-10",
        severity: High,
        group: GROUP,
        needs: Manifests,
        title: "Egress is isolated and DNS isn't allowed",
        why: "The workload addresses its peers by name. Without UDP and TCP 53 to the DNS pods no name resolves and the flow that the policy allows never starts.",
        fix: "Allow UDP and TCP 53 to the DNS pods (5353 on OpenShift; 169.254.20.10 with a node-local cache).",
        check: no_dns,
    },
    Rule {
        id: "OBS-NP-11",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "Rules of a direction that policyTypes doesn't list",
        why: "They are ignored without a word: the direction is not isolated by this policy.",
        fix: "Add the direction to policyTypes, or delete the rules.",
        check: dead_rules,
    },
    Rule {
        id: "OBS-NP-13",
        severity: High,
        group: GROUP,
        needs: Manifests,
        title: "A rule names a Service's port instead of the pods'",
        why: "Policies judge traffic after the Service is translated: the port that counts is the one the pod listens on. The rule opens a port nobody uses and the real one stays closed.",
        fix: "Use the targetPort's number, or the container port's name.",
        check: service_port,
    },
    Rule {
        id: "OBS-NP-14",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "A named port that no pod declares",
        why: "A name resolves per pod by containerPorts with the same name and protocol. Where none has it the rule opens nothing.",
        fix: "Declare the port in the pod template, or use its number.",
        check: unknown_port_name,
    },
    Rule {
        id: "OBS-NP-15",
        severity: High,
        group: GROUP,
        needs: Reach,
        title: "A flow is allowed on one side and denied on the other",
        why: "Both ends must agree. One policy was written for this flow and another blocks it, so it fails although it looks allowed.",
        fix: "Add the matching rule on the other side.",
        check: one_sided,
    },
    Rule {
        id: "OBS-NP-16",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "Two list items where one was probably meant",
        why: "A podSelector item followed by a namespaceSelector item means either; the rule admits every pod of those namespaces. Without the second dash it means both.",
        fix: "Merge the two into one list item.",
        check: or_instead_of_and,
    },
    Rule {
        id: "OBS-NP-17",
        severity: Medium,
        group: GROUP,
        needs: Manifests,
        title: "An egress policy without policyTypes also denies all ingress",
        why: "Without policyTypes `Ingress` is always in effect. With no ingress rule that denies everything that comes in, which is rarely meant and found in an outage.",
        fix: "State policyTypes.",
        check: defaulted_types,
    },
    Rule {
        id: "OBS-NP-18",
        severity: Info,
        group: GROUP,
        needs: Reach,
        title: "A rule or a policy changes no verdict",
        why: "Others already allow all that it does, to the pods that there are and to those that their selectors speak of. It misleads who reads it, and nobody dares to delete it.",
        fix: "Delete it.",
        check: redundant,
    },
    Rule {
        id: "OBS-NP-21",
        severity: Low,
        group: GROUP,
        needs: Manifests,
        title: "A NetworkPolicy of an API version that is gone",
        why: "extensions/v1beta1 hasn't been served since Kubernetes 1.16: the object is refused and isolates nothing.",
        fix: "Use networking.k8s.io/v1.",
        check: old_version,
    },
    Rule {
        id: "OBS-NP-22",
        severity: Medium,
        group: GROUP,
        needs: Opt,
        title: "An ipBlock covers addresses inside of the cluster",
        why: "Whether a block matches pods, Services or nodes depends on the network plugin and on when addresses are translated: Calico matches pods, Cilium doesn't.",
        fix: "Use selectors for what is inside of the cluster, and `except` its networks from the block.",
        check: cluster_block,
    },
];

/// What a peer's selectors match in the input.
pub(super) enum Matches<'w, 'a> {
    /// An address block, or a namespace that isn't in the input.
    Unknown,
    Workloads(Vec<&'w Workload<'a>>),
}

/// Resolves a peer of a policy in `namespace`.
pub(super) fn peers<'w, 'a>(world: &'w World<'a>, namespace: &str, peer: &Node) -> Matches<'w, 'a> {
    let pods = peer.get("podSelector").filter(|selector| !selector.is_null());
    let namespaces = peer.get("namespaceSelector").filter(|selector| !selector.is_null());
    if pods.is_none() && namespaces.is_none() {
        return Matches::Unknown;
    }
    let mut known: Vec<&str> = world.workloads.iter().map(|workload| workload.namespace).collect();
    known.extend(world.kind("Namespace").map(|object| &*object.name));
    if let Some(selector) = namespaces {
        let matched = known.iter().any(|name| in_namespace(world, selector, name));
        if !matched {
            return Matches::Unknown;
        }
    }
    let matched = world.workloads.iter().filter(|workload| {
        let there = match namespaces {
            Some(selector) => in_namespace(world, selector, workload.namespace),
            None => workload.namespace == namespace,
        };
        there
            && pods.is_none_or(|selector| {
                selector_matches(selector, |key| workload.labels.get(key).map(String::as_str))
            })
    });
    Matches::Workloads(matched.collect())
}

fn in_namespace(world: &World<'_>, selector: &Node, name: &str) -> bool {
    let labels = world.namespace_labels(name);
    selector_matches(selector, |key| {
        if key == "kubernetes.io/metadata.name" {
            // Its own label, which the API server sets.
            world
                .workloads
                .iter()
                .map(|workload| workload.namespace)
                .chain(world.kind("Namespace").map(|object| &*object.name))
                .find(|known| *known == name)
        } else {
            labels.get(key).copied()
        }
    })
}

fn each_rule<'w>(world: &'w World<'w>) -> impl Iterator<Item = (&'w Policy<'w>, PolicyRule<'w>)> {
    world.policies.iter().flat_map(|policy| {
        Direction::BOTH
            .into_iter()
            .filter(|direction| policy.has(*direction))
            .flat_map(|direction| policy.rules(direction))
            .map(move |rule| (policy, rule))
    })
}

fn dead_rules<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in &world.policies {
        for direction in Direction::BOTH {
            let count = policy.rules(direction).len();
            if !policy.has(direction) && count > 0 {
                let field = direction.field();
                let kind = if direction == Direction::Ingress { "Ingress" } else { "Egress" };
                found
                    .add(
                        policy.document,
                        format!("/spec/{field}"),
                        format!("{count} {field} rules are ignored: policyTypes doesn't list {kind}"),
                    )
                    .push("/spec/policyTypes", json!(kind));
            }
        }
    }
}

fn or_instead_of_and<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let only = |peer: &Node, field: &str| peer.entries().len() == 1 && peer.get(field).is_some();
    for (policy, rule) in each_rule(world) {
        for pair in rule.peers().windows(2) {
            let ((first_at, first), (second_at, second)) = (&pair[0], &pair[1]);
            if only(first, "podSelector") && only(second, "namespaceSelector") {
                let selector = second.get("namespaceSelector").map(Node::to_json).unwrap_or_default();
                found
                    .add(policy.document, second_at.clone(), "a second list item: the rule admits these pods or any pod of these namespaces; both together was probably meant")
                    .set(format!("{first_at}/namespaceSelector"), selector)
                    .remove(second_at);
            }
        }
    }
}

fn defaulted_types<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in &world.policies {
        let types = policy.document.at("/spec/policyTypes").is_some_and(|types| !types.items().is_empty());
        let only_egress =
            !policy.rules(Direction::Egress).is_empty() && policy.rules(Direction::Ingress).is_empty();
        if !types && only_egress {
            found
                .add(
                    policy.document,
                    "/spec/egress",
                    format!(
                        "the policy {} also denies all ingress: policyTypes is left out",
                        policy.document.name
                    ),
                )
                .set("/spec/policyTypes", json!(["Ingress", "Egress"]));
        }
    }
}

fn redundant<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let Some(reach) = world.reach else { return };
    for implied in reach.implied() {
        let named = |policy: &&Policy<'_>| {
            policy.namespace == implied.namespace && *policy.document.name == *implied.policy
        };
        let Some(policy) = world.policies.iter().find(named) else { continue };
        let by: Vec<&str> = implied.by.iter().map(String::as_str).collect();
        let by = by.join(", ");
        let several = implied.by.len() > 1;
        let (say, allow) = if several { ("say", "allow") } else { ("says", "allows") };
        let Some((direction, index)) = implied.rule else {
            let message =
                format!("the policy {} changes nothing: {by} {say} all that it does", implied.policy);
            found.add(policy.document, "/metadata/name", message).delete();
            continue;
        };
        let direction = match direction {
            parapet_reach::model::Direction::Ingress => Direction::Ingress,
            parapet_reach::model::Direction::Egress => Direction::Egress,
        };
        let rules = policy.rules(direction);
        let Some(rule) = rules.get(index) else { continue };
        let field = direction.field();
        let message = format!("{field} rule {} changes nothing: {by} {allow} all of it", rule.number);
        let draft = found.add(policy.document, rule.pointer.clone(), message);
        // Without its last rule a policy that doesn't name its types would isolate less.
        if rules.len() > 1 || policy.document.at("/spec/policyTypes").is_some() {
            draft.remove(&rule.pointer);
        }
    }
}

fn old_version<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.document.group() == "extensions") {
        found
            .add(
                policy.document,
                "/apiVersion",
                format!(
                    "{} is no longer served: the policy {} isolates nothing",
                    policy.document.api_version, policy.document.name
                ),
            )
            .becomes(json!("networking.k8s.io/v1"));
    }
}

fn cluster_block<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let mut inside: Vec<ipnet::IpNet> = world.options.cluster_networks.clone();
    let address = |document: &parapet_manifest::Document, pointer: &str| {
        document
            .at(pointer)
            .and_then(Node::as_str)
            .and_then(|text| text.parse::<std::net::IpAddr>().ok())
            .map(ipnet::IpNet::from)
    };
    inside.extend(world.kind("Pod").filter_map(|pod| address(pod, "/status/podIP")));
    inside.extend(world.kind("Service").filter_map(|service| address(service, "/spec/clusterIP")));
    for (policy, rule) in each_rule(world) {
        for (pointer, peer) in rule.peers() {
            let Some(block) = peer
                .at("/ipBlock/cidr")
                .and_then(Node::as_str)
                .and_then(|text| text.parse::<ipnet::IpNet>().ok())
            else {
                continue;
            };
            let except: Vec<ipnet::IpNet> = peer
                .at("/ipBlock/except")
                .map_or(&[] as &[Node], Node::items)
                .iter()
                .filter_map(|node| node.as_str()?.parse().ok())
                .collect();
            let mut covered: Vec<&ipnet::IpNet> = inside
                .iter()
                .filter(|network| {
                    let overlaps = block.contains(*network) || network.contains(&block);
                    overlaps && !except.iter().any(|except| except.contains(*network))
                })
                .collect();
            covered.dedup();
            let Some(network) = covered.first() else { continue };
            let draft = found.add(
                policy.document,
                format!("{pointer}/ipBlock/cidr"),
                format!("{block} covers {network}, which is inside of the cluster: whether it matches depends on the network plugin"),
            );
            // A block inside of the cluster is nothing but that: only whoever wrote it knows which pods it was for.
            if covered.iter().all(|network| block.contains(*network) && **network != block) {
                for network in covered {
                    draft.push(format!("{pointer}/ipBlock/except"), json!(network.to_string()));
                }
            }
        }
    }
}
