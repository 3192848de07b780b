//! What is done for one application: read, validate, build, apply, status. One pass decides from what is there now; nothing
//! that it needs is remembered but what [`Memory`] holds, and that may be lost at any time.

mod apm_server;
mod association;
mod begin;
mod conditions;
mod elasticsearch;
mod http;
mod keystore;
mod kibana;
mod memory;
mod mesh;
mod monitoring;
mod network;
mod notices;
mod own;
mod refused;
mod stateless;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{Kind, VersionError};
use parapet_elastic::claims::RecreationError;
use parapet_elastic::compare::{Compare, changed};
use parapet_elastic::config::ConfigError;
use parapet_elastic::users::{Hasher, RealmError};
use parapet_elastic::{runs_the_same, with_config_hash};
use rand::RngCore as _;

use crate::cluster::{Applied, Cached, Cluster, ClusterError, Deletion, Listener};
use crate::controller::{Failed, Next, Reconcile};
use crate::elasticsearch::{ClientError, Clusters, Dialling};
use crate::events::Recorder;
use crate::metrics::{CertificateMetrics, Steps};
use crate::network::OperatorPods;
use crate::settings::NetworkPolicies;
use crate::{ApplicationKey, ObjectKey, certificates};

pub use memory::Memory;
pub use surroundings::Surroundings;

/// How soon a pass comes again while something is under way that nobody tells of (the reference's figure).
pub(crate) const UNDER_WAY: Duration = Duration::from_secs(10);
/// How soon a paused application with changes is looked at again (the reference's figure).
pub(crate) const PAUSED_AGAIN: Duration = Duration::from_secs(5 * 60);

/// What passes are told by the operator's configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// What objects depend on.
    pub objects: parapet_elastic::Settings,
    /// What certificates depend on.
    pub certificates: certificates::Policy,
    /// What a specification is checked against.
    pub rules: parapet_api::validate::Rules,
    /// Whether referrers must be allowed to get what they refer to.
    pub enforce_rbac_on_refs: bool,
    /// Whether a storage class must allow what is asked of it.
    pub validate_storage_class: bool,
    /// For which applications NetworkPolicies are made.
    pub network_policies: NetworkPolicies,
    /// The operator's own pods.
    pub operator: OperatorPods,
    /// The port of the operator's webhook.
    pub webhook_port: u16,
    /// How Elasticsearch's nodes are called.
    pub dialling: Dialling,
    /// How long a call to Elasticsearch may take, if the application doesn't say (`elasticsearch-client-timeout`).
    pub elasticsearch_deadline: Duration,
    /// How often Elasticsearch is looked at, if the application doesn't say (`elasticsearch-observation-interval`); `None`:
    /// only when a pass asks.
    pub observation_interval: Option<Duration>,
}

/// What every pass works with.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// The operator's configuration.
    pub options: Options,
    /// What Elasticsearch says.
    pub clusters: Clusters,
    /// Events.
    pub events: Recorder,
    /// Makes and checks hashes of passwords.
    pub hasher: Hasher,
    /// Makes keys.
    pub keys: certificates::KeyMaker,
    /// The one authority for everything, if there is one.
    pub authority: Option<parapet_pki::Signer>,
    /// Namespaces and the service mesh.
    pub surroundings: Surroundings,
    /// Asks for a pass.
    pub enqueue: Listener,
    /// What isn't seen yet of our own writes.
    pub memory: Memory,
    /// Parts of passes that are counted for themselves.
    pub steps: Steps,
    /// When certificates end.
    pub certificate_metrics: CertificateMetrics,
    /// What time it is.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Context {
    /// The time of this pass.
    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// What certificates are made with.
    pub(crate) fn certificates(&self) -> certificates::Context<'_> {
        certificates::Context {
            policy: &self.options.certificates,
            global: self.authority.as_ref(),
            keys: &self.keys,
            now: self.now(),
        }
    }

    /// Bytes that nobody can foresee.
    pub(crate) fn random(&self) -> impl FnMut(&mut [u8]) + use<> {
        |bytes: &mut [u8]| rand::rng().fill_bytes(bytes)
    }

    /// Makes the object, or changes what differs.
    pub(crate) async fn apply<K: Cached + Compare>(&self, desired: &K) -> Result<Applied<K>, ClusterError> {
        self.cluster.apply(desired, changed).await
    }

    /// Deletes an object of the operator's by its name, if it is there.
    pub(crate) async fn remove<K: Cached>(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        match self.cluster.get::<K>(namespace, name) {
            Some(object) => self.cluster.delete::<K>(object.meta(), Deletion::default()).await,
            None => Ok(()),
        }
    }

    /// A pass begins for that application. One that had its name and is gone may have gone unnoticed between two passes: what
    /// was known of it, which cluster it had formed above all, isn't true of this one.
    pub(crate) fn meet(&self, key: &ApplicationKey, metadata: &ObjectMeta) {
        if let Some(gone) = self.memory.meets(key, metadata.uid.as_deref().unwrap_or_default()) {
            self.clusters.forget(key);
            self.events.forget(&gone);
        }
    }

    /// An application names others: their policies let its pods in. Who is named or named no more looks at that anew.
    pub(crate) fn names(&self, key: &ApplicationKey, targets: BTreeSet<ApplicationKey>) {
        if self.cluster.options().network_policies {
            self.memory.names(key, targets).iter().for_each(|target| (self.enqueue)(target));
        }
    }

    /// The operator looks after it no more: nothing of it is followed or remembered.
    pub(crate) fn release(&self, key: &ApplicationKey) {
        self.cluster.follow(key, BTreeSet::new());
        self.names(key, BTreeSet::new());
        if let Some(uid) = self.memory.forget(key) {
            self.events.forget(&uid);
        }
        self.clusters.forget(key);
        self.certificate_metrics.forget(key);
    }

    /// An application is gone: what Kubernetes doesn't collect by itself goes too.
    pub(crate) async fn forget(&self, key: &ApplicationKey) -> Result<(), PassError> {
        self.release(key);
        self.remove_softly_owned(key.kind, &key.object).await?;
        association::referrer_is_gone(self, key.kind, &key.object.namespace, &key.object.name).await
    }

    /// Secrets that carry their owner's name as labels only, so that copies elsewhere outlive it.
    async fn remove_softly_owned(&self, kind: Kind, owner: &ObjectKey) -> Result<(), PassError> {
        use parapet_api::labels::{OWNER_KIND, OWNER_NAME, OWNER_NAMESPACE};
        let wanted = BTreeMap::from([
            (OWNER_KIND, kind.name()),
            (OWNER_NAME, &*owner.name),
            (OWNER_NAMESPACE, &*owner.namespace),
        ]);
        for secret in self.cluster.labelled::<Secret>(Some(&owner.namespace), OWNER_NAME, &owner.name) {
            let labels = secret.metadata.labels.as_ref();
            let is_so = |(label, value): (&&str, &&str)| {
                labels.and_then(|all| all.get(*label)).map(String::as_str) == Some(*value)
            };
            if wanted.iter().all(is_so) {
                self.cluster.delete::<Secret>(&secret.metadata, Deletion::default()).await?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Nobody can say whether a referrer may refer.
    #[error("can't ask whether the reference is allowed")]
    Review(#[source] kube::Error),
    /// Nobody can say whether a referrer may refer.
    #[error("can't ask whether the reference is allowed: no answer in time")]
    ReviewDeadline,
    /// A version that isn't one.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The configuration of an application.
    #[error("the configuration of {of} is refused: {source}")]
    Config {
        /// Whose.
        of: String,
        /// Why.
        source: Box<ConfigError>,
    },
    /// The file realm.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// Certificates.
    #[error(transparent)]
    Certificates(#[from] certificates::CertificateError),
    /// An object lacks what it must have.
    #[error("the {what} {name} has no {missing}")]
    Incomplete {
        /// Its kind.
        what: &'static str,
        /// Its name.
        name: String,
        /// What it lacks.
        missing: String,
    },
    /// Elasticsearch.
    #[error(transparent)]
    Elasticsearch(#[from] ClientError),
    /// Elasticsearch has nobody that could be asked.
    #[error("no pod of the cluster runs that could be asked")]
    NobodyToAsk,
    /// Elasticsearch let an earlier pass wait.
    #[error("{why}")]
    LetBe {
        /// How long it isn't called.
        left: Duration,
        /// The call that it didn't answer.
        why: String,
    },
    /// Elasticsearch without what its ordinary distribution has.
    #[error("this Elasticsearch is not the default distribution, which has licences and security: {0}")]
    Distribution(#[source] ClientError),
    /// A StatefulSet is being made anew, and nobody can say how to go on.
    #[error(transparent)]
    Recreation(#[from] RecreationError),
    /// A Kubernetes node.
    #[error("can't read the node that a pod runs on")]
    Node(#[source] kube::Error),
    /// Storage classes.
    #[error("can't read the storage classes")]
    StorageClasses(#[source] kube::Error),
    /// Storage classes.
    #[error("can't read the storage classes: no answer in time")]
    StorageClassesDeadline,
    /// Users' Secrets for the keystore.
    #[error("the keystore can't be filled: {0}")]
    Keystore(#[from] parapet_elastic::files::KeystoreProblem),
}

impl PassError {
    /// Whether it lasts until somebody changes something.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Cluster(error) => !error.is_transient() && !error.is_conflict(),
            Self::Config { .. }
            | Self::Keystore(_)
            | Self::Version(_)
            | Self::Recreation(_)
            | Self::Distribution(_) => true,
            Self::Certificates(error) => error.is_users(),
            Self::Review(_)
            | Self::ReviewDeadline
            | Self::Realm(_)
            | Self::Incomplete { .. }
            | Self::Elasticsearch(_)
            | Self::NobodyToAsk
            | Self::LetBe { .. }
            | Self::Node(_)
            | Self::StorageClasses(_)
            | Self::StorageClassesDeadline => false,
        }
    }

    /// Whether an answer came too late.
    fn is_late(&self) -> bool {
        match self {
            Self::Cluster(error) => matches!(error, ClusterError::Deadline { .. }),
            Self::Elasticsearch(error) => {
                matches!(error, ClientError::Deadline { .. } | ClientError::Spent { .. })
            }
            Self::ReviewDeadline | Self::StorageClassesDeadline => true,
            Self::Review(_)
            | Self::Version(_)
            | Self::Config { .. }
            | Self::Realm(_)
            | Self::Certificates(_)
            | Self::Incomplete { .. }
            | Self::NobodyToAsk
            | Self::LetBe { .. }
            | Self::Distribution(_)
            | Self::Recreation(_)
            | Self::Node(_)
            | Self::StorageClasses(_)
            | Self::Keystore(_) => false,
        }
    }

    fn failed(self) -> Failed {
        let expected = self.is_lasting() || matches!(&self, Self::Cluster(error) if error.is_conflict());
        let late = self.is_late();
        Failed { error: self.into(), expected, late }
    }
}

/// The passes of one kind.
#[derive(Debug)]
pub struct Passes {
    cx: Arc<Context>,
    kind: Kind,
}

impl Passes {
    /// Those of `kind`.
    pub fn new(cx: Arc<Context>, kind: Kind) -> Self {
        Self { cx, kind }
    }
}

impl Reconcile for Passes {
    fn name(&self) -> &'static str {
        controller(self.kind)
    }

    async fn pass(&self, key: &ApplicationKey) -> Result<Next, Failed> {
        let cx = &*self.cx;
        match self.kind {
            Kind::Elasticsearch => elasticsearch::pass(cx, key).await,
            Kind::Kibana => kibana::pass(cx, key).await,
            Kind::ApmServer => apm_server::pass(cx, key).await,
        }
        .map_err(PassError::failed)
    }
}

/// Applies a Deployment. At a takeover the other operator's hash of the configuration stays on its pods if nothing else of them
/// would change and `same`, the configuration says what it said: no pod restarts for it.
async fn deploy(
    cx: &Context,
    live: Option<&Deployment>,
    annotation: &str,
    hash: &str,
    same: bool,
    build: impl Fn(&str) -> Deployment,
) -> Result<(), PassError> {
    let unchanged = |kept: &Deployment| same && live.is_some_and(|live| runs_the_same(live, kept));
    cx.apply(&with_config_hash(live, annotation, hash, build, unchanged)).await?;
    Ok(())
}

/// The name of a kind's controller, as events, logs and metrics have it.
pub fn controller(kind: Kind) -> &'static str {
    match kind {
        Kind::Elasticsearch => "elasticsearch-controller",
        Kind::Kibana => "kibana-controller",
        Kind::ApmServer => "apmserver-controller",
    }
}
