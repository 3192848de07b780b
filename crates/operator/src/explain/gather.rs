//! Reading what is known of an application.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt as _};
use parapet_api::validate::{self, Warning};
use parapet_api::{
    ApmServer, Application as _, AssociationState, Elasticsearch, Kibana, Kind, Monitoring, ObjectSelector,
    annotations,
};
use parapet_pki::inspect::read;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Certificate, Facts, Happened, Reference, Said};
use crate::cluster::{Custom, Managed};
use crate::odd;

/// How long each call may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How many events of a namespace are read at most.
const EVENTS: u32 = 500;

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The API server.
    #[error("can't read the {what} of namespace {namespace}")]
    Api {
        /// What was asked for.
        what: &'static str,
        /// Where.
        namespace: String,
        /// What was answered.
        source: kube::Error,
    },
}

/// All that is known of the application; none if there is none.
pub async fn gather(
    client: &Client,
    kind: Kind,
    namespace: &str,
    name: &str,
    now: Timestamp,
) -> Result<Option<Facts>, ExplainError> {
    let gathering = Gathering { client, namespace, name };
    match kind {
        Kind::Elasticsearch => gathering.facts::<Elasticsearch>(now, of_elasticsearch).await,
        Kind::Kibana => gathering.facts::<Kibana>(now, of_kibana).await,
        Kind::ApmServer => gathering.facts::<ApmServer>(now, of_apm_server).await,
    }
}

type Referred = (&'static str, Kind, ObjectSelector, Option<AssociationState>);

/// What an application's kind alone tells.
struct Own {
    references: Vec<Referred>,
    odd: Vec<Warning>,
}

fn of_elasticsearch(es: &Elasticsearch) -> Own {
    let states = es.status.as_ref().and_then(|status| status.monitoring_association_status.as_ref());
    Own {
        references: monitoring(es.spec.monitoring.as_ref(), states, es.object_namespace()),
        odd: odd::of_elasticsearch(es),
    }
}

fn of_kibana(kibana: &Kibana) -> Own {
    let status = kibana.status.clone().unwrap_or_default();
    let states = status.monitoring_association_status.as_ref();
    let to_es = kibana.spec.elasticsearch_ref.target.clone();
    let mut references =
        vec![("elasticsearchRef", Kind::Elasticsearch, to_es, status.elasticsearch_association_status)];
    references.extend(monitoring(kibana.spec.monitoring.as_ref(), states, kibana.object_namespace()));
    Own { references, odd: validate::kibana_warnings(kibana) }
}

fn of_apm_server(apm: &ApmServer) -> Own {
    let status = apm.status.clone().unwrap_or_default();
    let (es, kibana) = (status.elasticsearch_association_status, status.kibana_association_status);
    Own {
        references: vec![
            ("elasticsearchRef", Kind::Elasticsearch, apm.spec.elasticsearch_ref.target.clone(), es),
            ("kibanaRef", Kind::Kibana, apm.spec.kibana_ref.clone(), kibana),
        ],
        odd: validate::apm_server_warnings(apm),
    }
}

/// Where metrics and logs go; in the status by place.
fn monitoring(
    specified: Option<&Monitoring>,
    states: Option<&BTreeMap<String, AssociationState>>,
    namespace: &str,
) -> Vec<Referred> {
    let Some(specified) = specified else { return Vec::new() };
    let both = [("monitoring.metrics", &specified.metrics), ("monitoring.logs", &specified.logs)];
    let referred = both.into_iter().filter_map(|(field, target)| {
        let cluster = target.cluster()?;
        let place = format!("{}/{}", cluster.namespace_or(namespace), cluster.name_or_secret());
        let state = states.and_then(|states| states.get(&place)).copied();
        Some((field, Kind::Elasticsearch, cluster.clone(), state))
    });
    referred.collect()
}

struct Gathering<'a> {
    client: &'a Client,
    namespace: &'a str,
    name: &'a str,
}

impl Gathering<'_> {
    async fn facts<K: Managed>(
        &self,
        now: Timestamp,
        own: impl Fn(&K) -> Own,
    ) -> Result<Option<Facts>, ExplainError> {
        let kind = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), self.namespace, &kind);
        let Some(found) = self.call("applications", api.get_opt(self.name)).await? else { return Ok(None) };
        let object = Custom::<K>::read(found);
        let Own { references, odd } =
            object.valid().map_or_else(|| Own { references: Vec::new(), odd: Vec::new() }, own);
        let mut all = Vec::new();
        for referred in references {
            all.extend(self.reference(referred).await?);
        }
        let selector = ListParams::default().labels(&format!("{}={}", K::KIND.name_label(), self.name));
        let pods: Vec<Pod> = self.list("pods", &selector).await?;
        let secrets: Vec<Secret> = self.list("Secrets", &selector).await?;
        let events: Vec<Event> = self.list("events", &ListParams::default().limit(EVENTS)).await?;
        Ok(Some(Facts {
            kind: K::KIND,
            namespace: self.namespace.to_owned(),
            name: self.name.to_owned(),
            said: said(&object),
            references: all,
            odd: odd.iter().map(ToString::to_string).collect(),
            certificates: secrets.iter().flat_map(certificates).collect(),
            events: happened(K::KIND, self.name, &pods, events),
            pods,
            now,
        }))
    }

    async fn reference(&self, referred: Referred) -> Result<Option<Reference>, ExplainError> {
        let (field, kind, selector, state) = referred;
        if !selector.is_set() {
            return Ok(None);
        }
        let Some(name) = selector.name.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(Some(Reference { field, kind, target: None, exists: true, state }));
        };
        let namespace = selector.namespace_or(self.namespace);
        let types = match kind {
            Kind::Elasticsearch => ApiResource::erase::<Elasticsearch>(&()),
            Kind::Kibana => ApiResource::erase::<Kibana>(&()),
            Kind::ApmServer => ApiResource::erase::<ApmServer>(&()),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &types);
        let exists = self.call("references", api.get_opt(name)).await?.is_some();
        let target = Some((namespace.to_owned(), name.to_owned()));
        Ok(Some(Reference { field, kind, target, exists, state }))
    }

    async fn list<K>(&self, what: &'static str, parameters: &ListParams) -> Result<Vec<K>, ExplainError>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        Ok(self.call(what, api.list(parameters)).await?.items)
    }

    async fn call<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ExplainError> {
        let late = || kube::Error::Service("no answer in time".into());
        let answer = tokio::time::timeout(DEADLINE, call).await.unwrap_or_else(|_| Err(late()));
        answer.map_err(|source| ExplainError::Api { what, namespace: self.namespace.to_owned(), source })
    }
}

fn said<K: Managed>(object: &Custom<K>) -> Said {
    let status = object.status();
    let metadata = object.metadata();
    let text = |field: &str| status[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let parsed = |field: &str| status[field].clone();
    let common = Said {
        unreadable: match object {
            Custom::Valid(_) => None,
            Custom::Unreadable(unreadable) => Some(unreadable.error.clone()),
        },
        deleted: metadata.deletion_timestamp.is_some(),
        generation: metadata.generation.unwrap_or_default(),
        observed_generation: status["observedGeneration"].as_i64(),
        available: status["availableNodes"].as_i64().and_then(|count| i32::try_from(count).ok()),
        running: text("version"),
        health: text("health"),
        phase: text("phase"),
        // An odd status is none.
        conditions: serde_json::from_value(parsed("conditions")).unwrap_or_default(),
        in_progress: serde_json::from_value(parsed("inProgressOperations")).unwrap_or_default(),
        ..Said::default()
    };
    let Some(object) = object.valid() else { return common };
    let annotation =
        |name: &'static str, value: &str| (object.annotation(name) == Some(value)).then_some(name);
    let left_alone = annotation(annotations::MANAGED, "false").or(annotation(annotations::PAUSE, "true"));
    Said {
        left_alone: left_alone.map(str::to_owned),
        paused: annotation(annotations::PAUSE_ORCHESTRATION, "true").is_some(),
        version: object.version().to_owned(),
        wanted: wanted(object),
        ..common
    }
}

/// How many nodes or instances are specified.
fn wanted<K: Managed>(object: &K) -> i64 {
    let whole = serde_json::to_value(object).unwrap_or_default();
    let spec = &whole["spec"];
    match spec["nodeSets"].as_array() {
        Some(sets) => sets.iter().filter_map(|set| set["count"].as_i64()).sum(),
        None => spec["count"].as_i64().unwrap_or_default(),
    }
}

/// The first certificate of every `*.crt` in a Secret; what can't be read is none.
fn certificates(secret: &Secret) -> Vec<Certificate> {
    let name = secret.name_any();
    let keys = secret.data.iter().flatten().filter(|(key, _)| key.ends_with(".crt"));
    keys.filter_map(|(key, value)| {
        let facts = read(&value.0).ok()?.facts().ok()?;
        let not_after = facts.first()?.not_after;
        Some(Certificate { secret: name.clone(), key: key.clone(), not_after })
    })
    .collect()
}

/// The events of the application, its pods and what makes them, the newest first.
fn happened(kind: Kind, name: &str, pods: &[Pod], events: Vec<Event>) -> Vec<Happened> {
    let is_pod = |one: &str| pods.iter().any(|pod| pod.metadata.name.as_deref() == Some(one));
    let concerns = |about: &ObjectReference| {
        let (of, own) =
            (about.kind.as_deref().unwrap_or_default(), about.name.as_deref().unwrap_or_default());
        match of {
            "Pod" => is_pod(own),
            "StatefulSet" | "Deployment" => own.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')),
            of => of == kind.name() && own == name,
        }
    };
    let mut all: Vec<Happened> = events
        .into_iter()
        .filter(|event| event.regarding.as_ref().is_some_and(&concerns))
        .map(|event| {
            let about = event.regarding.as_ref().filter(|about| about.kind.as_deref() != Some(kind.name()));
            Happened {
                at: time_of(&event),
                warning: event.type_.as_deref() == Some("Warning"),
                reason: event.reason.clone().unwrap_or_default(),
                note: event.note.clone().unwrap_or_default(),
                about: about.map(|about| {
                    format!(
                        "{} {}",
                        about.kind.as_deref().unwrap_or_default(),
                        about.name.as_deref().unwrap_or_default()
                    )
                }),
            }
        })
        .collect();
    all.sort_by_key(|event| std::cmp::Reverse(event.at));
    all
}

/// When it happened the last time, as whoever reported it says.
fn time_of(event: &Event) -> Option<Timestamp> {
    let value = serde_json::to_value(event).unwrap_or_default();
    let places =
        [&value["series"]["lastObservedTime"], &value["deprecatedLastTimestamp"], &value["eventTime"]];
    places.into_iter().filter_map(Value::as_str).find_map(|text| text.parse().ok())
}
