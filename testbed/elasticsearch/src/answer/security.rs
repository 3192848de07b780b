//! Licences, service accounts and API keys.

use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::State;

/// `PUT /_license`
pub(super) fn put_licence(state: &mut State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let licence = body.get("licenses").and_then(|all| all.get(0)).or_else(|| body.get("license"));
    let licence = licence.filter(|licence| licence["type"].is_string() && licence["uid"].is_string());
    // Whose signature isn't one: the licence before stays.
    if licence.is_some_and(|licence| licence["signature"] == "forged") {
        return Ok(Answer::ok(json!({ "acknowledged": true, "license_status": "invalid" })));
    }
    state.licence = licence
        .cloned()
        .ok_or_else(|| Answer::error(400, "illegal_argument_exception", "malformed license"))?;
    state.licence["status"] = json!("active");
    Ok(Answer::ok(json!({ "acknowledged": true, "license_status": "valid" })))
}

/// `POST /_license/start_basic` and `start_trial`
pub(super) fn start_licence(state: &mut State, kind: &str, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let (licence, started) = match kind {
        "start_basic" => ("basic", "basic_was_started"),
        _ => ("trial", "trial_was_started"),
    };
    let acknowledged = asked.parameters().get("acknowledge").is_some_and(|value| value != "false");
    let failed = |text: &str| {
        let mut body = json!({ "acknowledged": acknowledged, "error_message": text });
        body[started] = Value::Bool(false);
        Answer { status: 403, ..Answer::ok(body) }
    };
    if state.licence["type"] == licence {
        return Err(failed(&format!("Operation failed: Current license is {licence}.")));
    }
    if !acknowledged {
        return Err(Answer { status: 200, ..failed("Operation failed: Needs acknowledgement.") });
    }
    let uid = format!("a-{licence}-licence-{}", state.next());
    state.licence["type"] = json!(licence);
    state.licence["uid"] = json!(uid);
    let mut body = json!({ "acknowledged": true });
    body[started] = Value::Bool(true);
    Ok(Answer::ok(body))
}

/// `GET /_security/service/elastic/kibana/credential`
pub(super) fn kibana_credentials(state: &State) -> Answer {
    let nodes: Vec<&String> = state.nodes.keys().collect();
    let tokens: serde_json::Map<String, Value> =
        state.kibana_tokens.iter().map(|name| (name.clone(), json!({ "nodes": nodes }))).collect();
    Answer::ok(json!({
        "service_account": "elastic/kibana",
        "count": tokens.len(),
        "tokens": {},
        "nodes_credentials": {
            "_nodes": { "total": nodes.len(), "successful": nodes.len(), "failed": 0 },
            "file_tokens": tokens,
        },
    }))
}

/// `POST /_security/api_key` and `/_security/cross_cluster/api_key`
pub(super) fn create_key(state: &mut State, asked: &Asked<'_>, kind: &str) -> Result<Answer, Answer> {
    let mut body = asked.json()?;
    let Some(name) = body["name"].as_str().map(str::to_owned) else {
        return Err(Answer::error(400, "action_request_validation_exception", "api key name is required"));
    };
    let number = state.next();
    let (id, key) = (format!("key-{number}"), format!("secret-{number}"));
    body["type"] = json!(kind);
    body["invalidated"] = json!(false);
    state.api_keys.insert(id.clone(), body);
    let encoded = {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(format!("{id}:{key}"))
    };
    Ok(Answer::ok(json!({ "id": id, "name": name, "api_key": key, "encoded": encoded })))
}

/// `PUT /_security/api_key/<id>` and `/_security/cross_cluster/api_key/<id>`
pub(super) fn update_key(state: &mut State, id: &str, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let Some(key) = state.api_keys.get_mut(id).filter(|key| key["invalidated"] == false) else {
        let text = format!("no API key owned by requesting user found for ID [{id}]");
        return Err(Answer::error(404, "resource_not_found_exception", &text));
    };
    for (field, value) in body.as_object().into_iter().flatten() {
        key[field.as_str()] = value.clone();
    }
    Ok(Answer::ok(json!({ "updated": true })))
}

/// `DELETE /_security/api_key`
pub(super) fn invalidate_keys(state: &mut State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let ids: Vec<String> = match (&body["ids"], &body["name"]) {
        (Value::Array(ids), Value::Null) => {
            ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
        }
        (Value::Null, Value::String(name)) => {
            let named = state.api_keys.iter().filter(|(_, key)| key["name"] == name.as_str());
            named.map(|(id, _)| id.clone()).collect()
        }
        _ => return Err(Answer::refused(asked, "only `ids` or `name` is scripted")),
    };
    let mut invalidated = Vec::new();
    for id in ids {
        if let Some(key) = state.api_keys.get_mut(&id).filter(|key| key["invalidated"] == false) {
            key["invalidated"] = json!(true);
            invalidated.push(id);
        }
    }
    Ok(Answer::ok(json!({
        "invalidated_api_keys": invalidated, "previously_invalidated_api_keys": [], "error_count": 0,
    })))
}
