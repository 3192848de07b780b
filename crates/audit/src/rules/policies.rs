//! How policies are written: OBS-NP-05 to 11, 13 to 18, 21, 22.

use parapet_manifest::Node;
use serde_json::json;

use crate::finding::Findings;
use crate::reach::{End, Protocol};
use crate::rule::Needs::{Manifests, Option as Opt, Reach};
use crate::rule::Severity::{Critical, High, Info, Low, Medium};
use crate::rule::{Group, Rule};
use crate::world::{Direction, Policy, PolicyRule, Workload, World, selector_matches};

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

fn selects_nothing<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.selects.is_empty() && !policy.selects_all()) {
        found.add(
            policy.document,
            "/spec/podSelector",
            format!(
                "the policy {} selects none of the pods of {}: it protects nothing",
                policy.document.name, policy.namespace
            ),
        );
    }
}

fn peer_matches_nothing<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        for (pointer, peer) in rule.peers() {
            let Matches::Workloads(matched) = peers(world, policy.namespace, peer) else { continue };
            if matched.is_empty() && elsewhere(world, policy, peer).is_none() {
                let message = format!(
                    "{} rule {} admits nobody: no pod has these labels",
                    rule.direction.field(),
                    rule.number
                );
                found.add(policy.document, pointer, message);
            }
        }
    }
}

/// The namespace of pods that a podSelector-only peer names but doesn't reach.
fn elsewhere<'w>(world: &'w World<'w>, policy: &Policy<'_>, peer: &Node) -> Option<&'w Workload<'w>> {
    let selector = peer.get("podSelector").filter(|selector| !selector.is_null())?;
    if peer.get("namespaceSelector").is_some_and(|selector| !selector.is_null()) {
        return None;
    }
    let matches = |workload: &&Workload<'_>| {
        selector_matches(selector, |key| workload.labels.get(key).map(String::as_str))
    };
    let mut own = world.workloads.iter().filter(|workload| workload.namespace == policy.namespace);
    if own.any(|workload| matches(&workload)) {
        return None;
    }
    world.workloads.iter().find(matches)
}

/// Why a label's value can't be one.
fn label_fault(value: &str) -> Option<&'static str> {
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    if value.is_empty() {
        None
    } else if value.contains("{{") || value.contains('<') || value.contains("RELEASE-NAME") {
        Some("is what a template leaves behind")
    } else if value.len() > 63 {
        Some("has more than 63 characters")
    } else if !edge(value.chars().next()) || !edge(value.chars().last()) {
        Some("doesn't begin and end with a letter or digit")
    } else if !value.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character)) {
        Some("has characters that labels can't have")
    } else {
        None
    }
}

/// Every label value of every selector below `node`.
fn selector_values<'n>(node: &'n Node, pointer: &str, values: &mut Vec<(String, &'n str, &'n str)>) {
    for entry in node.get("matchLabels").map_or(&[] as &[_], Node::entries) {
        let at = format!("{pointer}/matchLabels/{}", parapet_manifest::escape_pointer(&entry.key.name));
        values.push((at, &*entry.key.name, entry.value.as_str().unwrap_or("")));
    }
    for (index, expression) in
        node.get("matchExpressions").map_or(&[] as &[Node], Node::items).iter().enumerate()
    {
        let key = expression.get("key").and_then(Node::as_str).unwrap_or("");
        for (value, node) in expression.get("values").map_or(&[] as &[Node], Node::items).iter().enumerate() {
            let at = format!("{pointer}/matchExpressions/{index}/values/{value}");
            values.push((at, key, node.as_str().unwrap_or("")));
        }
    }
}

fn invalid_selector<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in &world.policies {
        let mut values = Vec::new();
        if let Some(selector) = policy.document.at("/spec/podSelector") {
            selector_values(selector, "/spec/podSelector", &mut values);
        }
        for direction in Direction::BOTH {
            for (pointer, peer) in policy.rules(direction).iter().flat_map(PolicyRule::peers) {
                for field in ["podSelector", "namespaceSelector"] {
                    if let Some(selector) = peer.get(field) {
                        selector_values(selector, &format!("{pointer}/{field}"), &mut values);
                    }
                }
            }
        }
        for (pointer, key, value) in values {
            if let Some(fault) = label_fault(value) {
                found.add(
                    policy.document,
                    pointer,
                    format!(
                        "the API server rejects the policy {}: the value {value:?} of {key} {fault}",
                        policy.document.name
                    ),
                );
            }
        }
    }
}

fn no_namespace<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let named = world.documents.iter().find_map(|document| document.namespace.as_deref());
    let Some(other) = named else { return };
    for policy in world.policies.iter().filter(|policy| policy.document.namespace.is_none()) {
        let message =
            format!("the policy {} names no namespace; other objects are in {other}", policy.document.name);
        found.add(policy.document, "/metadata", message).set("/metadata/namespace", json!(other));
    }
}

fn other_namespace<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        for (pointer, peer) in rule.peers() {
            let Some(workload) = elsewhere(world, policy, peer) else { continue };
            let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": workload.namespace}});
            found
                .add(
                    policy.document,
                    pointer.clone(),
                    format!(
                        "{} rule {} names pods that live in {}, not in {}: the flow is blocked",
                        rule.direction.field(),
                        rule.number,
                        workload.namespace,
                        policy.namespace
                    ),
                )
                .related(workload.document, "/metadata/name", "the pods with these labels")
                .set(format!("{pointer}/namespaceSelector"), selector);
        }
    }
}

/// Whether a policy lets its pods ask for names.
pub(super) fn allows_dns(policy: &Policy<'_>) -> bool {
    let reaches_dns = |rule: &PolicyRule<'_>| {
        let peers = rule.peers();
        peers.is_empty()
            || peers
                .iter()
                .any(|(_, peer)| peer.get("namespaceSelector").is_some() || peer.get("ipBlock").is_some())
    };
    let rules = policy.rules(Direction::Egress);
    [53, 5353].iter().any(|port| {
        [Protocol::Udp, Protocol::Tcp]
            .iter()
            .all(|protocol| rules.iter().any(|rule| rule.covers(*protocol, *port) && reaches_dns(rule)))
    })
}

fn uses_names(workload: &Workload<'_>, world: &World<'_>) -> bool {
    let named = |text: &str| {
        text.contains(".svc")
            || text
                .split("://")
                .nth(1)
                .is_some_and(|host| host.starts_with(|first: char| first.is_ascii_alphabetic()))
    };
    workload.containers.iter().any(|container| {
        container.variables().iter().any(|variable| named(variable.value))
            || container.arguments().iter().any(|(_, text)| named(text))
    }) || world
        .collectors
        .iter()
        .any(|collector| collector.workloads.contains(&workload.number) && !collector.exporters.is_empty())
        || workload.role.is_some_and(crate::world::Role::is_collector)
}

fn no_dns<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.egress) {
        let rules = policy.rules(Direction::Egress);
        if allows_dns(policy) || (rules.is_empty() && policy.selects_all()) {
            continue;
        }
        let workloads: Vec<&Workload<'_>> =
            policy.selects.iter().map(|number| &world.workloads[*number]).collect();
        let blocked: Vec<String> = workloads
            .iter()
            .filter(|workload| uses_names(workload, world))
            .filter(|workload| !world.isolating(workload, Direction::Egress).any(allows_dns))
            .map(ToString::to_string)
            .collect();
        let pod_peers =
            rules.iter().any(|rule| rule.peers().iter().any(|(_, peer)| peer.get("podSelector").is_some()));
        if blocked.is_empty() && !(workloads.is_empty() && pod_peers) {
            continue;
        }
        let who = if blocked.is_empty() { "its pods".to_owned() } else { blocked.join(", ") };
        let dns = json!({
            "to": [{
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }],
            "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
        });
        found
            .add(
                policy.document,
                "/spec/egress",
                format!("{who} can't resolve names: no egress rule allows UDP and TCP 53 to the DNS pods"),
            )
            .push("/spec/egress", dns);
    }
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

/// The workloads whose ports a rule is about: the selected ones for ingress, the peers for egress.
fn targets<'w>(world: &'w World<'w>, policy: &Policy<'_>, rule: &PolicyRule<'_>) -> Vec<&'w Workload<'w>> {
    match rule.direction {
        Direction::Ingress => policy.selects.iter().map(|number| &world.workloads[*number]).collect(),
        Direction::Egress => rule
            .peers()
            .iter()
            .flat_map(|(_, peer)| match peers(world, policy.namespace, peer) {
                Matches::Workloads(workloads) => workloads,
                Matches::Unknown => Vec::new(),
            })
            .collect(),
    }
}

/// The number that a Service's port is translated to for a workload.
fn target_port(port: &Node, workload: &Workload<'_>) -> Option<u16> {
    let own = port.get("port").and_then(Node::as_i64);
    match port.get("targetPort") {
        None => u16::try_from(own?).ok(),
        Some(target) => match target.as_str() {
            Some(name) => {
                workload.ports().iter().find(|port| port.name == Some(name)).map(|port| port.number)
            }
            None => u16::try_from(target.as_i64()?).ok(),
        },
    }
}

fn service_port<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        let targets = targets(world, policy, &rule);
        for (pointer, port) in rule.ports() {
            let Some(number) = port.get("port").and_then(Node::as_i64) else { continue };
            let wrong = targets
                .iter()
                .filter(|workload| !workload.ports().iter().any(|own| i64::from(own.number) == number))
                .find_map(|workload| {
                    world.kind("Service").find_map(|service| {
                        if !world.backends(service).iter().any(|backend| backend.number == workload.number) {
                            return None;
                        }
                        let ports = service.at("/spec/ports").map_or(&[] as &[Node], Node::items);
                        let port = ports
                            .iter()
                            .find(|port| port.get("port").and_then(Node::as_i64) == Some(number))?;
                        let target = target_port(port, workload)?;
                        (i64::from(target) != number).then_some((service, *workload, target))
                    })
                });
            if let Some((service, workload, target)) = wrong {
                found
                    .add(
                        policy.document,
                        format!("{pointer}/port"),
                        format!(
                            "{number} is the port of the Service {}; {workload} listens on {target}",
                            service.name
                        ),
                    )
                    .related(service, "/spec/ports", "the Service whose port it is")
                    .becomes(json!(target));
            }
        }
    }
}

fn unknown_port_name<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        let targets = targets(world, policy, &rule);
        if targets.is_empty() {
            continue;
        }
        for (pointer, port) in rule.ports() {
            let Some(name) = port.get("port").and_then(Node::as_str) else { continue };
            let protocol = Protocol::parse(port.get("protocol").and_then(Node::as_str).unwrap_or("TCP"));
            let declared = targets.iter().any(|workload| {
                workload.ports().iter().any(|own| own.name == Some(name) && own.protocol == protocol)
            });
            if !declared {
                found.add(
                    policy.document,
                    format!("{pointer}/port"),
                    format!(
                        "no pod declares a port named {name:?} with this protocol: the rule opens nothing"
                    ),
                );
            }
        }
    }
}

fn one_sided<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        let selected: Vec<&Workload<'_>> =
            policy.selects.iter().map(|number| &world.workloads[*number]).collect();
        for (_, peer) in rule.peers() {
            let Matches::Workloads(others) = peers(world, policy.namespace, peer) else { continue };
            for (pointer, port) in rule.ports() {
                let Some(number) =
                    port.get("port").and_then(Node::as_i64).and_then(|port| u16::try_from(port).ok())
                else {
                    continue;
                };
                let protocol = Protocol::parse(port.get("protocol").and_then(Node::as_str).unwrap_or("TCP"));
                let blocked = selected
                    .iter()
                    .flat_map(|own| others.iter().map(move |other| (*own, *other)))
                    .find_map(|(own, other)| {
                        let (from, to) = match rule.direction {
                            Direction::Egress => (own, other),
                            Direction::Ingress => (other, own),
                        };
                        let denied = from.number != to.number
                            && !world.allows(
                                End::Workload(from.number),
                                End::Workload(to.number),
                                protocol,
                                number,
                            );
                        denied.then_some((from, to))
                    });
                if let Some((from, to)) = blocked {
                    let (here, there) = match rule.direction {
                        Direction::Egress => (format!("egress of {from}"), format!("ingress of {to}")),
                        Direction::Ingress => (format!("ingress of {to}"), format!("egress of {from}")),
                    };
                    let place = pointer.clone();
                    found.add(
                        policy.document,
                        place,
                        format!("{here} allows port {number}, {there} doesn't: the flow is blocked"),
                    );
                }
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
            found.add(policy.document, "/metadata/name", message);
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
            let covered = inside.iter().find(|network| {
                let overlaps = block.contains(*network) || network.contains(&block);
                overlaps && !except.iter().any(|except| except.contains(*network))
            });
            if let Some(network) = covered {
                found.add(
                    policy.document,
                    format!("{pointer}/ipBlock/cidr"),
                    format!("{block} covers {network}, which is inside of the cluster: whether it matches depends on the network plugin"),
                );
            }
        }
    }
}
