//! One Kubernetes object, as it stands in a file.

use std::sync::Arc;

use crate::{Node, Span};

/// An object with its place. `kind` and `api_version` are never empty.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file as it was named; `-` for standard input, `cluster` for a live one.
    pub file: Arc<str>,
    /// Which document of the file this is, from 0; empty ones are not counted.
    pub index: usize,
    /// Which item of the document's `List` this is.
    pub item: Option<usize>,
    /// Where the object starts.
    pub origin: Span,
    /// `apiVersion`.
    pub api_version: Arc<str>,
    /// `kind`.
    pub kind: Arc<str>,
    /// `metadata.name`; empty if it has none.
    pub name: Arc<str>,
    /// `metadata.namespace`.
    pub namespace: Option<Arc<str>>,
    /// The whole object.
    pub root: Node,
}

impl Document {
    /// The group of `apiVersion`: empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The node at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        self.root.at(pointer)
    }

    /// Where a JSON pointer stands; see [`Node::place`].
    pub fn place(&self, pointer: &str) -> Span {
        self.root.place(pointer)
    }
}
