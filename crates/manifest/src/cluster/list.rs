//! One kind's objects, page by page.

use std::time::Duration;

use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kinds::Kind;

/// The API server then prints names, types and the number of keys instead of sending Secrets.
const AS_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Lists are begun again so often when their continuation is too old: etcd forgets a state after five minutes.
const EXPIRED: usize = 3;

/// Why a kind's list ends early.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The caller may not list it.
    Forbidden,
    /// More objects than are read.
    Full,
    /// Time is up.
    Deadline(Duration),
    /// Anything else.
    Failed(kube::Error),
}

impl Stopped {
    pub(super) fn message(&self, kind: &Kind) -> String {
        let Kind { plural, group, .. } = kind;
        match self {
            Self::Forbidden if kind.is_secret() => "Secrets may not be listed: what refers to them is not \
                compared with their names. That is as it should be: who may list them may read them"
                .to_owned(),
            Self::Forbidden if kind.is_endpoint_slice() => {
                "the API server's EndpointSlices may not be listed, so its \
                addresses aren't known: policies that need them ask for them. Grant the verb \"list\" on \
                \"endpointslices\" of \"discovery.k8s.io\" in the namespace default, or give the addresses"
                    .to_owned()
            }
            Self::Forbidden => format!(
                "not allowed to list {plural}: grant the verb \"list\" on the resource {plural:?} of the API group \
                 {group:?} in a ClusterRole; until then they are missing here"
            ),
            Self::Full => format!("too many objects: {plural} and what comes after them are not all read"),
            Self::Deadline(after) => {
                format!(
                    "{plural} are not all read: {} seconds were not enough for the cluster",
                    after.as_secs()
                )
            }
            Self::Failed(error) => format!("{plural} could not be listed: {error}"),
        }
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(default)]
    items: Vec<Value>,
    /// Instead of items, in a table.
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    cells: Vec<Value>,
    #[serde(default)]
    object: Value,
}

/// Puts all objects of `kind` into `objects`, at most `room`; what was read before an error stays.
pub(super) async fn all(
    client: &Client,
    kind: &Kind,
    page: u32,
    room: usize,
    objects: &mut Vec<Value>,
) -> Result<(), Stopped> {
    let mut next: Option<String> = None;
    let mut expired = 0;
    loop {
        let mut parameters = ListParams::default().limit(page);
        if let Some(labels) = kind.labels() {
            parameters = parameters.labels(labels);
        }
        if let Some(token) = &next {
            parameters = parameters.continue_token(token);
        }
        let page = match one(client, kind, &parameters).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.code == 403 => return Err(Stopped::Forbidden),
            // Gone since the server was asked what it serves.
            Err(kube::Error::Api(status)) if status.code == 404 && next.is_none() => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 410 && expired < EXPIRED => {
                expired += 1;
                next = None;
                objects.clear();
                continue;
            }
            Err(error) => return Err(Stopped::Failed(error)),
        };
        // A server that knows no tables would send whole Secrets: those are dropped unseen.
        let items = page.items.into_iter().filter(|_| !kind.is_secret()).map(|item| settled(item, kind));
        objects.extend(items.chain(page.rows.into_iter().filter_map(|row| secret(row, kind))));
        if objects.len() > room {
            objects.truncate(room);
            return Err(Stopped::Full);
        }
        next = page.metadata.next.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(());
        }
    }
}

/// What is kept of a Secret with a certificate.
const OF_CERTIFICATES: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

/// Gives those of `objects`, Secrets without content, that are of type `kubernetes.io/tls` theirs.
pub(super) async fn certificates(
    client: &Client,
    kind: &Kind,
    page: u32,
    objects: &mut [Value],
) -> Result<(), Stopped> {
    let mut next: Option<String> = None;
    loop {
        let mut parameters = ListParams::default().limit(page).fields("type=kubernetes.io/tls");
        if let Some(token) = &next {
            parameters = parameters.continue_token(token);
        }
        let request = Request::new(kind.path()).list(&parameters).map_err(kube::Error::BuildRequest);
        let page = match client.request::<Page>(request.map_err(Stopped::Failed)?).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.code == 403 => return Err(Stopped::Forbidden),
            Err(error) => return Err(Stopped::Failed(error)),
        };
        for item in &page.items {
            let is_it = |object: &&mut Value| {
                ["name", "namespace"].iter().all(|field| object["metadata"][field] == item["metadata"][field])
            };
            if let Some(object) = objects.iter_mut().find(is_it) {
                object["data"] = content(item);
            }
        }
        next = page.metadata.next.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(());
        }
    }
}

/// Certificate, key and CA; whatever else was put beside them is not kept.
fn content(secret: &Value) -> Value {
    let kept =
        OF_CERTIFICATES.iter().filter_map(|key| Some(((*key).to_owned(), secret["data"].get(key)?.clone())));
    Value::Object(kept.collect())
}

async fn one(client: &Client, kind: &Kind, parameters: &ListParams) -> Result<Page, kube::Error> {
    let mut request = Request::new(kind.path()).list(parameters).map_err(kube::Error::BuildRequest)?;
    if kind.is_secret() {
        let table = AS_TABLE.parse().expect("a constant without control characters is a header's value");
        request.headers_mut().insert("accept", table);
    }
    client.request(request).await
}

/// With the type that a list's items leave out, without who set which field.
fn settled(mut object: Value, kind: &Kind) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), kind.api_version().into());
        fields.insert("kind".to_owned(), kind.kind.into());
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// A Secret of its row: annotations are left out, because what was applied last stands in one of them.
fn secret(row: Row, kind: &Kind) -> Option<Value> {
    if !kind.is_secret() {
        return None;
    }
    let metadata: Map<String, Value> = row
        .object
        .get("metadata")?
        .as_object()?
        .iter()
        .filter(|(key, _)| matches!(key.as_str(), "name" | "namespace" | "labels" | "ownerReferences"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // The API server prints Secrets as name, type, number of keys, age.
    let of_type = row.cells.get(1).cloned().unwrap_or_default();
    Some(settled(json!({"metadata": metadata, "type": of_type}), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Kind {
        Kind { group: "", version: "v1".to_owned(), kind: "Secret", plural: "secrets".to_owned() }
    }

    #[test]
    fn of_a_secret_only_name_labels_owners_and_type_are_kept() {
        let row = Row {
            cells: vec![json!("db"), json!("Opaque"), json!(2), json!("3d")],
            object: json!({"data": {"password": "aA=="}, "metadata": {
                "name": "db", "namespace": "shop", "uid": "1", "annotations": {"last-applied": "{data: secret}"},
            }}),
        };
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "db", "namespace": "shop"},
        });
        assert_eq!(secret(row, &secrets()), Some(expected));
    }

    #[test]
    fn of_a_certificates_secret_nothing_else_is_kept() {
        let data = json!({"tls.crt": "Yw==", "tls.key": "aw==", "password": "aA=="});
        assert_eq!(content(&json!({"data": data})), json!({"tls.crt": "Yw==", "tls.key": "aw=="}));
        assert_eq!(content(&json!({})), json!({}));
    }

    #[test]
    fn a_refusal_says_what_to_grant() {
        let kind = Kind {
            group: "networking.k8s.io",
            version: "v1".to_owned(),
            kind: "NetworkPolicy",
            plural: "networkpolicies".to_owned(),
        };
        assert_eq!(kind.path(), "/apis/networking.k8s.io/v1/networkpolicies");
        let said = Stopped::Forbidden.message(&kind);
        assert!(said.contains(
            r#"the verb "list" on the resource "networkpolicies" of the API group "networking.k8s.io""#
        ));
        assert_eq!(secrets().path(), "/api/v1/secrets");
    }
}
