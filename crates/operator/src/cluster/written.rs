//! Applications as the API server sends them, of which only the metadata is read at first: a list or a watch goes on, whatever
//! somebody wrote into one of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::TypeMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// One application. Its parts can be nested deeper than the API server's other clients read (128 levels), by which a reader of
/// the whole list would fail.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(deserialize_with = "without_managers")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

impl Written {
    /// Its type, its metadata, and the rest; the status is left out if it can't be read, and the specification's place taken by
    /// why it can't be.
    pub(super) fn into_parts(self) -> (Option<TypeMeta>, ObjectMeta, Value, Option<String>) {
        let Self { api_version, kind, metadata, spec, status } = self;
        let types = (!kind.is_empty()).then_some(TypeMeta { api_version, kind });
        let (mut rest, mut unreadable) = (Map::new(), None);
        match spec.map(|spec| serde_json::from_str(spec.get())) {
            Some(Ok(spec)) => drop(rest.insert("spec".to_owned(), spec)),
            Some(Err(error)) => unreadable = Some(format!("spec: {error}")),
            None => {}
        }
        if let Some(Ok(status)) = status.map(|status| serde_json::from_str(status.get())) {
            rest.insert("status".to_owned(), status);
        }
        (types, metadata, Value::Object(rest), unreadable)
    }
}

/// The names of all fields are in `managedFields`, one in the other: they are as deep as the specification, and nobody reads them.
fn without_managers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let mut all = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
    all.remove("managedFields");
    let text = serde_json::to_string(&all).map_err(D::Error::custom)?;
    serde_json::from_str(&text).map_err(D::Error::custom)
}

impl Resource for Written {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        kind.kind.as_str().into()
    }

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        kind.group.as_str().into()
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        kind.version.as_str().into()
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        kind.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};
    use parapet_api::Elasticsearch;
    use serde_json::json;

    use super::*;
    use crate::cluster::Custom;

    fn nested(levels: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
    }

    fn object(name: &str, levels: usize) -> String {
        let deep = nested(levels);
        format!(
            r#"{{"apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
                "metadata": {{"name": "{name}", "namespace": "ns", "managedFields": [{{"fieldsV1": {deep}}}]}},
                "spec": {{"version": "8.15.3", "nodeSets": [{{"name": "default", "config": {deep}}}]}},
                "status": {{"health": "green"}}}}"#
        )
    }

    #[test]
    fn one_that_is_nested_too_deep_hides_no_other() {
        let list = format!(
            r#"{{"apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "ElasticsearchList", "metadata": {{}},
                "items": [{}, {}]}}"#,
            object("deep", 1000),
            object("plain", 3),
        );
        let list: ObjectList<Written> = serde_json::from_str(&list).unwrap();
        let read: Vec<Custom<Elasticsearch>> = list.into_iter().map(Custom::of).collect();
        let [deep, plain] = read.as_slice() else { panic!("two were listed") };
        assert!(plain.valid().is_some());
        let Custom::Unreadable(deep) = deep else { panic!("it can't be read") };
        assert_eq!(deep.metadata.name.as_deref(), Some("deep"));
        assert!(deep.error.starts_with("spec: recursion limit exceeded"), "{}", deep.error);
        assert_eq!(deep.status, json!({ "health": "green" }));
    }

    #[test]
    fn a_watch_brings_it_too() {
        let event = format!(r#"{{"type": "ADDED", "object": {}}}"#, object("deep", 1000));
        let event: WatchEvent<Written> = serde_json::from_str(&event).unwrap();
        let WatchEvent::Added(written) = event else { panic!("it was added") };
        assert!(Custom::<Elasticsearch>::of(written).valid().is_none());
    }
}
