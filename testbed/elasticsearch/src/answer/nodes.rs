//! Nodes: which there are, what they hold, how they are shut down, which are desired.

use serde_json::{Value, json};

use super::{Answer, Asked, no_master};
use crate::{CopyState, Member, Shutdown, ShutdownKind, State};

/// `GET /_nodes/_all/no-metrics`
pub(super) fn all(state: &State) -> Answer {
    listing(state, state.nodes.values())
}

/// `GET /_nodes/_master`
pub(super) fn master(state: &State) -> Result<Answer, Answer> {
    let master = state.master().ok_or_else(no_master)?;
    Ok(listing(state, std::iter::once(master)))
}

fn listing<'a>(state: &State, members: impl Iterator<Item = &'a Member>) -> Answer {
    let nodes: serde_json::Map<String, Value> = members
        .map(|member| {
            let facts = json!({
                "name": member.name,
                "transport_address": format!("{}:9300", member.ip),
                "host": member.ip,
                "ip": member.ip,
                "version": member.version,
                "build_flavor": "default",
                "roles": member.roles,
                "attributes": {},
            });
            (member.id(), facts)
        })
        .collect();
    Answer::ok(json!({
        "_nodes": { "total": nodes.len(), "successful": nodes.len(), "failed": 0 },
        "cluster_name": state.cluster_name,
        "nodes": nodes,
    }))
}

/// `GET /_cat/shards?format=json`
pub(super) fn cat_shards(state: &State, asked: &Asked<'_>) -> Result<Answer, Answer> {
    if asked.parameters().get("format").is_none_or(|format| format != "json") {
        return Err(Answer::refused(asked, "only format=json is scripted"));
    }
    let rows = state.shards.copies().iter().map(|copy| {
        let assigned = copy.state != CopyState::Unassigned;
        let node = copy.node.as_ref().filter(|_| assigned);
        json!({
            "index": copy.index,
            "shard": copy.shard.to_string(),
            "prirep": if copy.primary { "p" } else { "r" },
            "state": match copy.state {
                CopyState::Started => "STARTED",
                CopyState::Initializing => "INITIALIZING",
                CopyState::Relocating => "RELOCATING",
                CopyState::Unassigned => "UNASSIGNED",
            },
            "docs": node.map(|_| "0"),
            "store": node.map(|_| "249b"),
            "ip": node.and_then(|name| state.nodes.get(name)).map(|member| member.ip.clone()),
            "node": node,
        })
    });
    Ok(Answer::ok(rows.collect()))
}

/// `GET /_nodes/shutdown`
pub(super) fn shutdowns(state: &State) -> Answer {
    let records: Vec<Value> = state.shutdowns.values().map(|shutdown| record(state, shutdown)).collect();
    Answer::ok(json!({ "nodes": records }))
}

/// `GET /_nodes/<id>/shutdown`
pub(super) fn shutdown(state: &State, id: &str) -> Answer {
    let records: Vec<Value> =
        state.shutdowns.get(id).map(|shutdown| record(state, shutdown)).into_iter().collect();
    Answer::ok(json!({ "nodes": records }))
}

fn record(state: &State, shutdown: &Shutdown) -> Value {
    let (progress, left, explanation) = state.progress(shutdown);
    let mut migration = json!({ "status": progress.name(), "shard_migrations_remaining": left });
    if let Some(text) = explanation {
        migration["explanation"] = Value::String(text);
    }
    let mut record = json!({
        "node_id": shutdown.node,
        "type": shutdown.kind.name().to_uppercase(),
        "reason": shutdown.reason,
        "shutdown_startedmillis": shutdown.requested,
        "status": progress.name(),
        "shard_migration": migration,
        "persistent_tasks": { "status": "COMPLETE" },
        "plugins": { "status": "COMPLETE" },
    });
    if let Some(delay) = &shutdown.allocation_delay {
        record["allocation_delay"] = Value::String(delay.clone());
    }
    record
}

/// `PUT /_nodes/<id>/shutdown`
pub(super) fn put_shutdown(state: &mut State, id: &str, asked: &Asked<'_>) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let bad = |reason: &str| Answer::error(400, "x_content_parse_exception", reason);
    for key in body.as_object().into_iter().flatten().map(|(key, _)| key) {
        if !["type", "reason", "allocation_delay"].contains(&key.as_str()) {
            return Err(bad(&format!("unknown field [{key}]")));
        }
    }
    let kind = match body["type"].as_str().map(str::to_lowercase).as_deref() {
        Some("restart") => ShutdownKind::Restart,
        Some("remove") => ShutdownKind::Remove,
        _ => return Err(bad("[type] is restart or remove")),
    };
    let reason = body["reason"].as_str().ok_or_else(|| bad("required [reason]"))?.to_owned();
    let allocation_delay = body["allocation_delay"].as_str().map(str::to_owned);
    if allocation_delay.is_some() && kind != ShutdownKind::Restart {
        return Err(bad("[allocation_delay] is only allowed for restarts"));
    }
    let requested = state.next();
    let node = id.to_owned();
    let shutdown = Shutdown { node: node.clone(), kind, reason, allocation_delay, requested };
    state.shutdowns.insert(node, shutdown);
    state.settle();
    Ok(Answer::acknowledged())
}

/// `DELETE /_nodes/<id>/shutdown`
pub(super) fn delete_shutdown(state: &mut State, id: &str) -> Answer {
    if state.shutdowns.remove(id).is_none() {
        let text = format!("node [{id}] is not currently shutting down");
        return Answer::error(404, "resource_not_found_exception", &text);
    }
    state.settle();
    Answer::acknowledged()
}

/// `GET /_internal/desired_nodes/_latest`
pub(super) fn desired(state: &State) -> Answer {
    match &state.desired_nodes {
        Some(desired) => Answer::ok(desired.clone()),
        None => Answer::error(404, "resource_not_found_exception", "Desired nodes not found"),
    }
}

/// `PUT /_internal/desired_nodes/<history>/<version>`
pub(super) fn put_desired(
    state: &mut State,
    history: &str,
    version: &str,
    asked: &Asked<'_>,
) -> Result<Answer, Answer> {
    let nodes = asked.json()?["nodes"].clone();
    let version: i64 = version
        .parse()
        .map_err(|_| Answer::error(400, "illegal_argument_exception", "the version is no number"))?;
    if !nodes.is_array() {
        return Err(Answer::error(400, "illegal_argument_exception", "nodes must contain at least one node"));
    }
    let latest = state.desired_nodes.as_ref();
    let same_history = latest.is_some_and(|latest| latest["history_id"] == history);
    let last = latest.and_then(|latest| latest["version"].as_i64()).unwrap_or_default();
    if same_history && last > version {
        let text = format!("version [{version}] has been superseded by version [{last}]");
        return Err(Answer::error(409, "version_conflict_exception", &text));
    }
    if same_history && last == version && latest.is_some_and(|latest| latest["nodes"] != nodes) {
        let text = "desired nodes with this version already exist and are different";
        return Err(Answer::error(400, "illegal_argument_exception", text));
    }
    let replaced = latest.is_some() && !same_history;
    state.desired_nodes = Some(json!({ "history_id": history, "version": version, "nodes": nodes }));
    Ok(Answer::ok(json!({ "replaced_existing_history_id": replaced, "dry_run": false })))
}

/// `DELETE /_internal/desired_nodes`
pub(super) fn delete_desired(state: &mut State) -> Answer {
    state.desired_nodes = None;
    Answer::ok(json!({}))
}
