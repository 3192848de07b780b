//! What an identity must be to be taken, whoever vouches for it.

use std::sync::Arc;

use aws_lc_rs::digest;

use crate::{Identity, RefuseReason};

/// The group of everybody who is known, as the API server's own authenticators add it.
const AUTHENTICATED: &str = "system:authenticated";
/// Names that Kubernetes keeps for itself.
const RESERVED: &str = "system:";

/// An identity, and its name among remembered answers: both are made once, and shared by all requests of the caller.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) identity: Arc<Identity>,
    /// Of everything that the API server is told about the caller; two identities never have one name.
    pub(crate) name: [u8; 32],
    /// How long all of that is.
    pub(crate) bytes: usize,
}

impl Known {
    pub(crate) fn new(identity: Identity) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut bytes = 0;
        let mut add = |value: &[u8]| {
            bytes += value.len();
            context.update(&(value.len() as u64).to_le_bytes());
            context.update(value);
        };
        add(identity.user.as_bytes());
        add(identity.uid.as_bytes());
        // Counts stand before lists, so that no value can move from one list into the next.
        add(&identity.groups.len().to_le_bytes());
        identity.groups.iter().for_each(|group| add(group.as_bytes()));
        add(&identity.extra.len().to_le_bytes());
        for (key, values) in &identity.extra {
            add(key.as_bytes());
            add(&values.len().to_le_bytes());
            values.iter().for_each(|value| add(value.as_bytes()));
        }
        let mut name = [0; 32];
        name.copy_from_slice(context.finish().as_ref());
        Self { identity: Arc::new(identity), name, bytes }
    }
}

/// Refuses a name that could be taken for something else on its way through headers and logs, drops such groups, and
/// adds the group of everybody who is known.
pub(super) fn complete(mut identity: Identity) -> Result<Identity, RefuseReason> {
    if identity.user.is_empty() || has_control(&identity.user) {
        return Err(RefuseReason::BadCredentials);
    }
    identity.groups.retain(|group| !group.is_empty() && !has_control(group));
    if !identity.groups.iter().any(|group| group == AUTHENTICATED) {
        identity.groups.push(AUTHENTICATED.to_owned());
    }
    Ok(identity)
}

/// Whether the identity claims to be part of Kubernetes.
pub(super) fn is_reserved(identity: &Identity) -> bool {
    identity.user.starts_with(RESERVED) || identity.groups.iter().any(|group| group.starts_with(RESERVED))
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::AuthnMethod;

    fn identity(user: &str, groups: &[&str]) -> Identity {
        Identity {
            user: user.to_owned(),
            uid: String::new(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            extra: BTreeMap::new(),
            method: AuthnMethod::Oidc,
            expires: None,
        }
    }

    #[test]
    fn a_name_with_control_characters_is_nobody() {
        for user in ["", "a\r\nX-Remote-Groups: system:masters", "a\0", "a\u{85}b", "\u{1b}[2J"] {
            assert!(complete(identity(user, &[])).is_err(), "{user:?}");
        }
        assert!(complete(identity("jörg@example.org", &[])).is_ok());
    }

    #[test]
    fn a_value_that_moves_between_lists_is_another_name() {
        let name = |identity| Known::new(identity).name;
        let plain = identity("a", &["b", "c"]);
        let with = |key: &str, values: &[&str]| {
            let values = values.iter().map(|&value| value.to_owned()).collect();
            Identity { extra: BTreeMap::from([(key.to_owned(), values)]), ..identity("a", &["b"]) }
        };
        let all = [
            plain.clone(),
            identity("a", &["bc"]),
            identity("ab", &["c"]),
            identity("a", &["b", "c", ""]),
            with("c", &[]),
            with("c", &[""]),
            with("", &["c"]),
            Identity { uid: "b".to_owned(), ..identity("a", &["c"]) },
        ];
        let names: std::collections::HashSet<_> = all.iter().cloned().map(name).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(name(plain.clone()), name(plain));
    }

    #[test]
    fn everybody_known_is_in_one_group_once() {
        let groups = |given: &[&str]| complete(identity("a", given)).unwrap().groups;
        assert_eq!(groups(&["x", "a\nb", ""]), ["x", "system:authenticated"]);
        assert_eq!(groups(&["system:authenticated", "x"]), ["system:authenticated", "x"]);
    }
}
