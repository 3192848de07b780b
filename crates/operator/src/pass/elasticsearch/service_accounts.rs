//! Whether all nodes of a cluster take tokens of service accounts: found out once, and written down for those who refer to it.

use std::collections::BTreeMap;

use kube::Resource as _;
use parapet_api::{Application as _, Elasticsearch, StackVersion, annotations, labels};
use serde_json::{Map, Value, json};

use super::nodes::Existing;
use super::observe::Known;
use crate::pass::{Context, PassError, association};

/// A new cluster of such a version takes them from its first node on: nobody needs to be asked. One that was there before takes
/// them when every node has the version and reports its file of tokens.
pub(super) async fn reconcile(
    cx: &Context,
    es: &Elasticsearch,
    version: &StackVersion,
    existing: &Existing,
    known: &Known,
) -> Result<(), PassError> {
    if !has_tokens(version) || association::hints_service_accounts(es) {
        return Ok(());
    }
    if existing.is_new(es) {
        return match es.annotation(annotations::ORCHESTRATION_HINTS) {
            None => write(cx, es, &json!({ "no_transient_settings": false })).await,
            Some(_) => Ok(()),
        };
    }
    let versions = existing.pods.iter().map(|pod| {
        let label = pod.metadata.labels.as_ref()?.get(labels::ELASTICSEARCH_VERSION)?;
        label.parse::<StackVersion>().ok()
    });
    let all_have =
        versions.map(|version| version.as_ref().is_some_and(has_tokens)).reduce(|one, two| one && two);
    let Some(client) = known.client_if_reachable().filter(|_| all_have == Some(true)) else { return Ok(()) };
    match client.kibana_tokens().await {
        Ok(stores) if stores.reporting == existing.pods.len() && stores.silent == 0 => {
            let hints = es.annotation(annotations::ORCHESTRATION_HINTS);
            let hints = hints.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            write(cx, es, &Value::Object(hints)).await
        }
        Ok(_) => Ok(()),
        Err(error) => {
            // Who refers to it waits; the next look brings the next question.
            tracing::info!(%error, "nobody says whether all nodes take service accounts");
            Ok(())
        }
    }
}

fn has_tokens(version: &StackVersion) -> bool {
    version.at_least(7, 17, 0)
}

async fn write(cx: &Context, es: &Elasticsearch, hints: &Value) -> Result<(), PassError> {
    let mut hints: Map<String, Value> = hints.as_object().cloned().unwrap_or_default();
    hints.insert("service_accounts".to_owned(), true.into());
    let hints = Some(Value::Object(hints).to_string());
    let told = BTreeMap::from([(annotations::ORCHESTRATION_HINTS.to_owned(), hints)]);
    cx.cluster.annotate::<Elasticsearch>(es.meta(), &told).await?;
    Ok(())
}
