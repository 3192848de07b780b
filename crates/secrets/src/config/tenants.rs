//! What a provider holds for resources in namespaces.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::SecretPath;

const PLACEHOLDER: &str = "{namespace}";

/// Which namespaces' resources may use a provider, and below which path each finds its own.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenants {
    /// Names of namespaces, or `*` for all.
    namespaces: Vec<String>,
    /// What each path must start with. `{namespace}` stands for the namespace and must be in it, as a part of its own;
    /// ends with `/`.
    path_prefix: Prefix,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct Prefix(String);

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sound = text.strip_suffix('/').is_some_and(|path| {
            path.split('/').any(|part| part == PLACEHOLDER)
                && path.replace(PLACEHOLDER, "x").parse::<SecretPath>().is_ok()
                && path.split('/').all(|part| part == PLACEHOLDER || !part.contains(['{', '}']))
        });
        if sound {
            Ok(Self(text))
        } else {
            Err(format!("expected a path such as tenants/{PLACEHOLDER}/, got {text:?}"))
        }
    }
}

impl Tenants {
    pub(crate) fn serves(&self, namespace: &str) -> bool {
        is_label(namespace) && self.namespaces.iter().any(|name| name == "*" || name == namespace)
    }

    pub(crate) fn prefix(&self, namespace: &str) -> String {
        self.path_prefix.0.replace(PLACEHOLDER, namespace)
    }
}

/// A name that a namespace can have (RFC 1123 label), so that it stays one part of a path.
fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
