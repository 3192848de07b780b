//! Settings as YAML: keys sorted, four spaces for each level, list items below their key.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::tree::{Node, Yml};

impl Yml {
    /// The file's text, with a newline at its end. `{}` if there are no settings.
    pub fn text(&self) -> String {
        let mut options = serde_saphyr::SerializerOptions::default();
        options.indent_step = 4;
        options.compact_list_indent = false;
        // Only texts with line breaks become blocks; long ones stay in their line.
        options.folded_wrap_chars = usize::MAX;
        let mut text = serde_saphyr::to_string_with_options(&Object(&self.settings), options)
            .expect("a tree of strings, numbers and lists is always serialisable");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    /// What a hash over these settings is made of. Masters that may form a new cluster are not in it: their removal restarts nothing.
    pub fn hash_input(&self) -> String {
        self.text()
    }
}

struct Object<'a>(&'a std::collections::BTreeMap<String, Node>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i128(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(map) => Object(map).serialize(serializer),
        }
    }
}
