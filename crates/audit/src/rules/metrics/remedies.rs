//! What the input has that puts a scrape right: the CA, a token, the only port; and the roles that it lacks.

use parapet_manifest::{Document, Node};
use serde_json::{Value, json};

use super::monitors::services;
use crate::world::World;

/// The key that the CA has in a Secret of type kubernetes.io/tls, by convention of those who issue them.
pub(super) const CA: &str = "ca.crt";

/// The Secret with the CA of what a ServiceMonitor scrapes: the one that its pods mount, where the monitor may name it.
pub(super) fn authority<'w>(
    world: &'w World<'w>,
    monitor: &'w Document,
) -> Option<(&'w Document, &'w Document)> {
    if &*monitor.kind != "ServiceMonitor" {
        return None;
    }
    let selected = services(world, monitor);
    let [service] = selected.as_slice() else { return None };
    let mut secrets: Vec<&Document> = Vec::new();
    for backend in world.backends(service).iter().filter(|one| one.namespace == world.namespace(monitor)) {
        for (_, volume) in backend.volumes() {
            let Some(name) = volume.at("/secret/secretName").and_then(Node::as_str) else { continue };
            let secret = world.find("Secret", backend.namespace, name);
            let has_ca = |secret: &&Document| {
                ["data", "stringData"].iter().any(|part| secret.at(&format!("/{part}/{CA}")).is_some())
            };
            secrets.extend(secret.filter(has_ca));
        }
    }
    match secrets.as_slice() {
        [one] => Some((service, one)),
        _ => None,
    }
}

/// The one Secret of a namespace that holds a service account's token.
pub(super) fn token<'w>(world: &'w World<'w>, namespace: &str) -> Option<&'w str> {
    let is_token = |secret: &&Document| {
        secret.root.get("type").and_then(Node::as_str) == Some("kubernetes.io/service-account-token")
    };
    let mut tokens =
        world.kind("Secret").filter(|secret| world.namespace(secret) == namespace).filter(is_token);
    let one = tokens.next()?;
    tokens.next().is_none().then_some(&*one.name)
}

/// A ClusterRole with rules, and its binding to an account.
pub(super) fn granted(name: &str, rules: Value, namespace: &str, account: &str) -> [Value; 2] {
    let api = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{api}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
    });
    let binding = json!({
        "apiVersion": format!("{api}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    });
    [role, binding]
}

/// The name of the only port that the Services have.
pub(super) fn only_port<'w>(services: &[&'w Document]) -> Option<&'w str> {
    let ports =
        services.iter().flat_map(|service| service.at("/spec/ports").map_or(&[] as &[Node], Node::items));
    let mut names: Vec<Option<&str>> = ports.map(|port| port.get("name").and_then(Node::as_str)).collect();
    names.dedup();
    match names.as_slice() {
        [one] => *one,
        _ => None,
    }
}
