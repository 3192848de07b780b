//! What a method is called in Kubernetes' rules.

use std::borrow::Cow;

use http::Method;

/// Which words are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerbMapping {
    /// kube-rbac-proxy's: `get`, `create`, `update`, `patch`, `delete`, and `*` for all others, which only rules for
    /// every verb allow.
    #[default]
    Krp,
    /// The API server's own for paths: the method in lower case.
    Http,
}

impl VerbMapping {
    /// The verb of `method`.
    pub fn verb(self, method: &Method) -> Cow<'static, str> {
        match (self, method.as_str()) {
            (_, "GET") => "get".into(),
            (_, "PATCH") => "patch".into(),
            (_, "DELETE") => "delete".into(),
            (Self::Krp, "POST") => "create".into(),
            (Self::Krp, "PUT") => "update".into(),
            (Self::Krp, _) => "*".into(),
            (Self::Http, other) => other.to_ascii_lowercase().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both() {
        let of = |mapping: VerbMapping, method: &str| mapping.verb(&method.parse().unwrap()).into_owned();
        for (method, krp, http) in [
            ("GET", "get", "get"),
            ("POST", "create", "post"),
            ("PUT", "update", "put"),
            ("PATCH", "patch", "patch"),
            ("DELETE", "delete", "delete"),
            ("HEAD", "*", "head"),
            ("OPTIONS", "*", "options"),
            ("PURGE", "*", "purge"),
        ] {
            assert_eq!(
                (of(VerbMapping::Krp, method), of(VerbMapping::Http, method)),
                (krp.into(), http.into())
            );
        }
    }
}
