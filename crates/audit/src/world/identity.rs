//! Who may do what: bindings resolved to their roles' rules.

use parapet_manifest::{Document, Node};

use super::World;

/// A subject bound to a role.
pub(crate) struct Binding<'a> {
    pub document: &'a Document,
    /// `/subjects/0`.
    pub pointer: String,
    pub kind: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub role_name: &'a str,
    /// The role, if it was read.
    pub role: Option<&'a Document>,
    /// Only in this namespace, if it is a RoleBinding.
    pub only: Option<&'a str>,
}

/// One rule of a role.
pub(crate) struct Grant<'a> {
    pub pointer: String,
    pub verbs: Vec<&'a str>,
    pub groups: Vec<&'a str>,
    pub resources: Vec<&'a str>,
    pub names: Vec<&'a str>,
    pub urls: Vec<&'a str>,
}

impl Grant<'_> {
    /// Whether the rule grants a verb on a resource of a group.
    pub(crate) fn allows(&self, verb: &str, group: &str, resource: &str) -> bool {
        let has = |list: &[&str], wanted: &str| list.iter().any(|have| *have == wanted || *have == "*");
        has(&self.verbs, verb) && has(&self.groups, group) && has(&self.resources, resource)
    }

    /// Whether the rule grants a verb on a path.
    pub(crate) fn allows_url(&self, verb: &str, url: &str) -> bool {
        let verb = self.verbs.iter().any(|have| *have == verb || *have == "*");
        verb && self
            .urls
            .iter()
            .any(|have| *have == url || have.strip_suffix('*').is_some_and(|prefix| url.starts_with(prefix)))
    }
}

/// The rules of a Role or ClusterRole.
pub(crate) fn grants(role: &Document) -> Vec<Grant<'_>> {
    let rules = role.root.get("rules").map_or(&[] as &[Node], Node::items);
    rules.iter().enumerate().map(|(index, rule)| grant(index, rule)).collect()
}

fn grant(index: usize, rule: &Node) -> Grant<'_> {
    fn texts<'n>(rule: &'n Node, field: &str) -> Vec<&'n str> {
        rule.get(field).map_or(&[] as &[Node], Node::items).iter().filter_map(Node::as_str).collect()
    }
    Grant {
        pointer: format!("/rules/{index}"),
        verbs: texts(rule, "verbs"),
        groups: texts(rule, "apiGroups"),
        resources: texts(rule, "resources"),
        names: texts(rule, "resourceNames"),
        urls: texts(rule, "nonResourceURLs"),
    }
}

impl<'a> World<'a> {
    /// All subjects of all bindings.
    pub(crate) fn bindings(&self) -> Vec<Binding<'a>> {
        let mut bindings = Vec::new();
        for document in self.documents {
            let only = match &*document.kind {
                "RoleBinding" => Some(self.namespace(document)),
                "ClusterRoleBinding" => None,
                _ => continue,
            };
            let text = |pointer: &str| document.at(pointer).and_then(Node::as_str).unwrap_or("");
            let (role_kind, role_name) = (text("/roleRef/kind"), text("/roleRef/name"));
            let role = match role_kind {
                "Role" => self.find("Role", self.namespace(document), role_name),
                _ => self.kind("ClusterRole").find(|role| &*role.name == role_name),
            };
            let subjects = document.root.get("subjects").map_or(&[] as &[Node], Node::items);
            for (index, subject) in subjects.iter().enumerate() {
                let field = |field: &str| subject.get(field).and_then(Node::as_str);
                bindings.push(Binding {
                    document,
                    pointer: format!("/subjects/{index}"),
                    kind: field("kind").unwrap_or(""),
                    namespace: field("namespace").or(only).unwrap_or(""),
                    name: field("name").unwrap_or(""),
                    role_name,
                    role,
                    only,
                });
            }
        }
        bindings
    }

    /// The bindings of a service account.
    pub(crate) fn bindings_of(&self, namespace: &str, account: &str) -> Vec<Binding<'a>> {
        let mut bindings = self.bindings();
        bindings.retain(|binding| {
            binding.kind == "ServiceAccount" && binding.namespace == namespace && binding.name == account
        });
        bindings
    }

    /// Whether a service account may do something, as far as the input tells. None if a role of its isn't in it.
    pub(crate) fn account_may(
        &self,
        namespace: &str,
        account: &str,
        test: impl Fn(&Grant<'_>) -> bool,
    ) -> Option<bool> {
        let bindings = self.bindings_of(namespace, account);
        if bindings.iter().filter_map(|binding| binding.role).any(|role| grants(role).iter().any(&test)) {
            return Some(true);
        }
        let unknown = bindings.iter().any(|binding| binding.role.is_none());
        (!unknown).then_some(false)
    }
}
