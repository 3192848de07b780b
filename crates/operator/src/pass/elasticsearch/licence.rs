//! The licence: the one of the user's Secret if there is one, else at least a basic one.

use std::time::Duration;

use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, Kind, names};
use serde_json::Value;

use super::observe::Known;
use crate::ApplicationKey;
use crate::elasticsearch::ClientError;
use crate::pass::{Context, PassError};

/// As for all calls in a pass.
const PATIENCE: Duration = Duration::from_secs(5);
/// The key of the Secret; a licence file's whole content.
const KEY: &str = "license";

/// Ensures the licence, once for each licence that is wanted and for each process: nobody else changes it.
pub(super) async fn reconcile(
    cx: &Context,
    key: &ApplicationKey,
    es: &Elasticsearch,
    known: &Known,
) -> Result<(), PassError> {
    let Some(client) = known.observer.client().filter(|_| known.last.reachable()) else { return Ok(()) };
    let client = client.within(PATIENCE);
    let name = names::generated(Kind::Elasticsearch, es.object_name(), &["license"]);
    let secret = cx.cluster.get::<Secret>(es.object_namespace(), &name);
    let wanted = secret.as_deref().and_then(file);
    let uid = wanted.as_ref().and_then(uid).unwrap_or_default();
    if cx.memory.licence(key).as_deref() == Some(uid) {
        return Ok(());
    }
    let refused = |error: ClientError| match error.status() {
        Some(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
            PassError::Distribution(error)
        }
        _ => PassError::Elasticsearch(error),
    };
    let present = client.licence().await.map_err(refused)?;
    match &wanted {
        Some(licence) if present.uid != uid => client.put_licence(licence).await?,
        None if !matches!(present.kind.as_str(), "basic" | "trial") => client.start_basic_licence().await?,
        _ => {}
    }
    cx.memory.has_licence(key, uid);
    Ok(())
}

fn file(secret: &Secret) -> Option<Value> {
    serde_json::from_slice(&secret.data.as_ref()?.get(KEY)?.0).ok()
}

/// Licence files have the licence as `license`; what is put may have a list of one.
fn uid(file: &Value) -> Option<&str> {
    file.pointer("/license/uid").or_else(|| file.pointer("/licenses/0/uid"))?.as_str()
}
