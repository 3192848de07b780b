//! Settings as a tree: keys with dots and nested objects are the same thing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value};

use super::ConfigError;

/// How deep settings nest at most; Elasticsearch's own go to about ten.
pub(super) const DEEPEST: usize = 64;

/// One value of a configuration.
#[derive(Clone, PartialEq)]
pub enum Node {
    /// `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number, also one that was written with `.0`: JSON doesn't tell them apart on the way through an API server.
    Integer(i128),
    /// Another number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object; its keys have no dots.
    Object(BTreeMap<String, Node>),
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Node {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl<T: Into<Self>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl Node {
    /// The text of a scalar, as an application reads it.
    pub fn as_text(&self) -> Option<String> {
        Some(match self {
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Null | Self::List(_) | Self::Object(_) => return None,
        })
    }

    /// `value` with its dotted keys taken apart.
    fn expand(value: &Value, path: &mut Vec<String>) -> Result<Self, ConfigError> {
        if path.len() > DEEPEST {
            return Err(ConfigError::TooDeep { most: DEEPEST });
        }
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::from_number(number),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => {
                path.push("[]".to_owned());
                let items = items.iter().map(|item| Self::expand(item, path)).collect::<Result<_, _>>()?;
                path.pop();
                Self::List(items)
            }
            Value::Object(map) => Self::Object(expand_object(map, path)?),
        })
    }

    fn from_number(number: &serde_json::Number) -> Self {
        /// Below it every whole number has a float of its own: 2^53.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if let Some(whole) = number.as_i128() {
            return Self::Integer(whole);
        }
        let float = number.as_f64().unwrap_or(f64::NAN);
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        if float.fract() == 0.0 && float.abs() < EXACT {
            Self::Integer(float as i128)
        } else {
            Self::Float(float)
        }
    }

    /// Lays `over` on top: objects merge, lists are appended to, anything else is replaced.
    fn lay(&mut self, over: Self) {
        match (self, over) {
            (Self::Object(ours), Self::Object(theirs)) => lay_all(ours, theirs),
            (Self::List(ours), Self::List(theirs)) => ours.extend(theirs),
            (ours, theirs) => *ours = theirs,
        }
    }
}

fn lay_all(ours: &mut BTreeMap<String, Node>, theirs: BTreeMap<String, Node>) {
    for (key, value) in theirs {
        match ours.entry(key) {
            Entry::Vacant(free) => drop(free.insert(value)),
            Entry::Occupied(mut taken) => taken.get_mut().lay(value),
        }
    }
}

fn expand_object(
    map: &Map<String, Value>,
    path: &mut Vec<String>,
) -> Result<BTreeMap<String, Node>, ConfigError> {
    let mut expanded = BTreeMap::new();
    for (key, value) in map {
        let parts: Vec<&str> = key.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(ConfigError::EmptyPart { key: key.clone() });
        }
        let above = path.len();
        path.extend(parts.iter().map(|part| (*part).to_owned()));
        let node = Node::expand(value, path)?;
        insert(&mut expanded, &parts, node, &path.join("."))?;
        path.truncate(above);
    }
    Ok(expanded)
}

/// Puts `node` where `parts` says; two values for one place are refused.
fn insert(
    into: &mut BTreeMap<String, Node>,
    parts: &[&str],
    node: Node,
    path: &str,
) -> Result<(), ConfigError> {
    let Some((first, rest)) = parts.split_first() else { return Ok(()) };
    let node =
        rest.iter().rev().fold(node, |inner, key| Node::Object(BTreeMap::from([((*key).to_owned(), inner)])));
    join(into, (*first).to_owned(), node, path)
}

fn join(into: &mut BTreeMap<String, Node>, key: String, node: Node, path: &str) -> Result<(), ConfigError> {
    match into.entry(key) {
        Entry::Vacant(free) => drop(free.insert(node)),
        Entry::Occupied(mut taken) => match (taken.get_mut(), node) {
            (Node::Object(ours), Node::Object(theirs)) => {
                for (key, node) in theirs {
                    join(ours, key, node, path)?;
                }
            }
            (Node::Object(_), _) | (_, Node::Object(_)) => {
                return Err(ConfigError::ValueAndObject { path: path.to_owned() });
            }
            _ => return Err(ConfigError::Twice { path: path.to_owned() }),
        },
    }
    Ok(())
}

/// A configuration: sorted, without dots in keys. What it says of itself when debugged is only its size, because Kibana's
/// and APM Server's hold passwords.
#[derive(Clone, Default, PartialEq)]
pub struct Yml {
    pub(crate) settings: BTreeMap<String, Node>,
}

impl std::fmt::Debug for Yml {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Yml({} settings)", self.settings.len())
    }
}

impl Yml {
    /// A user's settings.
    pub fn from_user(config: Option<&Map<String, Value>>) -> Result<Self, ConfigError> {
        let empty = Map::new();
        Ok(Self { settings: expand_object(config.unwrap_or(&empty), &mut Vec::new())? })
    }

    /// Reads what [`Self::text`] wrote, or any other YAML object.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let map: Option<Map<String, Value>> = serde_saphyr::from_str(text).map_err(ConfigError::NotYaml)?;
        Self::from_user(map.as_ref())
    }

    /// Lays `over` on top: later wins, lists are appended to.
    #[must_use]
    pub fn merged(mut self, over: Self) -> Self {
        lay_all(&mut self.settings, over.settings);
        self
    }

    /// Sets what stands at a dotted path, and takes away what stood there.
    pub fn set(&mut self, path: &str, value: impl Into<Node>) {
        let mut parts = path.split('.').rev();
        let last = parts.next().unwrap_or_default();
        let node = parts.fold(BTreeMap::from([(last.to_owned(), value.into())]), |inner, part| {
            BTreeMap::from([(part.to_owned(), Node::Object(inner))])
        });
        lay_all(&mut self.settings, node);
    }

    /// These settings as part of others.
    pub(crate) fn into_node(self) -> Node {
        Node::Object(self.settings)
    }

    /// What stands at a dotted path.
    pub fn get(&self, path: &str) -> Option<&Node> {
        let mut parts = path.split('.');
        let mut node = self.settings.get(parts.next()?)?;
        for part in parts {
            let Node::Object(inner) = node else { return None };
            node = inner.get(part)?;
        }
        Some(node)
    }

    /// The text of a scalar at a dotted path.
    pub fn text_at(&self, path: &str) -> Option<String> {
        self.get(path)?.as_text()
    }

    /// These settings, with the masters that may form a new cluster. Never for a cluster that has a UUID.
    #[must_use]
    pub fn with_initial_masters(&self, masters: &[String]) -> Self {
        let mut changed = self.clone();
        let masters: Vec<&str> = masters.iter().map(String::as_str).collect();
        changed.set("cluster.initial_master_nodes", masters);
        changed
    }

    /// Whether `text` says the same; one that can't be read doesn't.
    pub fn same_as(&self, text: &str) -> bool {
        Self::parse(text).is_ok_and(|other| other == *self)
    }

    /// `live`, if it says the same in other words; else this as text. What the reference wrote is not rewritten for the sake
    /// of quotes, and a hash over it stays what it is.
    pub fn text_keeping(&self, live: Option<&str>) -> String {
        match live {
            Some(live) if self.same_as(live) => live.to_owned(),
            _ => self.text(),
        }
    }
}

/// Roles: their names may have dots, and a later one takes the place of an earlier one.
impl Yml {
    /// Reads a YAML object and takes its keys as they are.
    pub(crate) fn parse_plain(text: &str) -> Result<Self, ConfigError> {
        let map: Option<Map<String, Value>> = serde_saphyr::from_str(text).map_err(ConfigError::NotYaml)?;
        Ok(Self { settings: Node::plain_object(map.unwrap_or_default()) })
    }

    /// Puts the entries of `over` in the place of those with the same key.
    #[must_use]
    pub(crate) fn replaced_by(mut self, over: Self) -> Self {
        self.settings.extend(over.settings);
        self
    }
}

impl Node {
    fn plain_object(map: Map<String, Value>) -> BTreeMap<String, Self> {
        map.into_iter().map(|(key, value)| (key, Self::plain(value))).collect()
    }

    fn plain(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::from_number(&number),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::plain).collect()),
            Value::Object(map) => Self::Object(Self::plain_object(map)),
        }
    }
}
