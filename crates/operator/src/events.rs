//! Events on applications: one per transition, never one per pass, and no pass waits until it is written.

mod former;
mod news;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

use news::api_version;
pub use news::{News, Reason, Related};

/// How many events may wait to be written (the reference's buffers have the same size).
const WAITING: usize = 1024;
/// How long an event may take to be written: others wait behind it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The API server takes notes of that many bytes.
const NOTE_BYTES: usize = 1024;

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
            "Events that could not be written: too many waited, or the API server refused them or didn't answer",
            new.lost.clone(),
        );
        new
    }

    fn lost(&self, reason: &'static str) {
        self.lost.get_or_create(&LostLabels { reason }).inc();
    }
}

/// What tells events of one object apart.
type Subject = (Reason, &'static str, Option<Related>);

/// The last sentence of one object's events, by what tells them apart.
type Told = HashMap<Subject, String>;

/// An event that waits to be written.
struct Waiting {
    controller: &'static str,
    event: Event,
    regarding: ObjectReference,
    subject: Subject,
}

/// What was told last, by UID and by what tells events apart. Clones are the same.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<HashMap<String, Told>>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It wasn't told after all: the next pass that finds it so tells it again.
    fn lost(&self, waiting: &Waiting) {
        let mut told = self.lock();
        let Some(last) = waiting.regarding.uid.as_ref().and_then(|uid| told.get_mut(uid)) else { return };
        if last.get(&waiting.subject) == waiting.event.note.as_ref() {
            last.remove(&waiting.subject);
        }
    }
}

/// Tells the API server what happened. Clones are the same.
#[derive(Clone, Debug)]
pub struct Recorder {
    told: Memory,
    waiting: mpsc::Sender<Waiting>,
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
        let told = Memory::default();
        let recorder = Self { told: told.clone(), waiting, metrics: metrics.clone() };
        (recorder, write(client, host.to_owned(), taken, told, metrics))
    }

    /// Tells of it, if the same wasn't told last for this reason and action, and about the same. `controller`: whose pass it is.
    pub fn tell<K: Application>(&self, controller: &'static str, about: &K, news: News) {
        self.tell_of(controller, K::KIND, about.meta(), news);
    }

    /// Warns of each of these, and of each once: until it is gone from a later call, it isn't told again. Those that are gone are
    /// over.
    pub fn tell_each<K: Application>(
        &self,
        controller: &'static str,
        about: &K,
        (reason, action): (Reason, &'static str),
        problems: BTreeMap<Related, String>,
    ) {
        self.forget_told(about, |(told, at, related)| {
            (*told, *at) == (reason, action)
                && related.as_ref().is_none_or(|related| !problems.contains_key(related))
        });
        for (related, note) in problems {
            self.tell(controller, about, News::warning(reason, action, note).about(related));
        }
    }

    /// The same about an application of which only the metadata could be read.
    pub fn tell_of(&self, controller: &'static str, kind: Kind, metadata: &ObjectMeta, news: News) {
        let News { warning, reason, action, mut note, related } = news;
        truncate(&mut note);
        let uid = metadata.uid.clone().unwrap_or_default();
        let subject = (reason, action, related);
        {
            let mut told = self.told.lock();
            let last = told.entry(uid).or_default();
            if last.get(&subject) == Some(&note) {
                return;
            }
            last.insert(subject.clone(), note.clone());
        }
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.as_str().to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary: subject.2.clone().map(Related::reference),
        };
        let regarding = ObjectReference {
            api_version: Some(api_version(kind)),
            kind: Some(kind.name().to_owned()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            field_path: None,
        };
        let waiting = Waiting { controller, event, regarding, subject };
        if let Err(unsent) = self.waiting.try_send(waiting) {
            self.metrics.lost("full");
            self.told.lost(&unsent.into_inner());
        }
    }

    /// It no longer is so: the next time it is told again.
    pub fn over<K: Application>(&self, about: &K, reason: Reason) {
        self.forget_told(about, |(told, ..)| *told == reason);
    }

    /// The same for one action of the reason only.
    pub fn over_at<K: Application>(&self, about: &K, reason: Reason, action: &'static str) {
        self.forget_told(about, |(told, at, _)| (*told, *at) == (reason, action));
    }

    /// The same for what it said about one other object.
    pub fn over_about<K: Application>(
        &self,
        about: &K,
        reason: Reason,
        action: &'static str,
        related: &Related,
    ) {
        self.forget_told(about, |(told, at, of)| {
            (*told, *at) == (reason, action) && of.as_ref() == Some(related)
        });
    }

    fn forget_told<K: Application>(&self, about: &K, is_over: impl Fn(&Subject) -> bool) {
        let mut told = self.told.lock();
        if let Some(last) = about.meta().uid.as_ref().and_then(|uid| told.get_mut(uid)) {
            last.retain(|subject, _| !is_over(subject));
        }
    }

    /// The application is gone.
    pub fn forget(&self, uid: &str) {
        self.told.lock().remove(uid);
    }
}

async fn write(
    client: Client,
    host: String,
    mut taken: mpsc::Receiver<Waiting>,
    told: Memory,
    metrics: EventMetrics,
) {
    let mut publishers: HashMap<&'static str, Publisher> = HashMap::new();
    while let Some(waiting) = taken.recv().await {
        let controller = waiting.controller;
        let publisher = publishers.entry(controller).or_insert_with(|| {
            let instance = Some(format!("{controller}-{host}"));
            Publisher::new(client.clone(), Reporter { controller: controller.to_owned(), instance })
        });
        let publish = async {
            match publisher.publish(&waiting.event, &waiting.regarding).await {
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    former::publish(&client, controller, &waiting.event, &waiting.regarding).await
                }
                published => published,
            }
        };
        match tokio::time::timeout(PATIENCE, publish).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => {
                metrics.lost("refused");
                tracing::debug!(%error, "an event could not be written");
            }
            Err(_) => metrics.lost("late"),
        }
        told.lost(&waiting);
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
    use parapet_api::Elasticsearch;

    use super::*;

    /// An API server that answers events as the shared verdict says: 201, another status, or not at all.
    fn api_server(verdict: Arc<Mutex<u16>>, asked: mpsc::UnboundedSender<u16>) -> Client {
        let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
            let verdict = *verdict.lock().unwrap();
            asked.send(verdict).unwrap();
            async move {
                let body = match verdict {
                    0 => std::future::pending().await,
                    201 => r#"{"metadata": {"name": "a"}}"#,
                    _ => r#"{"kind": "Status", "status": "Failure", "message": "no", "code": 500}"#,
                };
                let body = kube::client::Body::from(body.as_bytes().to_vec());
                Ok::<_, kube::Error>(http::Response::builder().status(verdict).body(body).unwrap())
            }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_written_is_told_again_by_the_next_pass() {
        let metadata = ObjectMeta {
            namespace: Some("ns".to_owned()),
            name: Some("a".to_owned()),
            uid: Some("1".to_owned()),
            ..ObjectMeta::default()
        };
        for failure in [500, 0] {
            let verdict = Arc::new(Mutex::new(failure));
            let (asked, mut questions) = mpsc::unbounded_channel();
            let client = api_server(Arc::clone(&verdict), asked);
            let (recorder, writing) = Recorder::new(client, "test", EventMetrics::default());
            let writing = tokio::spawn(writing);
            let news = || News::warning(Reason::Unexpected, "Test", "so it is");
            recorder.tell_of("test", Kind::Kibana, &metadata, news());
            assert_eq!(questions.recv().await, Some(failure));
            // Until it is known that it was lost it counts as told.
            recorder.tell_of("test", Kind::Kibana, &metadata, news());
            *verdict.lock().unwrap() = 201;
            tokio::time::sleep(PATIENCE * 2).await;
            recorder.tell_of("test", Kind::Kibana, &metadata, news());
            assert_eq!(questions.recv().await, Some(201));
            tokio::time::sleep(PATIENCE * 2).await;
            recorder.tell_of("test", Kind::Kibana, &metadata, news());
            drop(recorder);
            writing.await.unwrap();
            assert_eq!(questions.recv().await, None, "once is enough");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rights_for_events_of_the_former_kind_suffice() {
        let (asked, mut questions) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let path = request.uri().path().to_owned();
            let (status, body) = match path.starts_with("/api/v1/") {
                true => (201, r#"{"metadata": {"name": "a"}, "involvedObject": {}}"#),
                false => (403, r#"{"kind": "Status", "status": "Failure", "message": "no", "code": 403}"#),
            };
            asked.send(path).unwrap();
            let body = kube::client::Body::from(body.as_bytes().to_vec());
            let response = http::Response::builder().status(status).body(body).unwrap();
            async move { Ok::<_, kube::Error>(response) }
        });
        let (recorder, writing) =
            Recorder::new(Client::new(service, "default"), "test", EventMetrics::default());
        let writing = tokio::spawn(writing);
        let metadata = ObjectMeta {
            namespace: Some("ns".to_owned()),
            name: Some("a".to_owned()),
            ..ObjectMeta::default()
        };
        for _ in 0..2 {
            recorder.tell_of(
                "test",
                Kind::Kibana,
                &metadata,
                News::warning(Reason::Unexpected, "Test", "so it is"),
            );
        }
        drop(recorder);
        writing.await.unwrap();
        assert_eq!(questions.recv().await.as_deref(), Some("/apis/events.k8s.io/v1/namespaces/ns/events"));
        assert_eq!(questions.recv().await.as_deref(), Some("/api/v1/namespaces/ns/events"));
        assert_eq!(questions.recv().await, None, "it was told");
    }

    #[tokio::test(start_paused = true)]
    async fn each_problem_is_told_once_until_it_is_over() {
        let application: Elasticsearch = serde_json::from_value(serde_json::json!({
            "metadata": { "namespace": "ns", "name": "a", "uid": "1" },
            "spec": { "version": "8.15.3", "nodeSets": [] },
        }))
        .unwrap();
        let (asked, mut questions) = mpsc::unbounded_channel();
        let client = api_server(Arc::new(Mutex::new(201)), asked);
        let (recorder, writing) = Recorder::new(client, "test", EventMetrics::default());
        let writing = tokio::spawn(writing);
        let tell = |names: &[&str]| {
            let each = names.iter().map(|name| (Related::core("Secret", "ns", name), format!("no {name}")));
            recorder.tell_each("test", &application, (Reason::Unexpected, "Test"), each.collect());
        };
        for (pass, told) in
            [(&["a", "b"][..], 2), (&["a", "b"], 0), (&["b"], 0), (&["a", "b"], 1), (&[], 0), (&["b"], 1)]
        {
            tell(pass);
            for _ in 0..told {
                assert_eq!(questions.recv().await, Some(201), "{pass:?}");
            }
            tokio::time::sleep(PATIENCE).await;
            assert!(questions.try_recv().is_err(), "{pass:?}: nothing besides");
        }
        drop(recorder);
        writing.await.unwrap();
    }

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
