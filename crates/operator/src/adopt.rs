//! What this operator would change in what another one left behind, object by object and field by field, without changing it.
//!
//! The very passes are run, over a [`Cluster`] whose writes are recorded and never sent, and with an Elasticsearch that never
//! answers: what would need its answer isn't found out. Secrets that would be made are made (and thrown away), so that what
//! depends on them is right; their values are never shown.

mod report;
mod text;

use std::future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use parapet_api::{ApmServer, Elasticsearch, Kibana, Kind, labels};
use prometheus_client::registry::Registry;
use tokio::net::TcpStream;

use crate::cluster::{Change, Cluster, Custom, Journal, Managed};
use crate::controller::Reconcile as _;
use crate::elasticsearch::Dial;
use crate::events::{EventMetrics, Recorder};
use crate::foreign;
use crate::metrics::Steps;
use crate::pass::Passes;
use crate::run::{self, Parts, PassesError, RunError};
use crate::settings::Settings;
use crate::{ApplicationKey, ObjectKey};

pub use report::{FieldChange, ObjectChange, Report, Restart, Taken, Verdict, What};
pub use text::text;

/// How often all passes are run at most: each of a chain of references needs what the one before it made.
const ROUNDS: usize = 4;
/// How long the first listing may take, if the configuration doesn't say.
const LISTING: Duration = Duration::from_secs(60);

/// Which applications are looked at.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    /// Of this namespace only.
    pub namespace: Option<String>,
    /// Of this name only.
    pub name: Option<String>,
}

impl Selected {
    /// Whether it is among them.
    pub fn has(&self, key: &ObjectKey) -> bool {
        self.namespace.as_deref().is_none_or(|namespace| namespace == &*key.namespace)
            && self.name.as_deref().is_none_or(|name| name == &*key.name)
    }
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The API server didn't list everything.
    #[error(
        "not everything could be listed within {}; the rights of the operator's ClusterRole are needed to read",
        humantime::format_duration(*after)
    )]
    Listing {
        /// How long was waited.
        after: Duration,
    },
    /// The API server.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What the configuration names can't be used.
    #[error("can't be made of the configuration")]
    Passes(#[source] PassesError),
}

/// Looks at what is there and says what would be done. Nothing is written.
pub async fn survey(settings: Settings, client: Client, selected: &Selected) -> Result<Report, AdoptError> {
    let (cluster, journal) = Cluster::recording(client.clone(), run::cluster_options(&settings));
    let nobody: crate::cluster::Listener = Arc::new(|_| {});
    let watches = cluster.start(Arc::clone(&nobody));
    let after = settings.cache_startup_timeout.unwrap_or(LISTING);
    tokio::time::timeout(after, cluster.synced()).await.map_err(|_| AdoptError::Listing { after })?;
    // From here on only what is recorded changes what is seen.
    watches.end().await;
    let mut settings = settings;
    settings.elastic.default_security_context = run::security_context(&settings, &cluster).await?;
    let (events, _unwritten) = Recorder::new(client, "adopt", EventMetrics::default());
    let parts = Parts {
        settings,
        cluster: cluster.clone(),
        events,
        enqueue: nobody,
        registry: Arc::new(Mutex::new(Registry::default())),
        steps: Steps::default(),
        stop: future::pending().boxed().shared(),
    };
    let passes = run::passes_with(parts, Arc::new(NobodyAnswers)).await.map_err(AdoptError::Passes)?;
    let survey = Survey { cluster: &cluster, journal: &journal };
    let applications = survey.applications(selected);
    let mut failures = Vec::new();
    let mut before = None;
    for _ in 0..ROUNDS {
        failures = survey.round(&passes, &applications).await;
        let now = journal.places();
        if before.replace(now.clone()) == Some(now) {
            break;
        }
    }
    let taken = applications.iter().map(|key| survey.taken(key, &failures)).collect();
    Ok(Report { applications: taken })
}

/// An Elasticsearch of which nobody knows yet whether it answers.
struct NobodyAnswers;

#[async_trait]
impl Dial for NobodyAnswers {
    async fn dial(&self, _host: &str, _port: u16) -> io::Result<TcpStream> {
        future::pending().await
    }
}

type Failures = Vec<(ApplicationKey, String)>;

struct Survey<'a> {
    cluster: &'a Cluster,
    journal: &'a Journal,
}

impl Survey<'_> {
    /// In the order in which each is referred to.
    fn applications(&self, selected: &Selected) -> Vec<ApplicationKey> {
        let mut all = self.of_kind::<Elasticsearch>();
        all.extend(self.of_kind::<Kibana>());
        all.extend(self.of_kind::<ApmServer>());
        all.retain(|key| selected.has(&key.object) && self.cluster.manages(&key.object.namespace));
        all
    }

    fn of_kind<K: Managed>(&self) -> Vec<ApplicationKey> {
        let all = self.cluster.applications::<K>();
        let key =
            |one: &Arc<Custom<K>>| ApplicationKey { kind: K::KIND, object: ObjectKey::of(one.metadata()) };
        let mut keys: Vec<ApplicationKey> = all.iter().map(key).collect();
        keys.sort();
        keys
    }

    async fn round(&self, passes: &[(Kind, Passes)], applications: &[ApplicationKey]) -> Failures {
        let mut failures = Vec::new();
        for key in applications {
            self.journal.on_behalf_of(key);
            for (_, passes) in passes.iter().filter(|(kind, _)| *kind == key.kind) {
                // On the heap: whoever looks has the stack of one thread.
                if let Err(failed) = Box::pin(passes.pass(key)).await {
                    failures.push((key.clone(), failed.error.to_string()));
                }
            }
        }
        failures
    }

    fn taken(&self, key: &ApplicationKey, failures: &Failures) -> Taken {
        let recorded = self.journal.objects();
        let own = recorded.into_iter().filter(|one| one.on_behalf_of.as_ref() == Some(key));
        let mut changes: Vec<ObjectChange> = own.map(ObjectChange::from).collect();
        let annotations = self.journal.annotations(key);
        if !annotations.is_empty() {
            changes.push(ObjectChange::annotations(key, &annotations));
        }
        let restarts = self.restarts(key);
        let kept = self.kept_secrets(key);
        let failure = failures.iter().find(|(failed, _)| failed == key).map(|(_, why)| why.clone());
        let verdict = match failure.or_else(|| self.held(key)) {
            Some(why) => Verdict::Unknown { why },
            None if changes.is_empty() => Verdict::Nothing,
            None => Verdict::Changes,
        };
        Taken {
            kind: key.kind.name(),
            namespace: key.object.namespace.to_string(),
            name: key.object.name.to_string(),
            verdict,
            changes,
            restarts,
            kept_secrets: kept,
            left_alone: self.left_alone(key),
        }
    }

    /// Why a pass doesn't come to its end although it doesn't fail.
    fn held(&self, key: &ApplicationKey) -> Option<String> {
        match key.kind {
            Kind::Elasticsearch => self.held_of::<Elasticsearch>(key),
            Kind::Kibana => self.held_of::<Kibana>(key),
            Kind::ApmServer => self.held_of::<ApmServer>(key),
        }
    }

    fn held_of<K: Managed>(&self, key: &ApplicationKey) -> Option<String> {
        let found = self.cluster.application::<K>(&key.object.namespace, &key.object.name)?;
        match &*found {
            Custom::Unreadable(unreadable) => Some(format!("it can't be read: {}", unreadable.error)),
            Custom::Valid(object) => report::held(&**object, &found.status()),
        }
    }

    /// The pods that would be made anew, and why.
    fn restarts(&self, key: &ApplicationKey) -> Vec<Restart> {
        let mut restarts = Vec::new();
        for one in self.journal.objects() {
            if one.on_behalf_of.as_ref() != Some(key) {
                continue;
            }
            match &one.change {
                Change::Delete if one.resource == crate::cluster::Resource::Pod => {
                    let why = "it can't start as it is, and would be deleted".to_owned();
                    restarts.push(Restart { pod: one.key.name.to_string(), why });
                }
                Change::Update(differences) if report::touches_pods(one.resource, differences) => {
                    let why = format!("the pod template of {} {} would change", one.resource, one.key.name);
                    let pods = self.pods_of(one.resource, &one.key, key);
                    restarts.extend(pods.into_iter().map(|pod| Restart { pod, why: why.clone() }));
                }
                Change::Create | Change::Update(_) | Change::Delete => {}
            }
        }
        for pod in self.outdated(key) {
            if !restarts.iter().any(|restart| restart.pod == pod) {
                let why = "it was made of an older template than its StatefulSet has".to_owned();
                restarts.push(Restart { pod, why });
            }
        }
        restarts
    }

    fn pods(&self, key: &ApplicationKey) -> Vec<Arc<Pod>> {
        self.cluster.labelled::<Pod>(Some(&key.object.namespace), key.kind.name_label(), &key.object.name)
    }

    fn pods_of(
        &self,
        resource: crate::cluster::Resource,
        object: &ObjectKey,
        key: &ApplicationKey,
    ) -> Vec<String> {
        let belongs = |pod: &&Arc<Pod>| {
            resource != crate::cluster::Resource::StatefulSet
                || label(pod, labels::STATEFULSET_NAME) == Some(&*object.name)
        };
        let pods = self.pods(key);
        pods.iter().filter(belongs).filter_map(|pod| pod.metadata.name.clone()).collect()
    }

    /// Pods of StatefulSets whose revision is not the newest: they wait for a restart whoever looks after them.
    fn outdated(&self, key: &ApplicationKey) -> Vec<String> {
        use k8s_openapi::api::apps::v1::StatefulSet;
        let is_outdated = |pod: &&Arc<Pod>| {
            let set = label(pod, labels::STATEFULSET_NAME);
            let set = set.and_then(|set| self.cluster.get::<StatefulSet>(&key.object.namespace, set));
            let newest = set.and_then(|set| set.status.as_ref()?.update_revision.clone());
            newest
                .is_some_and(|newest| label(pod, "controller-revision-hash").is_some_and(|own| own != newest))
        };
        let pods = self.pods(key);
        pods.iter().filter(is_outdated).filter_map(|pod| pod.metadata.name.clone()).collect()
    }

    /// What nobody would look after.
    fn left_alone(&self, key: &ApplicationKey) -> Vec<String> {
        let (namespace, name) = (&key.object.namespace, &key.object.name);
        match key.kind {
            Kind::Elasticsearch => {
                match self.cluster.application::<Elasticsearch>(namespace, name).as_deref() {
                    Some(Custom::Valid(es)) => foreign::of_elasticsearch(self.cluster, es),
                    _ => Vec::new(),
                }
            }
            Kind::Kibana => match self.cluster.application::<Kibana>(namespace, name).as_deref() {
                Some(Custom::Valid(kibana)) => foreign::of_kibana(self.cluster, kibana),
                _ => Vec::new(),
            },
            Kind::ApmServer => Vec::new(),
        }
    }

    /// Secrets whose content stays what it is.
    fn kept_secrets(&self, key: &ApplicationKey) -> Vec<String> {
        use k8s_openapi::api::core::v1::Secret;
        let recorded = self.journal.objects();
        let changed = |secret: &ObjectKey| {
            recorded.iter().any(|one| {
                one.resource == crate::cluster::Resource::Secret
                    && one.key == *secret
                    && match &one.change {
                        Change::Create | Change::Delete => true,
                        Change::Update(differences) => {
                            differences.iter().any(|one| one.path.starts_with("data"))
                        }
                    }
            })
        };
        let all = self.cluster.labelled::<Secret>(
            Some(&key.object.namespace),
            key.kind.name_label(),
            &key.object.name,
        );
        let mut kept: Vec<String> = all
            .iter()
            .map(|secret| ObjectKey::of(&secret.metadata))
            .filter(|secret| !changed(secret))
            .map(|secret| secret.name.to_string())
            .collect();
        kept.sort();
        kept
    }
}

fn label<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(name).map(String::as_str)
}
