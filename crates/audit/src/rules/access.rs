//! Identities and their rights: OBS-SA-01 and 02, OBS-RBAC-01 to 03.

use parapet_manifest::Node;
use serde_json::json;

use crate::finding::{Draft, Findings};
use crate::rule::Needs::Manifests;
use crate::rule::Severity::{High, Medium};
use crate::rule::{Check, Group, Rule, Severity};
use crate::world::{Binding, Grant, Role, Workload, World, grants};

const fn rule(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Pods, needs: Manifests, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-SA-01",
        Medium,
        "A token for the API server that nothing uses",
        "Whoever gets into the pod has an identity at the API server.",
        "Set automountServiceAccountToken: false.",
        needless_token,
    ),
    rule(
        "OBS-SA-02",
        Medium,
        "A component that asks the API server shares the default account",
        "Its rights are those of every pod of the namespace that names no account.",
        "Give it a service account of its own.",
        shared_account,
    ),
    rule(
        "OBS-RBAC-01",
        High,
        "An account of the stack has every right",
        "A break-in into one collector is a break-in into the cluster.",
        "Name what it needs.",
        everything,
    ),
    rule(
        "OBS-RBAC-02",
        Medium,
        "A collector's role says more than it needs",
        "Enrichment reads pods, namespaces, nodes and their owners; whatever else is granted, a break-in uses.",
        "Trim it to get, list and watch of those.",
        excess,
    ),
    rule(
        "OBS-RBAC-03",
        High,
        "A role that leads to other pods",
        "nodes/proxy and pods/exec run commands anywhere, impersonate is being somebody else, secrets is being everybody.",
        "Remove it.",
        lateral,
    ),
];

/// A token isn't mounted if pod or account say so; the pod's word counts first.
fn mounts_token(world: &World<'_>, workload: &Workload<'_>) -> bool {
    let of_pod = workload.at("/spec/automountServiceAccountToken").and_then(Node::as_bool);
    let of_account = || {
        let account = world.find("ServiceAccount", workload.namespace, workload.service_account())?;
        account.root.get("automountServiceAccountToken")?.as_bool()
    };
    of_pod.or_else(of_account).unwrap_or(true)
}

fn needless_token<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| !workload.managed && !world.asks_api_server(workload)) {
        let said = workload.at("/spec/automountServiceAccountToken").is_some();
        if mounts_token(world, workload) && !said {
            found
                .add_pod(
                    workload,
                    "/spec",
                    format!("{workload} mounts a token for the API server and doesn't use it"),
                )
                .set(workload.pointer("/spec/automountServiceAccountToken"), json!(false));
        }
    }
}

fn shared_account<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| !workload.managed && world.asks_api_server(workload)) {
        if workload.service_account() == "default" && mounts_token(world, workload) {
            let draft = found.add_pod(
                workload,
                "/spec",
                format!("{workload} asks the API server as the namespace's default account"),
            );
            // What the shared account may do, its own may: the rights stay, the others' go when people take them away.
            let account = json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": workload.name, "namespace": workload.namespace},
            });
            draft
                .set(workload.pointer("/spec/serviceAccountName"), json!(workload.name))
                .new_object(&account);
            let subject =
                json!({"kind": "ServiceAccount", "name": workload.name, "namespace": workload.namespace});
            for binding in world.bindings_of(workload.namespace, "default") {
                draft.push_in(binding.document, "/subjects", subject.clone());
            }
        }
    }
}

/// Bindings of accounts that the stack's workloads run as.
fn of_the_stack<'w>(world: &'w World<'w>) -> Vec<(Binding<'w>, &'w Workload<'w>)> {
    world
        .bindings()
        .into_iter()
        .filter_map(|binding| {
            let workload = world.obs().find(|workload| {
                binding.kind == "ServiceAccount"
                    && workload.namespace == binding.namespace
                    && workload.service_account() == binding.name
            })?;
            Some((binding, workload))
        })
        .collect()
}

fn everything<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (binding, workload) in of_the_stack(world) {
        let wild = binding.role.is_some_and(|role| {
            grants(role).iter().any(|grant| grant.verbs.contains(&"*") && grant.resources.contains(&"*"))
        });
        if binding.role_name == "cluster-admin" || wild {
            found.add(
                binding.document,
                "/roleRef/name",
                format!("{workload} has every right: {}", binding.role_name),
            );
        }
    }
}

/// What enrichment reads.
const READ: &[&str] = &[
    "pods",
    "namespaces",
    "nodes",
    "replicasets",
    "deployments",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "services",
    "endpoints",
    "endpointslices",
    "events",
    "nodes/metrics",
    "nodes/stats",
];

/// What OBS-RBAC-03 names.
const LATERAL: &[&str] = &["nodes/proxy", "pods/exec", "pods/attach", "pods/portforward", "secrets"];

fn excess<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (binding, workload) in of_the_stack(world) {
        if !workload.role.is_some_and(|role| role.is_collector() || role.is_node_agent()) {
            continue;
        }
        let Some(role) = binding.role else { continue };
        for grant in grants(role) {
            let reviews = grant.resources.iter().all(|resource| resource.ends_with("reviews"));
            let wild = grant.verbs.contains(&"*") && grant.resources.contains(&"*");
            if reviews || wild {
                continue;
            }
            let verbs: Vec<&str> = grant
                .verbs
                .iter()
                .copied()
                .filter(|verb| !matches!(*verb, "get" | "list" | "watch"))
                .collect();
            let resources: Vec<&str> = grant
                .resources
                .iter()
                .copied()
                .filter(|resource| !READ.contains(resource) && !LATERAL.contains(resource))
                .collect();
            if !verbs.is_empty() || !resources.is_empty() {
                let message = {
                    let more: Vec<&str> = verbs.iter().chain(&resources).copied().collect();
                    format!("{workload} needs no {}", more.join(", "))
                };
                let draft = found.add(role, &grant.pointer, message);
                without(
                    draft,
                    &grant,
                    |verb| verbs.contains(&verb),
                    |resource| resources.contains(&resource),
                );
            }
        }
    }
}

/// The patch takes verbs and resources out of a rule, and the rule if nothing of it is left.
fn without(
    draft: &mut Draft<'_>,
    grant: &Grant<'_>,
    needless_verb: impl Fn(&str) -> bool,
    needless_resource: impl Fn(&str) -> bool,
) {
    let verbs: Vec<&str> = grant.verbs.iter().copied().filter(|verb| !needless_verb(verb)).collect();
    let resources: Vec<&str> =
        grant.resources.iter().copied().filter(|resource| !needless_resource(resource)).collect();
    // Rules about paths have no resources.
    let about_nothing = resources.is_empty() && !grant.resources.is_empty();
    if verbs.is_empty() || about_nothing {
        draft.remove(&grant.pointer);
        return;
    }
    if verbs != grant.verbs {
        draft.set(format!("{}/verbs", grant.pointer), json!(verbs));
    }
    if resources != grant.resources {
        draft.set(format!("{}/resources", grant.pointer), json!(resources));
    }
}

fn lateral<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (binding, workload) in of_the_stack(world) {
        if workload.has_role(Role::Operator) {
            continue;
        }
        let Some(role) = binding.role else { continue };
        for grant in grants(role) {
            let named = grant
                .resources
                .iter()
                .copied()
                .find(|resource| LATERAL.contains(resource) && grant.names.is_empty());
            let impersonates = grant.verbs.contains(&"impersonate").then_some("impersonate");
            if let Some(what) = named.or(impersonates) {
                let draft = found.add(role, &grant.pointer, format!("{workload} may use {what}"));
                let named = named.is_some();
                without(
                    draft,
                    &grant,
                    |verb| verb == "impersonate",
                    |resource| named && LATERAL.contains(&resource),
                );
            }
        }
    }
}
