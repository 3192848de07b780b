//! Names of generated objects.

use crate::Kind;

/// The longest name of a custom resource, in bytes: with the longest suffix it still fits into a label.
pub const MAX_OWNER: usize = 36;
/// The longest that may be added to an owner's name, in bytes.
pub const MAX_SUFFIX: usize = 27;

/// `<owner>-<kind suffix>-<part>-<part>…`.
pub fn generated(kind: Kind, owner: &str, parts: &[&str]) -> String {
    let mut name = format!("{owner}-{}", kind.suffix());
    for part in parts {
        name.push('-');
        name.push_str(part);
    }
    name
}

/// The StatefulSet of a group of nodes: `<owner>-es-<node set>`; its pods add `-<ordinal>`.
pub fn stateful_set(owner: &str, node_set: &str) -> String {
    generated(Kind::Elasticsearch, owner, &[node_set])
}

/// The Service that clients use: `<owner>-<es|kb|apm>-http`.
pub fn http_service(kind: Kind, owner: &str) -> String {
    generated(kind, owner, &["http"])
}
