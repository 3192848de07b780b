//! Applications that are left alone, can't be read, or ask for what can't be had.

use parapet_api::validate::{FieldError, Warning};
use parapet_api::{Application, annotations};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Context, PassError, conditions, controller};
use crate::cluster::{Managed, Unreadable};
use crate::events::{News, Reason};

/// Whether the operator leaves an object alone. Both spellings of the wish are honoured.
pub(super) fn unmanaged<K: Application>(object: &K) -> bool {
    object.annotation(annotations::MANAGED) == Some("false")
        || object.annotation(annotations::PAUSE) == Some("true")
}

/// Tells of what is wrong, in one sentence as `kubectl` would print it.
pub(super) fn refuse<K: Application>(cx: &Context, object: &K, errors: &[FieldError]) -> String {
    let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let note = format!("{} {} is refused: {text}", K::KIND.name(), object.object_name());
    cx.events.tell(controller(K::KIND), object, News::warning(Reason::Validation, "Validation", note));
    text
}

/// Tells of what is odd, which nothing is held back for; of everything at once, as an event of the same reason would take the
/// place of the one before.
pub(super) fn warn<K: Application>(cx: &Context, object: &K, warnings: &[Warning]) {
    if warnings.is_empty() {
        return cx.events.over(object, Reason::Validation);
    }
    let text = warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    cx.events.tell(controller(K::KIND), object, News::warning(Reason::Validation, "Validation", text));
}

/// An object that can't be read gets a status and an event; nothing that belongs to it is touched.
pub(super) async fn unreadable<K: Managed>(
    cx: &Context,
    object: &Unreadable,
    status: &impl Serialize,
) -> Result<(), PassError> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let note = format!("{} {name} can't be read: {}", K::KIND.name(), object.error);
    let news = News::warning(Reason::Validation, "Validation", note);
    cx.events.tell_of(controller(K::KIND), K::KIND, &object.metadata, news);
    cx.cluster.write_status::<K>(&object.metadata, status).await?;
    Ok(())
}

/// A pass failed for a reason that somebody must look at; conflicts and pauses of the API server pass by themselves.
pub(super) fn failed<K: Application>(cx: &Context, object: &K, error: &PassError) {
    if error.is_lasting() {
        let news = News::warning(Reason::ReconciliationError, "Reconciliation", error.to_string());
        cx.events.tell(controller(K::KIND), object, news);
    }
}

/// The status of a Kibana or an APM Server that can't be read: as it was, with the generation that was looked at and what is wrong.
pub(super) fn observed(cx: &Context, object: &Unreadable) -> Value {
    let mut status = match &object.status {
        Value::Object(status) => status.clone(),
        _ => Map::new(),
    };
    status.insert("observedGeneration".to_owned(), object.metadata.generation.into());
    let before = status.get("conditions").cloned().and_then(|before| serde_json::from_value(before).ok());
    let mut conditions = before.unwrap_or_default();
    conditions::incomplete(&mut conditions, &object.error, cx.now());
    status.insert("conditions".to_owned(), serde_json::json!(conditions));
    Value::Object(status)
}
