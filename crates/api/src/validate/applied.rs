//! Fields that nobody knows. The API server drops them before anybody sees them, so they are looked for in what
//! `kubectl apply` was given, which it keeps in an annotation.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{FieldError, annotation_path};
use crate::{Application, Kind, annotations, crds};

/// The fields of each kind, made once of the same types as the definitions.
#[derive(Clone, Debug)]
pub struct Schemas {
    kinds: Arc<[Known; 3]>,
}

/// How many unknown fields are named: more than a person mends in one go.
const MOST: usize = 10;

#[derive(Clone, Debug)]
enum Known {
    /// A value, or an object with a form of its own.
    Anything,
    Fields(BTreeMap<Box<str>, Known>),
    /// The same for each element of a list, or each value of a map.
    Each(Box<Known>),
}

impl Default for Schemas {
    fn default() -> Self {
        Self { kinds: Arc::new(Kind::ALL.map(strict)) }
    }
}

impl Schemas {
    /// The fields in what `kubectl apply` was given that are none.
    pub(super) fn unknown_fields<K: Application>(&self, object: &K) -> Vec<FieldError> {
        let Some(applied) = object.annotation(annotations::LAST_APPLIED) else { return Vec::new() };
        let path = annotation_path(annotations::LAST_APPLIED);
        let Ok(applied) = serde_json::from_str::<Value>(applied) else {
            return vec![FieldError::forbidden(path, "is not JSON; only kubectl may write it")];
        };
        let mut found = Vec::new();
        compare(&applied, &self.kinds[K::KIND as usize], String::new(), &mut found);
        let words = |field: String| {
            let name = field.rsplit(['.', ']']).next().unwrap_or_default().to_owned();
            FieldError::invalid(field, name, format!("{} has no such field", K::KIND.name()))
        };
        found.into_iter().take(MOST).map(words).collect()
    }
}

fn compare(value: &Value, known: &Known, path: String, found: &mut Vec<String>) {
    if found.len() >= MOST {
        return;
    }
    match (value, known) {
        (Value::Object(fields), Known::Fields(names)) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match names.get(&**name) {
                    Some(known) => compare(value, known, path, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Object(fields), Known::Each(known)) => {
            for (name, value) in fields {
                compare(value, known, format!("{path}[{name}]"), found);
            }
        }
        (Value::Array(elements), Known::Each(known)) => {
            for (index, value) in elements.iter().enumerate() {
                compare(value, known, format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// The fields of a kind, and those of pods and claims in it, which the definition leaves open.
fn strict(kind: Kind) -> Known {
    let mut known = Known::of(&crds::schema(kind));
    let metadata = Known::of_type::<ObjectMeta>();
    known.put(&["metadata"], &metadata);
    let pods = Known::of_type::<PodTemplateSpec>();
    match kind {
        Kind::Elasticsearch => {
            known.put(&["spec", "nodeSets", "*", "podTemplate"], &pods);
            known.put(
                &["spec", "nodeSets", "*", "volumeClaimTemplates", "*"],
                &Known::of_type::<PersistentVolumeClaim>(),
            );
            known.put(&["spec", "transport", "service", "metadata"], &metadata);
            known.put(&["spec", "remoteClusterServer", "service", "metadata"], &metadata);
            known.put(&["spec", "podDisruptionBudget", "metadata"], &metadata);
        }
        Kind::Kibana | Kind::ApmServer => known.put(&["spec", "podTemplate"], &pods),
    }
    known.put(&["spec", "http", "service", "metadata"], &metadata);
    known
}

impl Known {
    fn of_type<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
        Self::of(settings.into_generator().into_root_schema_for::<T>().as_value())
    }

    fn of(schema: &Value) -> Self {
        if schema["x-kubernetes-preserve-unknown-fields"] == true {
            return Self::Anything;
        }
        if let Some(fields) = schema["properties"].as_object().filter(|fields| !fields.is_empty()) {
            return Self::Fields(
                fields.iter().map(|(name, schema)| (name.as_str().into(), Self::of(schema))).collect(),
            );
        }
        for key in ["items", "additionalProperties"] {
            if schema[key].is_object() {
                return Self::Each(Box::new(Self::of(&schema[key])));
            }
        }
        Self::Anything
    }

    /// Takes the place of what is at a path; `*` is each element.
    fn put(&mut self, path: &[&str], with: &Self) {
        match (path, self) {
            ([], place) => *place = with.clone(),
            (["*", rest @ ..], Self::Each(each)) => each.put(rest, with),
            ([field, rest @ ..], Self::Fields(fields)) => {
                fields.get_mut(*field).expect("the path is one of the schema's").put(rest, with);
            }
            _ => unreachable!("the path is one of the schema's"),
        }
    }
}
