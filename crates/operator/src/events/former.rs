//! Events as they were written before they had an API group of their own. Both are the same objects; rights that were made for another
//! operator may be for these alone.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event as Former, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client};

/// Writes it; `controller`: whose pass it is.
pub(super) async fn publish(
    client: &Client,
    controller: &str,
    event: &Event,
    regarding: &ObjectReference,
) -> kube::Result<()> {
    let namespace = regarding.namespace.as_deref().unwrap_or_default();
    let object = former(controller, event, regarding, Timestamp::now());
    Api::<Former>::namespaced(client.clone(), namespace).create(&PostParams::default(), &object).await?;
    Ok(())
}

fn former(controller: &str, event: &Event, regarding: &ObjectReference, now: Timestamp) -> Former {
    let now = Time(now);
    let name = regarding.name.as_deref().unwrap_or_default();
    Former {
        metadata: ObjectMeta {
            // The API server makes it unique.
            generate_name: Some(format!("{name}.")),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        involved_object: regarding.clone(),
        related: event.secondary.clone(),
        type_: Some(match event.type_ {
            EventType::Normal => "Normal".to_owned(),
            EventType::Warning => "Warning".to_owned(),
        }),
        reason: Some(event.reason.clone()),
        action: Some(event.action.clone()),
        message: event.note.clone(),
        count: Some(1),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        source: Some(EventSource { component: Some(controller.to_owned()), host: None }),
        ..Former::default()
    }
}
