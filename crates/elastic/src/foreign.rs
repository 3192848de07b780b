//! Parts of an object that another operator put there and nobody here looks after: they stay, and the object says which they are.
//!
//! What this operator would write is told from what it found at the takeover only once, so the names of the found parts are
//! noted on the object. Later passes keep exactly those: what a user takes out of the specification goes, and so does a part
//! that a user takes off the list.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// On a Secret: the names of its parts that another operator put there, as a JSON list. A part that is taken off the list goes
/// with the next pass.
pub const ADOPTED_PARTS: &str = "operator.parapet.dev/adopted-parts";

/// The parts that `live` says are another operator's; nothing if it doesn't say anything.
pub fn adopted_parts(live: Option<&ObjectMeta>) -> Option<BTreeSet<String>> {
    let noted = live?.annotations.as_ref()?.get(ADOPTED_PARTS)?;
    // A list that nobody can read counts as none: what is there is looked through once more.
    serde_json::from_str(noted).ok()
}

/// Notes them on `desired`. Where there are none and there never were, nothing is noted.
pub fn note_adopted_parts(desired: &mut ObjectMeta, live: Option<&ObjectMeta>, parts: &BTreeSet<String>) {
    let is_noted =
        live.and_then(|live| live.annotations.as_ref()).is_some_and(|all| all.contains_key(ADOPTED_PARTS));
    if parts.is_empty() && !is_noted {
        return;
    }
    let list = serde_json::Value::from(parts.iter().map(String::as_str).collect::<Vec<_>>());
    desired.annotations.get_or_insert_default().insert(ADOPTED_PARTS.to_owned(), list.to_string());
}
