//! Which roles a node's configuration gives it.

use parapet_api::{Role, Roles, StackVersion};

use super::{Node, Yml};

/// The roles that a configuration gives to nodes of `version`.
///
/// `node.roles` gives exactly those that it lists, a list or a text with commas. Without it a node has all but voting only; before
/// version 8 `node.master` and its like take single ones away, and transforms follow data if nothing is said of them.
pub fn node_roles(config: &Yml, version: &StackVersion) -> Roles {
    match config.get("node.roles") {
        None | Some(Node::Null) => {}
        Some(Node::List(items)) => {
            let names: Vec<String> = items.iter().filter_map(Node::as_text).collect();
            return Roles::named(names.iter().map(String::as_str));
        }
        Some(single) => return Roles::named(single.as_text().unwrap_or_default().split(',')),
    }
    let mut roles = Roles::all_of(version);
    if version.major() >= 8 {
        return roles;
    }
    let said = |role: Role| Some(config.text_at(&format!("node.{}", role.name()))? == "true");
    let data = said(Role::Data).unwrap_or(true);
    let legacy = [
        (Role::Master, true),
        (Role::Data, true),
        (Role::Ingest, true),
        (Role::Ml, true),
        (Role::Transform, data),
        (Role::RemoteClusterClient, true),
        (Role::VotingOnly, false),
    ];
    for (role, default) in legacy.into_iter().filter(|(role, _)| role.exists_in(version)) {
        if said(role).unwrap_or(default) {
            roles.add(role);
        } else {
            roles.remove(role);
        }
    }
    roles
}
