//! Applications that are left alone, can't be read, or ask for what can't be had.

use parapet_api::validate::{FieldError, Warning};
use parapet_api::{Application, annotations};

use super::{Context, controller};
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

/// Tells of what is odd, which nothing is held back for.
pub(super) fn warn<K: Application>(cx: &Context, object: &K, warnings: &[Warning]) {
    if warnings.is_empty() {
        cx.events.over(object, Reason::Validation);
    }
    for warning in warnings {
        cx.events.tell(
            controller(K::KIND),
            object,
            News::warning(Reason::Validation, "Validation", warning.to_string()),
        );
    }
}
