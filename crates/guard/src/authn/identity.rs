//! What an identity must be to be taken, whoever vouches for it.

use crate::{Identity, RefuseReason};

/// The group of everybody who is known, as the API server's own authenticators add it.
const AUTHENTICATED: &str = "system:authenticated";
/// Names that Kubernetes keeps for itself.
const RESERVED: &str = "system:";

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
    fn everybody_known_is_in_one_group_once() {
        let groups = |given: &[&str]| complete(identity("a", given)).unwrap().groups;
        assert_eq!(groups(&["x", "a\nb", ""]), ["x", "system:authenticated"]);
        assert_eq!(groups(&["system:authenticated", "x"]), ["system:authenticated", "x"]);
    }
}
