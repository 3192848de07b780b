//! Who is calling, written for the upstream.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::names::folded;
use crate::Identity;

/// Which headers tell the upstream who is calling.
#[derive(Debug, Clone)]
pub struct IdentityHeaders {
    user: HeaderName,
    groups: HeaderName,
    separator: Option<String>,
    /// As [`folded`] spells them.
    claimed: [String; 2],
}

impl IdentityHeaders {
    /// The user's name in `user`. Groups in `groups`: one line each, or one line with `separator` between them. A group
    /// that contains the separator is left out, since the upstream would read two.
    pub fn new(user: HeaderName, groups: HeaderName, separator: Option<String>) -> Self {
        let claimed = [folded(user.as_str()), folded(groups.as_str())];
        Self { user, groups, separator: separator.filter(|separator| !separator.is_empty()), claimed }
    }

    /// Whether a client's header could be taken for one of these.
    pub(super) fn claims(&self, name: &HeaderName) -> bool {
        *name == self.user || *name == self.groups || {
            let folded = folded(name.as_str());
            self.claimed.contains(&folded)
        }
    }

    pub(super) fn write(&self, headers: &mut HeaderMap, identity: &Identity) {
        if let Some(user) = plain(&identity.user) {
            headers.insert(self.user.clone(), user);
        }
        let groups = identity.groups.iter().filter(|group| plain(group).is_some());
        match &self.separator {
            None => {
                for value in groups.filter_map(|group| plain(group)) {
                    headers.append(self.groups.clone(), value);
                }
            }
            Some(separator) => {
                let whole: Vec<&str> =
                    groups.filter(|group| !group.contains(separator.as_str())).map(String::as_str).collect();
                if let Some(value) = plain(&whole.join(separator)) {
                    headers.insert(self.groups.clone(), value);
                }
            }
        }
    }
}

/// Whether a header can carry this unchanged.
pub(super) fn is_plain(text: &str) -> bool {
    plain(text).is_some()
}

/// Visible ASCII and inner spaces: what every parser reads alike and none trims.
fn plain(text: &str) -> Option<HeaderValue> {
    let visible = !text.is_empty()
        && text.trim() == text
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    visible.then(|| HeaderValue::from_str(text).ok()).flatten()
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
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            extra: BTreeMap::new(),
            method: AuthnMethod::Token,
            expires: None,
        }
    }

    fn written(separator: Option<&str>, identity: &Identity) -> Vec<String> {
        let names = IdentityHeaders::new(
            HeaderName::from_static("x-remote-user"),
            HeaderName::from_static("x-remote-groups"),
            separator.map(str::to_owned),
        );
        let mut headers = HeaderMap::new();
        names.write(&mut headers, identity);
        headers.get_all("x-remote-groups").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_group_with_the_separator_is_no_second_group() {
        let who = identity("u", &["a|system:masters", "b", "c"]);
        assert_eq!(written(Some("|"), &who), ["b|c"]);
        assert_eq!(written(None, &who), ["a|system:masters", "b", "c"]);
    }

    #[test]
    fn what_a_header_cannot_carry_is_not_written() {
        assert!(!is_plain("a\r\nx: y"));
        assert!(!is_plain("é"));
        assert!(!is_plain("u "));
        assert_eq!(written(None, &identity("u", &["a\nb", "ok", ""])), ["ok"]);
    }
}
