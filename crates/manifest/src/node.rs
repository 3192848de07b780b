//! A YAML value whose every part knows its place.

use std::sync::Arc;

use crate::Span;

/// A part of a file in bytes, from the file's beginning, its byte-order mark included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it starts. An empty value has the place right after its key's colon.
    pub span: Span,
    /// Its text.
    pub bytes: ByteRange,
}

/// What a node can be. Cloning is cheap: an alias shares what its anchor holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// A list.
    List(Arc<[Node]>),
    /// A mapping, in the file's order; no name occurs twice.
    Map(Arc<[Entry]>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: Arc<str>,
    /// Where it starts.
    pub span: Span,
    /// Its text.
    pub bytes: ByteRange,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, for where the key stands.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| &*entry.key.name == key)
    }

    /// The node at a JSON pointer such as `/spec/ingress/0/ports/1/port`; the empty pointer is this node.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        segments(pointer).try_fold(self, |node, segment| node.step(&segment))
    }

    /// Where `pointer` stands: the key of a mapping's field, the item of a list, and for what isn't there the deepest
    /// part of the path that is.
    pub fn place(&self, pointer: &str) -> Span {
        let mut node = self;
        let mut place = self.span;
        for segment in segments(pointer) {
            let (next, span) = match &node.value {
                Value::Map(_) => match node.entry(&segment) {
                    Some(entry) => (&entry.value, entry.key.span),
                    None => return place,
                },
                _ => match node.step(&segment) {
                    Some(item) => (item, item.span),
                    None => return place,
                },
            };
            node = next;
            place = span;
        }
        place
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is a whole one.
    pub fn as_i64(&self) -> Option<i64> {
        match self.value {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Whether this is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The same value without places.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::String(text) => (&**text).into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => serde_json::Value::Object(
                entries.iter().map(|entry| (entry.key.name.to_string(), entry.value.to_json())).collect(),
            ),
        }
    }

    /// A value that stands in no file: every part of it is at the start.
    #[cfg(feature = "cluster")]
    pub(crate) fn of_json(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let at = |value| Node { value, span: Span::START, bytes: ByteRange::default() };
        at(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Value::Int(whole),
                (None, Some(float)) => Value::Float(float),
                (None, None) => Value::Null,
            },
            Json::String(text) => Value::String(text.into()),
            Json::Array(items) => Value::List(items.into_iter().map(Self::of_json).collect()),
            Json::Object(fields) => Value::Map(
                fields
                    .into_iter()
                    .map(|(name, value)| Entry {
                        key: Key { name: name.into(), span: Span::START, bytes: ByteRange::default() },
                        value: Self::of_json(value),
                    })
                    .collect(),
            ),
        })
    }

    /// The same tree as a part of `bytes`, which are all that is known of where its text is.
    pub(crate) fn within(self, bytes: ByteRange) -> Self {
        let value = match self.value {
            Value::List(items) => Value::List(items.iter().cloned().map(|item| item.within(bytes)).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .iter()
                    .cloned()
                    .map(|entry| Entry { key: Key { bytes, ..entry.key }, value: entry.value.within(bytes) })
                    .collect(),
            ),
            scalar => scalar,
        };
        Self { value, bytes, ..self }
    }

    fn step(&self, segment: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(_) => self.get(segment),
            Value::List(items) => items.get(segment.parse::<usize>().ok()?),
            _ => None,
        }
    }
}

/// The JSON pointer made of `segments`, escaped as RFC 6901 says.
pub fn pointer<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> String {
    segments.into_iter().fold(String::new(), |mut pointer, segment| {
        pointer.push('/');
        pointer.push_str(&escape_pointer(segment.as_ref()));
        pointer
    })
}

/// One segment of a JSON pointer, escaped.
pub fn escape_pointer(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}
