//! The calls, one function each.

use std::collections::{BTreeMap, BTreeSet};

use hyper::{Method, StatusCode};
use parapet_api::Health;
use parapet_orchestrate::{Allocation, Node, Shard, Shutdown, ShutdownKind};
use serde_json::{Value, json};

use super::ClientError;
use super::body::SHARDS_BYTES;
use super::client::{Call, Client};
use super::wire::{
    HealthAnswer, Licence, LicenceAnswer, NodesAnswer, PutLicenceAnswer, Root, RootAnswer,
    ServiceCredentialsAnswer, SettingsAnswer, ShardRow, ShutdownsAnswer, TokenStores,
};

const EXCLUDED_NODES: &str = "cluster.routing.allocation.exclude._name";
const ALLOCATED: &str = "cluster.routing.allocation.enable";
/// What the reference writes where no node is excluded, as an empty value once meant something else.
const NO_NODE: &str = "none_excluded";

impl Client {
    /// Who answers, and for which cluster.
    pub async fn root(&self) -> Result<Root, ClientError> {
        self.get::<RootAnswer>("/").await.map(Root::from)
    }

    /// The cluster's health.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get::<HealthAnswer>("/_cluster/health").await.map(|answer| answer.health())
    }

    /// The cluster's health, and whether its master has come to all that waits: if not, it may change at once.
    pub async fn settled_health(&self) -> Result<(Health, bool), ClientError> {
        const PATH: &str = "/_cluster/health?wait_for_events=languid&timeout=0s";
        let call = Call::new(&Method::GET, PATH);
        let (status, body) = self.answer(Method::GET, PATH, super::body::ANSWER_BYTES).await?;
        // What is waited for didn't happen at once: the answer is whole nevertheless.
        let whole = if status == StatusCode::REQUEST_TIMEOUT { Ok(()) } else { call.success(status, &body) };
        let answer = whole.and_then(|()| call.parse::<HealthAnswer>(&body));
        self.counted(answer.map(|answer| (answer.health(), !answer.timed_out)))
    }

    /// The nodes of the cluster, by name.
    pub async fn nodes(&self) -> Result<BTreeMap<String, Node>, ClientError> {
        const PATH: &str = "/_nodes/_all/no-metrics";
        let answer: NodesAnswer = self.get(PATH).await?;
        answer.nodes().map_err(malformed(PATH))
    }

    /// The elected master's name.
    pub async fn master(&self) -> Result<Option<String>, ClientError> {
        self.get::<NodesAnswer>("/_nodes/_master").await.map(|answer| answer.names().into_iter().next())
    }

    /// Every copy of every shard.
    pub async fn shards(&self) -> Result<Vec<Shard>, ClientError> {
        const PATH: &str = "/_cat/shards?format=json&h=index,shard,prirep,state,node";
        let call = Call::new(&Method::GET, PATH);
        let (status, body) = self.answer(Method::GET, PATH, SHARDS_BYTES).await?;
        let rows = call.success(status, &body).and_then(|()| call.parse::<Vec<ShardRow>>(&body));
        let shards = rows.and_then(|rows| {
            rows.into_iter().map(ShardRow::shard).collect::<Result<_, _>>().map_err(malformed(PATH))
        });
        self.counted(shards)
    }

    /// Shutdown records, by node id.
    pub async fn shutdowns(&self) -> Result<BTreeMap<String, Shutdown>, ClientError> {
        const PATH: &str = "/_nodes/shutdown";
        self.get::<ShutdownsAnswer>(PATH).await?.shutdowns().map_err(malformed(PATH))
    }

    /// Tells that a node goes. `allocation_delay`: how long its replicas wait for it, as Elasticsearch writes times; only
    /// for one that comes back.
    pub async fn shut_down(
        &self,
        node_id: &str,
        kind: ShutdownKind,
        reason: &str,
        allocation_delay: Option<&str>,
    ) -> Result<(), ClientError> {
        let restart = matches!(kind, ShutdownKind::Restart);
        let mut body = json!({ "type": if restart { "restart" } else { "remove" }, "reason": reason });
        if let Some(delay) = allocation_delay.filter(|_| restart) {
            body["allocation_delay"] = json!(delay);
        }
        let path = format!("/_nodes/{}/shutdown", identifier(node_id)?);
        self.call::<Value>(Method::PUT, &path, Some(&body)).await.map(drop)
    }

    /// Forgets that a node goes. That it is forgotten already is no failure.
    pub async fn end_shutdown(&self, node_id: &str) -> Result<(), ClientError> {
        let path = format!("/_nodes/{}/shutdown", identifier(node_id)?);
        ignoring(StatusCode::NOT_FOUND, self.call::<Value>(Method::DELETE, &path, None).await)
    }

    /// Takes masters out of the vote, and waits until they are. After a success they may go.
    pub async fn exclude_from_voting(&self, names: &[String]) -> Result<(), ClientError> {
        let names = names.iter().map(|name| identifier(name)).collect::<Result<Vec<_>, _>>()?.join(",");
        let path = format!("/_cluster/voting_config_exclusions?node_names={names}");
        self.acknowledged(Method::POST, &path).await
    }

    /// Lets all masters vote again, without waiting until those that were excluded are gone.
    pub async fn clear_voting_exclusions(&self) -> Result<(), ClientError> {
        self.acknowledged(Method::DELETE, "/_cluster/voting_config_exclusions?wait_for_removal=false").await
    }

    /// What restricts where shards may go.
    pub async fn allocation(&self) -> Result<Allocation, ClientError> {
        let settings: SettingsAnswer = self.get("/_cluster/settings?flat_settings=true").await?;
        let excluded = settings.text(EXCLUDED_NODES).unwrap_or_default();
        let excluded = excluded.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != NO_NODE);
        Ok(Allocation {
            enabled: settings.text(ALLOCATED).is_none_or(|enabled| enabled == "all"),
            excluded: excluded.map(str::to_owned).collect(),
        })
    }

    /// Moves all shards away from these nodes, and none to them.
    pub async fn exclude_from_allocation(&self, names: &BTreeSet<String>) -> Result<(), ClientError> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let value = if names.is_empty() { NO_NODE.to_owned() } else { names.join(",") };
        self.set(EXCLUDED_NODES, json!(value)).await
    }

    /// Whether replicas are allocated.
    pub async fn allocate_replicas(&self, enabled: bool) -> Result<(), ClientError> {
        self.set(ALLOCATED, if enabled { Value::Null } else { json!("primaries") }).await
    }

    /// Changes the cluster's settings: an object with `persistent`, `transient` or both.
    pub async fn put_settings(&self, settings: &Value) -> Result<(), ClientError> {
        self.call::<Value>(Method::PUT, "/_cluster/settings", Some(settings)).await.map(drop)
    }

    /// The cluster's settings, flat.
    pub async fn settings(&self) -> Result<Value, ClientError> {
        self.get("/_cluster/settings?flat_settings=true").await
    }

    /// Writes all shards to disk.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.acknowledged(Method::POST, "/_flush").await
    }

    /// Writes all shards to disk with a mark, by which copies know that they are equal; before version 8. That some can't
    /// be marked as they are written to (409) is no failure.
    pub async fn flush_synced(&self) -> Result<(), ClientError> {
        ignoring(StatusCode::CONFLICT, self.call::<Value>(Method::POST, "/_flush/synced", None).await)
    }

    /// The licence. A status of 4xx: this isn't the default distribution.
    pub async fn licence(&self) -> Result<Licence, ClientError> {
        self.get::<LicenceAnswer>("/_license").await.map(|answer| answer.license)
    }

    /// Puts a licence: the content of a licence file. What Elasticsearch says of it: `valid`, or why it doesn't take it.
    pub async fn put_licence(&self, licence: &Value) -> Result<String, ClientError> {
        let put = self.call::<PutLicenceAnswer>(Method::PUT, "/_license?acknowledge=true", Some(licence));
        put.await.map(|answer| answer.license_status)
    }

    /// Begins a basic licence.
    pub async fn start_basic_licence(&self) -> Result<(), ClientError> {
        self.acknowledged(Method::POST, "/_license/start_basic?acknowledge=true").await
    }

    /// Begins a trial.
    pub async fn start_trial_licence(&self) -> Result<(), ClientError> {
        self.acknowledged(Method::POST, "/_license/start_trial?acknowledge=true").await
    }

    /// How many nodes report which tokens of Kibana's service account their file has.
    pub async fn kibana_tokens(&self) -> Result<TokenStores, ClientError> {
        let answer: ServiceCredentialsAnswer =
            self.get("/_security/service/elastic/kibana/credential").await?;
        Ok(answer.stores())
    }

    /// The last desired nodes; `None` if there are none.
    pub async fn desired_nodes(&self) -> Result<Option<Value>, ClientError> {
        match self.get("/_internal/desired_nodes/_latest").await {
            Ok(nodes) => Ok(Some(nodes)),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says which nodes there will be.
    pub async fn put_desired_nodes(
        &self,
        history: &str,
        version: i64,
        nodes: &Value,
    ) -> Result<(), ClientError> {
        let path = format!("/_internal/desired_nodes/{}/{version}", identifier(history)?);
        self.call::<Value>(Method::PUT, &path, Some(&json!({ "nodes": nodes }))).await.map(drop)
    }

    /// Forgets which nodes there will be.
    pub async fn delete_desired_nodes(&self) -> Result<(), ClientError> {
        self.acknowledged(Method::DELETE, "/_internal/desired_nodes").await
    }

    async fn acknowledged(&self, method: Method, path: &str) -> Result<(), ClientError> {
        let call = Call::new(&method, path);
        let (status, body) = self.answer(method, path, super::body::ANSWER_BYTES).await?;
        self.counted(call.success(status, &body))
    }

    /// A setting that stays; a transient one of the same name would win, and goes.
    async fn set(&self, key: &str, value: Value) -> Result<(), ClientError> {
        self.put_settings(&json!({ "persistent": { key: value }, "transient": { key: null } })).await
    }
}

fn malformed(path: &'static str) -> impl Fn(serde_json::Error) -> ClientError {
    move |source| ClientError::Malformed {
        call: format!("GET {}", path.split('?').next().unwrap_or(path)),
        source,
    }
}

fn ignoring(status: StatusCode, result: Result<Value, ClientError>) -> Result<(), ClientError> {
    match result {
        Err(error) if error.status() == Some(status) => Ok(()),
        other => other.map(drop),
    }
}

/// Ids and names that Elasticsearch and Kubernetes give need no escaping; others would lead the call elsewhere.
fn identifier(text: &str) -> Result<&str, ClientError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('.') {
        Ok(text)
    } else {
        Err(ClientError::Identifier(text.to_owned()))
    }
}
