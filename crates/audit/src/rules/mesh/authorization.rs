//! AuthorizationPolicies that are missing, or can't match.

use parapet_manifest::{Document, Node};
use serde_json::{Value, json};

use super::peers::{is_injected, is_strict, mode};
use crate::finding::Findings;
use crate::least::identity;
use crate::rules::elasticsearch::http_port;
use crate::world::{Role, Workload, World, selector_matches};

fn selects(world: &World<'_>, policy: &Document, workload: &Workload<'_>) -> bool {
    let namespace = policy.namespace.as_deref().unwrap_or(&world.options.namespace);
    (namespace == workload.namespace || namespace == "istio-system")
        && policy.at("/spec/selector").is_none_or(|selector| {
            selector_matches(selector, |key| workload.labels.get(key).map(String::as_str))
        })
}

pub(super) fn no_authorization<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::Elasticsearch, Role::Kibana, Role::Prometheus]) {
        let port = workload.role.and_then(|role| role.ports().first().copied()).unwrap_or(0);
        if is_strict(world, workload, port)
            && !world.kind("AuthorizationPolicy").any(|policy| selects(world, policy, workload))
        {
            let draft = found.add(
                workload.document,
                "/metadata/name",
                format!("strict mTLS tells who calls {workload}, and no AuthorizationPolicy asks: everybody in the mesh may"),
            );
            if let Some(policy) = by_principal(world, workload) {
                draft.new_object(&policy);
            }
        }
    }
}

/// An AuthorizationPolicy for the clients that the input shows, by the accounts that they run as; none where one of them has
/// no identity of its own.
fn by_principal(world: &World<'_>, workload: &Workload<'_>) -> Option<Value> {
    let shown = world.shown();
    let clients: Vec<&Workload<'_>> = shown
        .clients(workload.number)
        .filter(|(client, _)| *client != workload.number)
        .filter_map(|(client, _)| world.workloads.get(client))
        .collect();
    let has_identity =
        |client: &&Workload<'_>| is_injected(world, client) && client.service_account() != "default";
    if clients.is_empty() || !clients.iter().all(has_identity) || workload.labels.is_empty() {
        return None;
    }
    let mut principals: Vec<String> = clients
        .iter()
        .map(|client| format!("cluster.local/ns/{}/sa/{}", client.namespace, client.service_account()))
        .collect();
    principals.sort_unstable();
    principals.dedup();
    Some(json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": format!("{}-clients", workload.name), "namespace": workload.namespace},
        "spec": {
            "selector": {"matchLabels": identity(workload)},
            "action": "ALLOW",
            "rules": [{"from": [{"source": {"principals": principals}}]}],
        },
    }))
}

/// Fields of `to.operation` that only HTTP has.
const HTTP_FIELDS: &[&str] = &["methods", "paths", "hosts", "notMethods", "notPaths", "notHosts"];

/// Ports of the stack that speak no HTTP.
const TCP_PORTS: &[&str] = &["9300", "5044", "11211", "6379"];

/// Strict mTLS for one workload, where none says anything of it yet.
fn strict(world: &World<'_>, workload: &Workload<'_>) -> Option<Value> {
    let is_said = world
        .kind("PeerAuthentication")
        .any(|one| selects(world, one, workload) && one.at("/spec/selector").is_some());
    (!is_said && !workload.labels.is_empty()).then(|| {
        json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": format!("{}-strict", workload.name), "namespace": workload.namespace},
            "spec": {"selector": {"matchLabels": identity(workload)}, "mtls": {"mode": "STRICT"}},
        })
    })
}

pub(super) fn rule_cannot_match<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.kind("AuthorizationPolicy") {
        let selected: Vec<&Workload<'_>> = world
            .workloads
            .iter()
            .filter(|workload| is_injected(world, workload) && selects(world, policy, workload))
            .collect();
        let rules = policy.at("/spec/rules").map_or(&[] as &[Node], Node::items);
        for (index, rule) in rules.iter().enumerate() {
            for (from, source) in rule.get("from").map_or(&[] as &[Node], Node::items).iter().enumerate() {
                let identity = ["principals", "namespaces"]
                    .iter()
                    .find(|field| source.at(&format!("/source/{field}")).is_some());
                let Some(field) = identity else { continue };
                let open =
                    selected.iter().find(|workload| mode(world, workload, http_port(workload)) != "STRICT");
                if let Some(workload) = open {
                    let draft = found.add(
                        policy,
                        format!("/spec/rules/{index}/from/{from}/source/{field}"),
                        format!("{workload} also takes plain text, where there are no {field}: the rule doesn't match"),
                    );
                    if let Some(strict) = strict(world, workload) {
                        draft.new_object(&strict);
                    }
                }
            }
            for (to, target) in rule.get("to").map_or(&[] as &[Node], Node::items).iter().enumerate() {
                let ports = target.at("/operation/ports").map_or(&[] as &[Node], Node::items);
                let tcp = ports.iter().filter_map(Node::as_str).find(|port| TCP_PORTS.contains(port));
                let http =
                    HTTP_FIELDS.iter().find(|field| target.at(&format!("/operation/{field}")).is_some());
                if let (Some(port), Some(field)) = (tcp, http) {
                    found.add(
                        policy,
                        format!("/spec/rules/{index}/to/{to}/operation/{field}"),
                        format!("{port} speaks no HTTP, so that {field} can't be told: the rule doesn't match as written"),
                    );
                }
            }
        }
    }
}
