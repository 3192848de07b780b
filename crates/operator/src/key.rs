//! What a pass is about: one object, one application.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{Application, Kind};

/// The place of an object: cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The object `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Where that object is. Objects from an API server have both; the cluster's own have an empty namespace.
    pub fn of(metadata: &ObjectMeta) -> Self {
        let text = |value: &Option<String>| Arc::from(value.as_deref().unwrap_or_default());
        Self { namespace: text(&metadata.namespace), name: text(&metadata.name) }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One application: what is reconciled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationKey {
    /// Which kind.
    pub kind: Kind,
    /// Where.
    pub object: ObjectKey,
}

impl ApplicationKey {
    /// The application of that kind and place.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, object: ObjectKey::new(namespace, name) }
    }

    /// The key of an application.
    pub fn of<K: Application>(application: &K) -> Self {
        Self { kind: K::KIND, object: ObjectKey::of(application.meta()) }
    }
}

impl fmt::Display for ApplicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.object)
    }
}
