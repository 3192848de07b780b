//! What all signals share: values, attributes, resources, scopes, times.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;

use super::{Defect, MAX_ATTRIBUTES};
use crate::{Attributes, Grouped, Resource, Scope, UnixNanos, Value};

/// `None` if the sender gave no time.
pub(super) fn time(nanos: u64) -> Result<Option<UnixNanos>, Defect> {
    if i64::try_from(nanos).is_err() { Err(Defect::Time) } else { Ok(UnixNanos::from_otlp(nanos)) }
}

/// Times before 1970 become "not set".
pub(super) fn proto_time(time: UnixNanos) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}

/// A missing value is [`Value::Null`]. References into a profile's string table mean nothing here and are null too.
pub(super) fn value(value: Option<AnyValue>) -> Result<Value, Defect> {
    use any_value::Value as Proto;
    Ok(match value.and_then(|any| any.value) {
        None | Some(Proto::StringValueStrindex(_)) => Value::Null,
        Some(Proto::StringValue(text)) => Value::Str(text),
        Some(Proto::BoolValue(b)) => Value::Bool(b),
        Some(Proto::IntValue(i)) => Value::Int(i),
        Some(Proto::DoubleValue(d)) => Value::Double(d),
        Some(Proto::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(Proto::ArrayValue(list)) => Value::Array(
            list.values.into_iter().map(|item| self::value(Some(item))).collect::<Result<_, _>>()?,
        ),
        Some(Proto::KvlistValue(list)) => Value::Map(attributes(list.values)?),
    })
}

pub(super) fn proto_value(value: &Value) -> Option<AnyValue> {
    use any_value::Value as Proto;
    let value = match value {
        Value::Null => return Some(AnyValue { value: None }),
        Value::Str(text) => Proto::StringValue(text.clone()),
        Value::Bool(b) => Proto::BoolValue(*b),
        Value::Int(i) => Proto::IntValue(*i),
        Value::Double(d) => Proto::DoubleValue(*d),
        Value::Bytes(bytes) => Proto::BytesValue(bytes.clone()),
        Value::Array(items) => {
            Proto::ArrayValue(ArrayValue { values: items.iter().filter_map(proto_value).collect() })
        }
        Value::Map(map) => Proto::KvlistValue(KeyValueList { values: proto_attributes(map) }),
    };
    Some(AnyValue { value: Some(value) })
}

pub(super) fn attributes(list: Vec<KeyValue>) -> Result<Attributes, Defect> {
    if list.len() > MAX_ATTRIBUTES {
        return Err(Defect::Attributes);
    }
    list.into_iter().map(|pair| Ok((pair.key, value(pair.value)?))).collect()
}

pub(super) fn proto_attributes(attributes: &Attributes) -> Vec<KeyValue> {
    attributes
        .iter()
        .map(|(key, value)| KeyValue {
            key: key.to_owned(),
            value: proto_value(value),
            ..KeyValue::default()
        })
        .collect()
}

pub(super) fn resource(resource: Option<ProtoResource>) -> Result<Arc<Resource>, Defect> {
    let attributes = attributes(resource.unwrap_or_default().attributes)?;
    Ok(Arc::new(Resource { attributes }))
}

pub(super) fn proto_resource(resource: &Resource) -> Option<ProtoResource> {
    Some(ProtoResource { attributes: proto_attributes(&resource.attributes), ..ProtoResource::default() })
}

pub(super) fn scope(scope: Option<InstrumentationScope>) -> Result<Arc<Scope>, Defect> {
    let InstrumentationScope { name, version, attributes, dropped_attributes_count: _ } =
        scope.unwrap_or_default();
    Ok(Arc::new(Scope { name, version, attributes: self::attributes(attributes)? }))
}

pub(super) fn proto_scope(scope: &Scope) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: scope.name.clone(),
        version: scope.version.clone(),
        attributes: proto_attributes(&scope.attributes),
        dropped_attributes_count: 0,
    })
}

/// Runs of neighbouring groups with one resource: each becomes one `Resource…` message. Groups without records vanish.
pub(super) fn runs<T>(groups: &[Grouped<T>]) -> Vec<(&Resource, Vec<&Grouped<T>>)> {
    let mut runs: Vec<(&Arc<Resource>, Vec<&Grouped<T>>)> = Vec::new();
    for group in groups.iter().filter(|group| !group.records.is_empty()) {
        match runs.last_mut() {
            Some((resource, run))
                if Arc::ptr_eq(resource, &group.resource) || **resource == group.resource =>
            {
                run.push(group);
            }
            _ => runs.push((&group.resource, vec![group])),
        }
    }
    runs.into_iter().map(|(resource, run)| (resource.as_ref(), run)).collect()
}
