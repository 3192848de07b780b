//! The cluster as a whole: who it is, its health, its settings, its votes.

use serde_json::{Map, Value, json};

use super::{Answer, Asked, no_master};
use crate::{CopyState, State};

/// `GET /`
pub(super) fn root(state: &State) -> Answer {
    let name = state.nodes.keys().next().cloned().unwrap_or_default();
    Answer::ok(json!({
        "name": name,
        "cluster_name": state.cluster_name,
        "cluster_uuid": state.cluster_uuid.as_deref().unwrap_or("_na_"),
        "version": {
            "number": state.version(),
            "build_flavor": "default",
            "build_type": "docker",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    }))
}

/// `GET /_cluster/health`
pub(super) fn health(state: &State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    if !state.voting.has_master() {
        return Err(no_master());
    }
    let parameters = asked.parameters();
    let waits = parameters.contains_key("wait_for_events");
    let timed_out = waits && state.pending_tasks > 0;
    let count = |wanted: CopyState| state.shards.copies().iter().filter(|copy| copy.state == wanted).count();
    let unassigned = count(CopyState::Unassigned);
    let all = state.shards.copies().len();
    let active = count(CopyState::Started) + count(CopyState::Relocating);
    let primaries = state
        .shards
        .copies()
        .iter()
        .filter(|copy| copy.primary && matches!(copy.state, CopyState::Started | CopyState::Relocating));
    let body = json!({
        "cluster_name": state.cluster_name,
        "status": state.health(),
        "timed_out": timed_out,
        "number_of_nodes": state.nodes.len(),
        "number_of_data_nodes": state.nodes.values().filter(|member| member.holds_data()).count(),
        "active_primary_shards": primaries.count(),
        "active_shards": active,
        "relocating_shards": count(CopyState::Relocating),
        "initializing_shards": count(CopyState::Initializing),
        "unassigned_shards": unassigned,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": state.pending_tasks,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": if all == 0 { 100.0 } else { 100.0 * active as f64 / all as f64 },
    });
    Ok(Answer { status: if timed_out { 408 } else { 200 }, ..Answer::ok(body) })
}

/// `GET /_cluster/settings`
pub(super) fn settings(state: &State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    Ok(Answer::ok(both(state, flat(asked))))
}

/// `PUT /_cluster/settings`: nested or flat; null removes.
pub(super) fn put_settings(state: &mut State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let body = asked.json()?;
    for (scope, value) in body.as_object().into_iter().flatten() {
        let target = match scope.as_str() {
            "persistent" => &mut state.persistent,
            "transient" => &mut state.transient,
            other => {
                let text = format!("unknown field [{other}]");
                return Err(Answer::error(400, "x_content_parse_exception", &text));
            }
        };
        let mut given = Map::new();
        flatten("", value, &mut given);
        for (key, value) in given {
            set(target, &key, value);
        }
    }
    state.settle();
    let mut answer = both(state, flat(asked));
    answer["acknowledged"] = Value::Bool(true);
    Ok(Answer::ok(answer))
}

/// `POST /_cluster/voting_config_exclusions?node_names=a,b`
pub(super) fn exclude(state: &mut State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let parameters = asked.parameters();
    let names = parameters.get("node_names").filter(|names| !names.is_empty()).ok_or_else(|| {
        Answer::error(400, "illegal_argument_exception", "You must set [node_names] or [node_ids]")
    })?;
    let masters = state.masters();
    state.voting.exclude(names.split(',').map(str::to_owned), &masters);
    Ok(Answer::ok(json!({})))
}

/// `DELETE /_cluster/voting_config_exclusions`
pub(super) fn end_exclusions(state: &mut State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let waits = asked.parameters().get("wait_for_removal").is_none_or(|value| value != "false");
    let still_here = state.voting.exclusions().iter().any(|name| state.nodes.contains_key(name));
    if waits && still_here {
        return Err(Answer::error(408, "timeout_exception", "timed out waiting for removal of nodes"));
    }
    let masters = state.masters();
    state.voting.include_all(&masters);
    Ok(Answer::ok(json!({})))
}

/// `POST /_flush`
pub(super) fn flush(state: &State) -> Answer {
    let copies = state.shards.copies().len();
    Answer::ok(json!({ "_shards": { "total": copies, "successful": copies, "failed": 0 } }))
}

/// `POST /_flush/synced`, which version 8 has no longer.
pub(super) fn flush_synced(state: &State) -> Answer {
    if state.version().starts_with('7') {
        flush(state)
    } else {
        Answer::error(400, "illegal_argument_exception", "no handler found for uri [/_flush/synced]")
    }
}

fn flat(asked: &Asked<'_>) -> bool {
    asked.parameters().get("flat_settings").is_some_and(|value| value != "false")
}

fn both(state: &State, flat: bool) -> Value {
    let shape = |settings: &Map<String, Value>| match flat {
        true => Value::Object(settings.clone()),
        false => nested(settings),
    };
    json!({ "persistent": shape(&state.persistent), "transient": shape(&state.transient) })
}

fn set(target: &mut Map<String, Value>, key: &str, value: Value) {
    match value {
        Value::Null => {
            // `cluster.remote.one: null` and `cluster.remote.one.*: null` remove what is below.
            let below = format!("{}.", key.trim_end_matches(".*"));
            target.retain(|own, _| own != key && !own.starts_with(&below));
        }
        Value::Array(_) => {
            target.insert(key.to_owned(), value);
        }
        // Elasticsearch keeps settings as text.
        Value::String(text) => {
            target.insert(key.to_owned(), Value::String(text));
        }
        other => {
            target.insert(key.to_owned(), Value::String(other.to_string()));
        }
    }
}

fn flatten(prefix: &str, value: &Value, into: &mut Map<String, Value>) {
    let Value::Object(fields) = value else {
        into.insert(prefix.to_owned(), value.clone());
        return;
    };
    for (key, value) in fields {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        flatten(&path, value, into);
    }
}

fn nested(settings: &Map<String, Value>) -> Value {
    let mut root = Value::Object(Map::new());
    for (key, value) in settings {
        let mut at = &mut root;
        for part in key.split('.') {
            at = &mut at[part];
        }
        *at = value.clone();
    }
    root
}
