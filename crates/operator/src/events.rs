//! Events on applications: one per transition, never one per pass, and no pass waits until it is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder as Publisher, Reporter};
use parapet_api::{Application, Kind};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

/// How many events may wait to be written (the reference's buffers have the same size).
const WAITING: usize = 1024;
/// The API server takes notes of that many bytes.
const NOTE_BYTES: usize = 1024;

/// What happened. The names are what users filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A reference could not be resolved.
    AssociationError,
    /// A reference is in another state.
    AssociationStatusChange,
    /// Something waits for something else.
    Delayed,
    /// A field or version will be gone.
    Deprecated,
    /// The licence doesn't have it.
    InvalidLicense,
    /// The service mesh doesn't fit (ours; the reference has none).
    Mesh,
    /// Changes of nodes are held.
    Paused,
    /// A pass failed.
    ReconciliationError,
    /// Changes of nodes go on.
    Resumed,
    /// A node can't hand over its data.
    Stalled,
    /// What should not be.
    Unexpected,
    /// Health is worse than it was.
    Unhealthy,
    /// A node or a cluster has another version.
    Upgraded,
    /// The specification is refused, or is odd.
    Validation,
}

impl Reason {
    /// As events have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AssociationError => "AssociationError",
            Self::AssociationStatusChange => "AssociationStatusChange",
            Self::Delayed => "Delayed",
            Self::Deprecated => "Deprecated",
            Self::InvalidLicense => "InvalidLicense",
            Self::Mesh => "Mesh",
            Self::Paused => "Paused",
            Self::ReconciliationError => "ReconciliationError",
            Self::Resumed => "Resumed",
            Self::Stalled => "Stalled",
            Self::Unexpected => "Unexpected",
            Self::Unhealthy => "Unhealthy",
            Self::Upgraded => "Upgraded",
            Self::Validation => "Validation",
        }
    }
}

/// One event, before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should look.
    pub warning: bool,
    /// What happened.
    pub reason: Reason,
    /// What was being done: `Validation`, `Reconciliation`, `StatusUpdate`, `Upscale` …
    pub action: &'static str,
    /// What, in a sentence.
    pub note: String,
}

impl News {
    /// Somebody should look.
    pub fn warning(reason: Reason, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: true, reason, action, note: note.into() }
    }

    /// Nobody needs to.
    pub fn normal(reason: Reason, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: false, reason, action, note: note.into() }
    }
}

/// How events fare.
#[derive(Clone, Debug, Default)]
pub struct EventMetrics {
    lost: Family<LostLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LostLabels {
    reason: &'static str,
}

impl EventMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register(
            "parapet_operator_events_lost",
            "Events that could not be written: too many waited, or the API server refused them",
            new.lost.clone(),
        );
        new
    }

    fn lost(&self, reason: &'static str) {
        self.lost.get_or_create(&LostLabels { reason }).inc();
    }
}

/// The last sentence of one object's events, by reason and action.
type Told = HashMap<(Reason, &'static str), String>;

/// Tells the API server what happened. Clones are the same.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// What was told last, by UID, reason and action.
    told: Arc<Mutex<HashMap<String, Told>>>,
    waiting: mpsc::Sender<(&'static str, Event, ObjectReference)>,
    metrics: EventMetrics,
}

impl Recorder {
    /// The recorder, and the task that writes; it ends when the last recorder is gone. `host`: who reports.
    pub fn new(
        client: Client,
        host: &str,
        metrics: EventMetrics,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (waiting, taken) = mpsc::channel(WAITING);
        let recorder = Self { told: Arc::default(), waiting, metrics: metrics.clone() };
        (recorder, write(client, host.to_owned(), taken, metrics))
    }

    /// Tells of it, if the same wasn't told last for this reason and action. `controller`: whose pass it is.
    pub fn tell<K: Application>(&self, controller: &'static str, about: &K, news: News) {
        self.tell_of(controller, K::KIND, about.meta(), news);
    }

    /// The same about an application of which only the metadata could be read.
    pub fn tell_of(&self, controller: &'static str, kind: Kind, metadata: &ObjectMeta, news: News) {
        let News { warning, reason, action, mut note } = news;
        truncate(&mut note);
        let uid = metadata.uid.clone().unwrap_or_default();
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let last = told.entry(uid).or_default();
            if last.get(&(reason, action)) == Some(&note) {
                return;
            }
            last.insert((reason, action), note.clone());
        }
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.as_str().to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        let regarding = ObjectReference {
            api_version: Some(format!("{}/v1", kind.group())),
            kind: Some(kind.name().to_owned()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            field_path: None,
        };
        if self.waiting.try_send((controller, event, regarding)).is_err() {
            self.metrics.lost("full");
        }
    }

    /// It no longer is so: the next time it is told again.
    pub fn over<K: Application>(&self, about: &K, reason: Reason) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = about.meta().uid.as_ref().and_then(|uid| told.get_mut(uid)) {
            last.retain(|(told, _), _| *told != reason);
        }
    }

    /// The same for one action of the reason only.
    pub fn over_at<K: Application>(&self, about: &K, reason: Reason, action: &'static str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = about.meta().uid.as_ref().and_then(|uid| told.get_mut(uid)) {
            last.remove(&(reason, action));
        }
    }

    /// The application is gone.
    pub fn forget(&self, uid: &str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

async fn write(
    client: Client,
    host: String,
    mut waiting: mpsc::Receiver<(&'static str, Event, ObjectReference)>,
    metrics: EventMetrics,
) {
    let mut publishers: HashMap<&'static str, Publisher> = HashMap::new();
    while let Some((controller, event, regarding)) = waiting.recv().await {
        let publisher = publishers.entry(controller).or_insert_with(|| {
            let instance = Some(format!("{controller}-{host}"));
            Publisher::new(client.clone(), Reporter { controller: controller.to_owned(), instance })
        });
        if let Err(error) = publisher.publish(&event, &regarding).await {
            metrics.lost("refused");
            tracing::debug!(%error, "an event could not be written");
        }
    }
}

fn truncate(note: &mut String) {
    if note.len() > NOTE_BYTES {
        let end = (0..=NOTE_BYTES - '…'.len_utf8()).rev().find(|at| note.is_char_boundary(*at));
        note.truncate(end.unwrap_or_default());
        note.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_fit() {
        for text in ["a".repeat(2000), "ä".repeat(1000), "short".to_owned()] {
            let mut note = text.clone();
            truncate(&mut note);
            assert!(note.len() <= NOTE_BYTES);
            assert!(note == text || note.ends_with('…'));
        }
    }
}
