//! Which call gets which answer.

mod cluster;
mod nodes;
mod security;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::State;

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a str,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The call isn't known.
    pub(crate) refused: bool,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body, refused: false }
    }

    pub(crate) fn acknowledged() -> Self {
        Self::ok(json!({ "acknowledged": true }))
    }

    pub(crate) fn error(status: u16, kind: &str, reason: &str) -> Self {
        let cause = json!({ "type": kind, "reason": reason });
        let body = json!({
            "error": { "root_cause": [cause], "type": kind, "reason": reason },
            "status": status,
        });
        Self { status, body, refused: false }
    }

    /// A call that this Elasticsearch doesn't know, or a parameter of it.
    pub(crate) fn refused(asked: &Asked<'_>, why: &str) -> Self {
        let text = format!("{} {}?{}: {why}", asked.method, asked.path, asked.query);
        Self { refused: true, ..Self::error(501, "not_scripted", &text) }
    }
}

impl Asked<'_> {
    /// The parameters behind `?`; none of those that are used needs percent-decoding, but commas.
    pub(crate) fn parameters(&self) -> BTreeMap<String, String> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let plain = |text: &str| text.replace("%2C", ",").replace("%2c", ",");
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(k, v)| (plain(k), plain(v)))
            .collect()
    }

    /// The body as a JSON object.
    pub(crate) fn json(&self) -> Result<Value, Answer> {
        match serde_json::from_str(self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            _ => Err(Answer::error(400, "parse_exception", "request body is required")),
        }
    }
}

/// Answers a call whose user is known.
pub(crate) fn answer(state: &mut State, asked: &Asked<'_>) -> Answer {
    let parts: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    // All but who one is and how one is needs a master.
    let local = matches!(parts.as_slice(), [] | ["_cluster", "health"]);
    if !local && !state.voting.has_master() {
        return no_master();
    }
    let known = match (asked.method, parts.as_slice()) {
        ("GET", []) => Ok(cluster::root(state)),
        ("GET", ["_cluster", "health"]) => cluster::health(state, asked),
        ("GET", ["_cluster", "settings"]) => cluster::settings(state, asked),
        ("PUT", ["_cluster", "settings"]) => cluster::put_settings(state, asked),
        ("POST", ["_cluster", "voting_config_exclusions"]) => cluster::exclude(state, asked),
        ("DELETE", ["_cluster", "voting_config_exclusions"]) => cluster::end_exclusions(state, asked),
        ("GET", ["_cat", "shards"]) => nodes::cat_shards(state, asked),
        ("GET", ["_nodes", "_all", "no-metrics"]) => Ok(nodes::all(state)),
        ("GET", ["_nodes", "_master"]) => nodes::master(state),
        ("GET", ["_nodes", "shutdown"]) => Ok(nodes::shutdowns(state)),
        ("GET", ["_nodes", id, "shutdown"]) => Ok(nodes::shutdown(state, id)),
        ("PUT", ["_nodes", id, "shutdown"]) => nodes::put_shutdown(state, id, asked),
        ("DELETE", ["_nodes", id, "shutdown"]) => Ok(nodes::delete_shutdown(state, id)),
        ("GET", ["_internal", "desired_nodes", "_latest"]) => Ok(nodes::desired(state)),
        ("PUT", ["_internal", "desired_nodes", history, version]) => {
            nodes::put_desired(state, history, version, asked)
        }
        ("DELETE", ["_internal", "desired_nodes"]) => Ok(nodes::delete_desired(state)),
        ("POST", ["_flush"]) => Ok(cluster::flush(state)),
        ("POST", ["_flush", "synced"]) => Ok(cluster::flush_synced(state)),
        ("GET", ["_license"]) => Ok(Answer::ok(json!({ "license": state.licence }))),
        ("PUT" | "POST", ["_license"]) => security::put_licence(state, asked),
        ("POST", ["_license", kind @ ("start_basic" | "start_trial")]) => {
            security::start_licence(state, kind, asked)
        }
        ("GET", ["_security", "service", "elastic", "kibana", "credential"]) => {
            Ok(security::kibana_credentials(state))
        }
        ("POST", ["_security", "api_key"]) => security::create_key(state, asked, "api_key"),
        ("POST", ["_security", "cross_cluster", "api_key"]) => {
            security::create_key(state, asked, "cross_cluster")
        }
        ("PUT", ["_security", "api_key", id] | ["_security", "cross_cluster", "api_key", id]) => {
            security::update_key(state, id, asked)
        }
        ("DELETE", ["_security", "api_key"]) => security::invalidate_keys(state, asked),
        _ => return Answer::refused(asked, "this call isn't scripted"),
    };
    known.unwrap_or_else(|failure| failure)
}

pub(crate) fn no_master() -> Answer {
    Answer::error(503, "master_not_discovered_exception", "no master is known")
}
