//! Names: what is generated from them must be names and labels too.

use std::collections::BTreeSet;

use crate::names::{MAX_NODE_SET, MAX_OWNER, MAX_STATEFUL_SET};
use crate::{Application as _, Elasticsearch, FieldError, names};

/// The name of an object that others are named after.
pub(super) fn owner(name: &str) -> Option<FieldError> {
    (name.len() > MAX_OWNER)
        .then(|| FieldError::invalid("metadata.name", name, format!("is longer than {MAX_OWNER} characters")))
}

/// The names of the groups of nodes.
pub(super) fn node_sets(es: &Elasticsearch) -> Vec<FieldError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, node_set) in es.spec.node_sets.iter().enumerate() {
        let name = &*node_set.name;
        let path = format!("spec.nodeSets[{index}].name");
        if !seen.insert(name) {
            found.push(FieldError::duplicate(path, name, "each group of nodes needs a name of its own"));
            continue;
        }
        let stateful_set = names::stateful_set(es.object_name(), name);
        if !is_label(name) {
            let reason = "must be lower-case letters, digits and dashes, with no dash at either end";
            found.push(FieldError::invalid(path, name, reason));
        } else if name.len() > MAX_NODE_SET {
            found.push(FieldError::invalid(path, name, format!("is longer than {MAX_NODE_SET} characters")));
        } else if stateful_set.len() > MAX_STATEFUL_SET {
            let reason = format!(
                "the StatefulSet {stateful_set} would have {} characters, {MAX_STATEFUL_SET} are the most; shorten this \
                 name or the cluster's",
                stateful_set.len()
            );
            found.push(FieldError::invalid(path, name, reason));
        }
    }
    found
}

/// Whether it is a DNS label, as the end of one too.
fn is_label(name: &str) -> bool {
    let inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !name.is_empty() && name.bytes().all(inside) && !name.starts_with('-') && !name.ends_with('-')
}
