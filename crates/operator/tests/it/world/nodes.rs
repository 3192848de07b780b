//! What runs in kwok's pods: a scripted Elasticsearch per cluster, whose nodes come and go with the pods, which shows the
//! certificate of the Secret that they mount, and lets in whom their file realm knows. It watches what must never happen.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use parapet_api::labels;
use parapet_elastic::users::{Hasher, INTERNAL};
use parapet_operator::elasticsearch::Dial;
use parapet_scripted_elasticsearch::{Member, Options, ScriptedElasticsearch, ShutdownKind};
use tokio::net::TcpStream;

/// What happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// It came, with this version.
    Joined(String),
    /// Its pod is gone.
    Left,
}

/// The nodes of one namespace's clusters. Clones are the same.
#[derive(Clone)]
pub(crate) struct Nodes {
    inner: Arc<Inner>,
}

struct Inner {
    namespace: String,
    hasher: Hasher,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clusters: BTreeMap<String, Cluster>,
    pods: BTreeMap<String, Pod>,
    secrets: BTreeMap<String, Secret>,
    violations: Vec<String>,
    /// Who was called, without `.svc`.
    dialled: BTreeSet<String>,
}

struct Cluster {
    elasticsearch: Arc<ScriptedElasticsearch>,
    history: Vec<(String, Happened)>,
    /// Whether it is allowed to lose nodes and data: it is deleted, or the test says so.
    given_up: bool,
}

impl Nodes {
    /// Those of that namespace; they follow nothing yet.
    pub(crate) fn new(namespace: &str) -> Self {
        let inner =
            Inner { namespace: namespace.to_owned(), hasher: Hasher::new(1000), state: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Follows pods and Secrets, for ever.
    pub(crate) async fn follow(self, client: Client) -> Result<()> {
        let pods = Api::<Pod>::namespaced(client.clone(), &self.inner.namespace);
        let secrets = Api::<Secret>::namespaced(client, &self.inner.namespace);
        let pods = watcher(pods, watcher::Config::default().labels(labels::CLUSTER_NAME))
            .map(|event| Seen::Pod(Box::new(event)));
        let secrets = watcher(secrets, watcher::Config::default()).map(|event| Seen::Secret(Box::new(event)));
        let mut all = stream::select(pods.boxed(), secrets.boxed());
        while let Some(seen) = all.next().await {
            match seen {
                Seen::Pod(event) => match (*event).context("failed to watch pods")? {
                    Event::InitApply(pod) | Event::Apply(pod) => self.pod(pod).await?,
                    Event::Delete(pod) => self.gone(&pod),
                    Event::Init | Event::InitDone => {}
                },
                Seen::Secret(event) => match (*event).context("failed to watch Secrets")? {
                    Event::InitApply(secret) | Event::Apply(secret) => self.secret(secret),
                    Event::Delete(secret) => drop(self.lock().secrets.remove(&secret.name_any())),
                    Event::Init | Event::InitDone => {}
                },
            }
        }
        Ok(())
    }

    /// The cluster of that name, which a pod or a test asked for.
    pub(crate) async fn elasticsearch(&self, name: &str) -> Result<Arc<ScriptedElasticsearch>> {
        if let Some(there) = self.lock().clusters.get(name) {
            return Ok(Arc::clone(&there.elasticsearch));
        }
        let new = Arc::new(ScriptedElasticsearch::start(Options { cluster_name: name.to_owned() }).await?);
        let mut state = self.lock();
        let cluster = state.clusters.entry(name.to_owned()).or_insert_with(|| Cluster {
            elasticsearch: new,
            history: Vec::new(),
            given_up: false,
        });
        let elasticsearch = Arc::clone(&cluster.elasticsearch);
        state.mount(&self.inner.hasher, name)?;
        Ok(elasticsearch)
    }

    /// From now on the cluster may lose nodes and data.
    pub(crate) fn give_up(&self, name: &str) {
        if let Some(cluster) = self.lock().clusters.get_mut(name) {
            cluster.given_up = true;
        }
    }

    /// What happened to the nodes of a cluster since the last call, in order.
    pub(crate) fn history(&self, name: &str) -> Vec<(String, Happened)> {
        self.lock()
            .clusters
            .get_mut(name)
            .map(|cluster| std::mem::take(&mut cluster.history))
            .unwrap_or_default()
    }

    /// The names that were called so far, with their namespace.
    pub(crate) fn dialled(&self) -> BTreeSet<String> {
        self.lock().dialled.clone()
    }

    /// What must never happen and did.
    pub(crate) fn violations(&self) -> Vec<String> {
        let state = self.lock();
        let mut all = state.violations.clone();
        for (name, cluster) in &state.clusters {
            for call in cluster.elasticsearch.refused() {
                all.push(format!("{name}: {} {}?{} isn't known", call.method, call.path, call.query));
            }
            let lost = cluster.elasticsearch.state(|state| state.voting.times_lost());
            if lost > 0 && !cluster.given_up {
                all.push(format!("{name} lost its quorum {lost} times"));
            }
        }
        all
    }

    async fn pod(&self, pod: Pod) -> Result<()> {
        let Some(cluster) = cluster_of(&pod) else { return Ok(()) };
        let elasticsearch = self.elasticsearch(&cluster).await?;
        let name = pod.name_any();
        let mut state = self.lock();
        let before = state.pods.insert(name.clone(), pod.clone());
        let terminates = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
        if terminates(&pod) && !before.as_ref().is_some_and(terminates) {
            state.terminates(&cluster, &pod);
        }
        if serves(&pod) {
            let member = member(&pod);
            let new = elasticsearch.state(|state| state.nodes.get(&name) != Some(&member));
            if new {
                let joined = Happened::Joined(member.version.clone());
                elasticsearch.join(member);
                state.happened(&cluster, &name, joined);
            }
        }
        Ok(())
    }

    fn gone(&self, pod: &Pod) {
        let Some(cluster) = cluster_of(pod) else { return };
        let mut state = self.lock();
        // A younger one may have been seen already.
        if state.pods.get(&pod.name_any()).is_some_and(|known| known.metadata.uid == pod.metadata.uid) {
            state.pods.remove(&pod.name_any());
        }
        state.leaves(&cluster, pod);
    }

    fn secret(&self, secret: Secret) {
        let mut state = self.lock();
        let name = secret.name_any();
        state.secrets.insert(name.clone(), secret);
        for suffix in [CERTIFICATES, REALM, USERS] {
            if let Some(cluster) = name.strip_suffix(suffix) {
                // Broken contents are the test's own, and stay without effect as in a kubelet's mount.
                let _ = state.mount(&self.inner.hasher, cluster);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event of one of the two watches.
enum Seen {
    Pod(Box<watcher::Result<Event<Pod>>>),
    Secret(Box<watcher::Result<Event<Secret>>>),
}

const CERTIFICATES: &str = "-es-http-certs-internal";
const REALM: &str = "-es-xpack-file-realm";
const USERS: &str = "-es-internal-users";

impl State {
    /// Brings what nodes mount into the cluster: certificate, users, tokens.
    fn mount(&self, hasher: &Hasher, cluster: &str) -> Result<()> {
        let Some(Cluster { elasticsearch, .. }) = self.clusters.get(cluster) else { return Ok(()) };
        let text = |suffix: &str, key: &str| {
            let secret = self.secrets.get(&format!("{cluster}{suffix}"))?;
            String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
        };
        if let (Some(certificate), Some(key)) = (text(CERTIFICATES, "tls.crt"), text(CERTIFICATES, "tls.key"))
        {
            elasticsearch.serve_tls(&certificate, &key)?;
        }
        let realm = pairs(&text(REALM, "users").unwrap_or_default());
        let mut passwords = BTreeMap::new();
        if let (Some(hash), Some(password)) = (realm.get(INTERNAL), text(USERS, INTERNAL))
            && hasher.fits(&password, hash)
        {
            passwords.insert(INTERNAL.to_owned(), password);
        }
        elasticsearch.set_passwords(passwords);
        let tokens = pairs(&text(REALM, "service_tokens").unwrap_or_default());
        let of_kibana = tokens.keys().filter_map(|name| name.strip_prefix("elastic/kibana/"));
        let of_kibana: BTreeSet<String> = of_kibana.map(str::to_owned).collect();
        elasticsearch.state(|state| state.kibana_tokens = of_kibana);
        Ok(())
    }

    fn happened(&mut self, cluster: &str, node: &str, what: Happened) {
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            cluster.history.push((node.to_owned(), what));
        }
    }

    /// A pod was told to end: if it is a master, all others that vote must be there.
    fn terminates(&mut self, name: &str, pod: &Pod) {
        let Some(cluster) = self.clusters.get(name).filter(|cluster| !cluster.given_up) else { return };
        let node = pod.name_any();
        let (absent, joined) = cluster.elasticsearch.state(|state| {
            let voters = state.voting.voters().difference(state.voting.exclusions());
            let absent: Vec<String> = voters
                .filter(|voter| **voter != node && !state.nodes.contains_key(*voter))
                .cloned()
                .collect();
            (absent, state.nodes.get(&node).is_some_and(Member::is_master_eligible))
        });
        let others = self.pods.values().filter(|other| {
            let is_leaving = other.metadata.deletion_timestamp.is_some() && other.name_any() != node;
            is_leaving && cluster_of(other).as_deref() == Some(name) && is_master(other) && serves_yet(other)
        });
        let leaving: Vec<String> = others.map(|pod| pod.name_any()).collect();
        if joined && !(absent.is_empty() && leaving.is_empty()) {
            let text = format!("{node} ends while other masters are away: {absent:?}, {leaving:?}");
            self.violations.push(text);
        }
    }

    /// A pod is gone: what it held must be elsewhere, or wait for its return.
    fn leaves(&mut self, name: &str, pod: &Pod) {
        let Some(cluster) = self.clusters.get(name) else { return };
        let node = pod.name_any();
        let (joined, held, comes_back, red) = cluster.elasticsearch.state(|state| {
            let joined = state
                .nodes
                .get(&node)
                .is_some_and(|member| Some(&member.incarnation) == pod.metadata.uid.as_ref());
            let held = state.shards.on(&node);
            let record = state.nodes.get(&node).and_then(|member| state.shutdowns.get(&member.id()));
            let allocation = state.persistent.get("cluster.routing.allocation.enable");
            let comes_back = record.is_some_and(|record| record.kind == ShutdownKind::Restart)
                || allocation.is_some_and(|only| only == "primaries");
            if joined {
                state.leave(&node);
            }
            (joined, held, comes_back, state.health() == "red")
        });
        let given_up = cluster.given_up;
        if !joined {
            return;
        }
        self.happened(name, &node, Happened::Left);
        if held > 0 && !comes_back && !given_up {
            self.violations.push(format!("{node} left with {held} shards, and nobody was told"));
        }
        if red && !given_up {
            self.violations.push(format!("data was missing when {node} had left"));
        }
    }
}

/// Leads names of pods and of the internal Service to the cluster that they are of, by the scheme that the pod speaks.
#[async_trait]
impl Dial for Nodes {
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let nobody =
            || io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens at {host}:{port}"));
        let address = {
            let mut state = self.lock();
            state.dialled.insert(host.trim_end_matches(".svc").to_owned());
            let parts: Vec<&str> = host.split('.').collect();
            let is_here = |place: &&str| *place == self.inner.namespace;
            let pod = match parts.as_slice() {
                [service, place, "svc"] if is_here(place) => {
                    let of_service = |suffix| service.strip_suffix(suffix);
                    let cluster = of_service("-es-internal-http").or_else(|| of_service("-es-http"));
                    state.pods.values().find(|pod| serves(pod) && cluster_of(pod).as_deref() == cluster)
                }
                [pod, subdomain, place] if is_here(place) => {
                    let of_that_set = |pod: &&Pod| label(pod, labels::STATEFULSET_NAME) == Some(*subdomain);
                    state.pods.get(*pod).filter(of_that_set).filter(|pod| serves_yet(pod))
                }
                _ => None,
            };
            let pod = pod.filter(|_| port == 9200).ok_or_else(nobody)?;
            let cluster = cluster_of(pod).and_then(|name| state.clusters.get(&name)).ok_or_else(nobody)?;
            match label(pod, labels::HTTP_SCHEME) {
                Some("http") => cluster.elasticsearch.http(),
                _ => cluster.elasticsearch.https(),
            }
        };
        TcpStream::connect(address).await
    }
}

fn label<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

fn cluster_of(pod: &Pod) -> Option<String> {
    label(pod, labels::STATEFULSET_NAME)?;
    label(pod, labels::CLUSTER_NAME).map(str::to_owned)
}

fn is_master(pod: &Pod) -> bool {
    label(pod, &labels::node_role("master")) == Some("true")
}

/// Ready, and not told to end.
fn serves(pod: &Pod) -> bool {
    serves_yet(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Ready, whatever it was told.
fn serves_yet(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn member(pod: &Pod) -> Member {
    let labels = pod.metadata.labels.iter().flatten();
    let roles = labels.filter(|(_, value)| *value == "true");
    let roles = roles.filter_map(|(name, _)| name.strip_prefix(labels::NODE_ROLE_PREFIX)).map(str::to_owned);
    let status = pod.status.as_ref();
    Member {
        name: pod.name_any(),
        incarnation: pod.metadata.uid.clone().unwrap_or_default(),
        version: label(pod, labels::ELASTICSEARCH_VERSION).unwrap_or_default().to_owned(),
        roles: roles.collect(),
        ip: status.and_then(|status| status.pod_ip.clone()).unwrap_or_default(),
    }
}

/// `name:value` in each line.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
