//! Kubernetes documents with the file, document, line and column of every field.
//! It doesn't know what is good or bad in them.
//!
//! Documents come from files, folders, standard input or text; `List`s are expanded, anchors and merge keys resolved.
//! What can't be read is a [`Problem`] at a position, and one bad document never hides the others: a file is cut at its
//! `---` lines before anything is parsed. Everything is bounded by [`Limits`].
//!
//! With the feature `cluster` they come from a live cluster, too; see [`cluster`].

#[cfg(feature = "cluster")]
pub mod cluster;
mod document;
mod load;
mod node;
mod parse;
mod position;
mod problem;
mod scalar;
mod source;
mod split;

pub use document::Document;
pub use load::{Loaded, embedded, load, load_text, load_value};
pub use node::{ByteRange, Entry, Key, Node, Value, escape_pointer, pointer};
pub use position::Span;
pub use problem::{Problem, Severity};
pub use source::{Limits, Source};
