//! What Elasticsearch is told of the nodes that there will be, and of what each has.
//! <https://www.elastic.co/guide/en/elasticsearch/reference/8.17/update-desired-nodes.html>

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use parapet_api::{Amount, StackVersion, volumes};
use serde_json::{Map, Value, json};

use crate::config::{Node, Yml};

/// The container that runs Elasticsearch.
const MAIN: &str = "elasticsearch";

/// Why the resources of a group's nodes aren't known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// How much CPU they have.
    #[error("the nodes of {0} have no request and no limit of CPU")]
    Processors(String),
    /// How much memory.
    #[error("the nodes of {0} have no request and no limit of memory")]
    Memory(String),
    /// How large their volumes are.
    #[error("the nodes of {0} have no volume claim elasticsearch-data that says its size")]
    Storage(String),
}

/// The nodes of one group, as the desired nodes API takes them. `set` is as specified, replicas included; `config` is its
/// `elasticsearch.yml`.
pub fn desired_nodes(set: &StatefulSet, config: &Yml, version: &StackVersion) -> Result<Vec<Value>, Unknown> {
    let name = set.metadata.name.clone().unwrap_or_default();
    let spec = set.spec.as_ref();
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let main = pod.and_then(|pod| pod.containers.iter().find(|container| container.name == MAIN));
    let resources = main.and_then(|main| main.resources.clone()).unwrap_or_default();
    let (request, limit) =
        (amount(resources.requests.as_ref(), "cpu"), amount(resources.limits.as_ref(), "cpu"));
    let cores = |amount: Amount| amount.millis() as f64 / 1000.0;
    let mut node = match (request.map(cores), limit.map(cores)) {
        (None, None) => return Err(Unknown::Processors(name)),
        (Some(request), Some(limit)) if request < limit => {
            json!({ "processors_range": { "min": request, "max": limit } })
        }
        (Some(request), None) => json!({ "processors_range": { "min": request } }),
        (_, Some(limit)) => json!({ "processors": limit }),
    };
    let memory =
        amount(resources.limits.as_ref(), "memory").or(amount(resources.requests.as_ref(), "memory"));
    let memory = memory.ok_or_else(|| Unknown::Memory(name.clone()))?;
    let claims = spec.and_then(|spec| spec.volume_claim_templates.as_deref()).unwrap_or_default();
    let data = claims.iter().find(|claim| claim.metadata.name.as_deref() == Some(volumes::DATA));
    let data = data.and_then(|claim| claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref());
    let storage = amount(data, "storage").ok_or_else(|| Unknown::Storage(name.clone()))?;
    node["memory"] = bytes(memory);
    node["storage"] = bytes(storage);
    if !version.at_least(8, 13, 0) {
        node["node_version"] = json!(version.to_string());
    }
    let settings = settings(config);
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or_default().max(0);
    let nodes = (0..replicas).map(|ordinal| {
        let pod = format!("{name}-{ordinal}");
        let mut settings = settings.clone();
        settings.insert("node.name".to_owned(), json!(pod));
        settings.insert("node.external_id".to_owned(), json!(pod));
        let mut node = node.clone();
        node["settings"] = Value::Object(settings);
        node
    });
    Ok(nodes.collect())
}

/// Roles, and attributes that are the same for all nodes of the group.
fn settings(config: &Yml) -> Map<String, Value> {
    let mut settings = Map::new();
    if let Some(roles) = config.get("node.roles") {
        let roles = match roles {
            Node::List(items) => items.iter().filter_map(Node::as_text).collect(),
            single => single.as_text().map(|text| vec![text]).unwrap_or_default(),
        };
        settings.insert("node.roles".to_owned(), json!(roles));
    }
    if let Some(Node::Object(attributes)) = config.get("node.attr") {
        let plain = attributes.iter().filter_map(|(name, value)| Some((name, value.as_text()?)));
        for (name, value) in plain.filter(|(_, value)| !value.contains("${")) {
            settings.insert(format!("node.attr.{name}"), json!(value));
        }
    }
    settings
}

fn amount(of: Option<&BTreeMap<String, Quantity>>, name: &str) -> Option<Amount> {
    of?.get(name)?.0.parse().ok()
}

fn bytes(amount: Amount) -> Value {
    json!(format!("{}b", amount.units()))
}
