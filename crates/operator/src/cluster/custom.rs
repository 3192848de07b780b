//! Applications as they were written: each is parsed by itself, so that one that can't be read stops no other.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use serde_json::Value;

use super::cache::Stored;
use super::resource::Managed;
use super::written::Written;

/// An application, or what is known of one that can't be read.
#[derive(Clone, Debug)]
pub enum Custom<K> {
    /// It could be read.
    Valid(Box<K>),
    /// It could not: a field has a value of another type, or a required one is missing.
    Unreadable(Box<Unreadable>),
}

/// An application that can't be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its status as it is, null if there is none.
    pub status: Value,
    /// Which field, and what is wrong with it.
    pub error: String,
}

impl<K: Managed> Custom<K> {
    /// Reads one object of a list or a watch.
    pub(super) fn of(written: Written) -> Self {
        let (types, metadata, data, unreadable) = written.into_parts();
        match unreadable {
            None => Self::read(DynamicObject { types, metadata, data }),
            Some(error) => {
                let status = data.get("status").cloned().unwrap_or_default();
                Self::Unreadable(Box::new(Unreadable { metadata, status, error }))
            }
        }
    }

    /// Reads one object as the API server gave it.
    pub(crate) fn read(object: DynamicObject) -> Self {
        let DynamicObject { types, mut metadata, data } = object;
        metadata.managed_fields = None;
        match parse::<K>(types, &metadata, &data) {
            Ok(object) => Self::Valid(Box::new(object)),
            Err(error) => {
                let status = data.get("status").cloned().unwrap_or_default();
                Self::Unreadable(Box::new(Unreadable { metadata, status, error }))
            }
        }
    }

    /// Its metadata, whether it could be read or not.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Valid(object) => object.meta(),
            Self::Unreadable(object) => &object.metadata,
        }
    }

    /// Its status as JSON, null if there is none.
    pub fn status(&self) -> Value {
        match self {
            Self::Valid(object) => {
                let mut whole = serde_json::to_value(object).unwrap_or_default();
                whole.get_mut("status").map(Value::take).unwrap_or_default()
            }
            Self::Unreadable(object) => object.status.clone(),
        }
    }

    /// The object, if it could be read.
    pub fn valid(&self) -> Option<&K> {
        match self {
            Self::Valid(object) => Some(object),
            Self::Unreadable(_) => None,
        }
    }
}

fn parse<K: Managed>(
    types: Option<kube::api::TypeMeta>,
    metadata: &ObjectMeta,
    data: &Value,
) -> Result<K, String> {
    let mut whole = data.clone();
    if let (Value::Object(whole), Ok(metadata)) = (&mut whole, serde_json::to_value(metadata)) {
        let types = types.unwrap_or_else(kube::api::TypeMeta::resource::<K>);
        whole.insert("apiVersion".to_owned(), types.api_version.into());
        whole.insert("kind".to_owned(), types.kind.into());
        whole.insert("metadata".to_owned(), metadata);
    }
    // An odd status is the operator's own affair: it is written anew, not held against the user.
    let parsed = serde_path_to_error::deserialize(&whole);
    match parsed {
        Err(error) if error.path().to_string().starts_with("status") => {
            if let Value::Object(whole) = &mut whole {
                whole.remove("status");
            }
            serde_path_to_error::deserialize(&whole)
        }
        parsed => parsed,
    }
    .map_err(|error| match error.path().to_string() {
        path if path == "." => error.into_inner().to_string(),
        path => format!("{path}: {}", error.into_inner()),
    })
}

impl<K: Managed> Stored for Custom<K> {
    type Kept = Arc<Self>;

    fn metadata(&self) -> &ObjectMeta {
        self.metadata()
    }

    fn keep(object: Arc<Self>) -> Arc<Self> {
        object
    }

    fn give(kept: &Arc<Self>) -> Arc<Self> {
        Arc::clone(kept)
    }
}
