//! Rules of the configuration that allow without asking anybody. They never deny: what none allows is asked about.

use crate::Identity;

use super::attributes::{Attributes, Target};

/// The rules, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticRules(pub Vec<StaticRule>);

/// One rule. An empty text allows any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRule {
    /// The user's name.
    pub user: String,
    /// The caller must be in one of these. None: in any or none.
    pub groups: Vec<String>,
    /// The verb, as the verb mapping calls it.
    pub verb: String,
    /// What it is about.
    pub target: StaticTarget,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaticTarget {
    /// A path, to the byte.
    Path(String),
    /// A resource.
    Resource {
        /// Namespace.
        namespace: String,
        /// API group.
        group: String,
        /// Resource, in the plural.
        resource: String,
        /// Subresource.
        subresource: String,
        /// Name of one object.
        name: String,
    },
}

impl StaticRules {
    /// Whether any rule allows `identity` to do that.
    pub(super) fn allow(&self, identity: &Identity, attributes: &Attributes) -> bool {
        self.0.iter().any(|rule| rule.allows(identity, attributes))
    }
}

impl StaticRule {
    fn allows(&self, identity: &Identity, attributes: &Attributes) -> bool {
        let Self { user, groups, verb, target } = self;
        is_any_or(user, &identity.user)
            && (groups.is_empty() || identity.groups.iter().any(|group| groups.contains(group)))
            && is_any_or(verb, &attributes.verb)
            && target.is(&attributes.target)
    }
}

impl StaticTarget {
    fn is(&self, target: &Target) -> bool {
        match (self, target) {
            (Self::Path(path), Target::Path(asked)) => path == asked,
            (Self::Resource { namespace, group, resource, subresource, name }, Target::Resource(asked)) => {
                is_any_or(namespace, &asked.namespace)
                    && is_any_or(group, &asked.group)
                    && is_any_or(resource, &asked.resource)
                    && is_any_or(subresource, &asked.subresource)
                    && is_any_or(name, &asked.name)
            }
            (Self::Path(_), Target::Resource(_)) | (Self::Resource { .. }, Target::Path(_)) => false,
        }
    }
}

fn is_any_or(rule: &str, value: &str) -> bool {
    rule.is_empty() || rule == value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::attributes::Resource;
    use super::*;
    use crate::AuthnMethod;

    fn identity() -> Identity {
        Identity {
            user: "alice".to_owned(),
            uid: String::new(),
            groups: vec!["dev".to_owned(), "system:authenticated".to_owned()],
            extra: BTreeMap::new(),
            method: AuthnMethod::Token,
            expires: None,
        }
    }

    fn path_rule() -> StaticRule {
        let target = StaticTarget::Path("/metrics".to_owned());
        StaticRule { user: String::new(), groups: Vec::new(), verb: String::new(), target }
    }

    #[track_caller]
    fn check(rule: StaticRule, verb: &'static str, target: Target, expected: bool) {
        let attributes = Attributes { verb: verb.into(), target };
        assert_eq!(StaticRules(vec![rule]).allow(&identity(), &attributes), expected);
    }

    fn path(path: &str) -> Target {
        Target::Path(path.to_owned())
    }

    #[test]
    fn a_path_alone_matches_any_verb() {
        check(path_rule(), "get", path("/metrics"), true);
        check(path_rule(), "delete", path("/metrics"), true);
        check(path_rule(), "get", path("/metrics/"), false);
    }

    #[test]
    fn a_path_and_a_verb() {
        let rule = StaticRule { verb: "get".to_owned(), ..path_rule() };
        check(rule.clone(), "get", path("/metrics"), true);
        check(rule, "create", path("/metrics"), false);
    }

    #[test]
    fn a_user() {
        let rule = |user: &str| StaticRule { user: user.to_owned(), ..path_rule() };
        check(rule("alice"), "get", path("/metrics"), true);
        check(rule("bob"), "get", path("/metrics"), false);
    }

    /// The reference reads `groups` and never looks at them, so that a rule for a group is a rule for everybody.
    #[test]
    fn group_only_static_rule() {
        let rule = |groups: &[&str]| StaticRule {
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            ..path_rule()
        };
        check(rule(&["ops"]), "get", path("/metrics"), false);
        check(rule(&["ops", "dev"]), "get", path("/metrics"), true);
        let rule = StaticRule { user: "bob".to_owned(), ..rule(&["dev"]) };
        check(rule, "get", path("/metrics"), false);
    }

    #[test]
    fn a_resource_is_no_path() {
        let resource = Resource { namespace: "default".to_owned(), ..Resource::default() };
        let target = |namespace: &str| StaticTarget::Resource {
            namespace: namespace.to_owned(),
            group: String::new(),
            resource: String::new(),
            subresource: String::new(),
            name: String::new(),
        };
        let rule = |namespace| StaticRule { target: target(namespace), ..path_rule() };
        check(rule("default"), "get", Target::Resource(resource.clone()), true);
        check(rule(""), "get", Target::Resource(resource.clone()), true);
        check(rule("other"), "get", Target::Resource(resource.clone()), false);
        check(rule(""), "get", path("/metrics"), false);
        check(path_rule(), "get", Target::Resource(resource), false);
    }
}
