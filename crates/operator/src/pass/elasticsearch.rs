//! A pass over one Elasticsearch, in the order in which each step needs what the one before made.
//!
//! What Elasticsearch says is read from its observer; what needs its answer waits there for the next look.

mod act;
mod budgets;
mod claims;
mod desired_nodes;
mod existing;
mod leftovers;
mod licence;
mod node_labels;
mod nodes;
mod observe;
mod realm;
mod remote;
mod service_accounts;
mod status;
mod transport;
mod trial;
mod versions;

use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use parapet_api::{Application as _, Elasticsearch, Kind, StackVersion, names, validate};
use parapet_elastic::association::Target;
use parapet_elastic::{Workload as _, files, policy, services};

use nodes::{Existing, Inputs};
use status::Beside;

use super::begin::begin;
use super::http::{self, Http};
use super::mesh::{self, Looked};
use super::monitoring::{self, Monitored, Wanted};
use super::own::Own;
use super::{Context, PassError, network, refused};
use crate::certificates::Networking;
use crate::cluster::{Custom, Followed};
use crate::controller::Next;
use crate::events::Reason;
use crate::{ApplicationKey, odd};

/// One pass.
pub(super) async fn pass(cx: &Context, key: &ApplicationKey) -> Result<Next, PassError> {
    let begun = begin::<Elasticsearch, _>(cx, key, |unreadable| status::unreadable(cx, unreadable)).await?;
    let Some(Custom::Valid(es)) = begun.as_deref() else { return Ok(Next::Wait) };
    cx.names(key, crate::network::targets_of_elasticsearch(es));
    let mut errors = validate::elasticsearch(es, &cx.options.rules);
    errors.extend(versions::refused(cx, es));
    if !errors.is_empty() {
        let why = refused::refuse(cx, &**es, &errors);
        status::invalid(cx, es, &why).await?;
        return Ok(Next::Wait);
    }
    refused::warn(cx, &**es, &odd::of_elasticsearch(es));
    let mut followed = BTreeSet::new();
    // It holds all that a pass knows, which is much for the stack of a thread.
    let ended = Box::pin(reconcile(cx, key, es, &mut followed)).await;
    cx.cluster.follow(key, followed);
    match &ended {
        Ok(_) => cx.events.over_at(&**es, Reason::ReconciliationError, "Reconciliation"),
        Err(error @ PassError::Distribution(_)) => {
            refused::failed(cx, &**es, error);
            status::invalid(cx, es, &error.to_string()).await?;
        }
        // The next pass decides on what is there now; nobody needs to know.
        Err(PassError::Cluster(error)) if error.is_conflict() => {}
        Err(error) => {
            refused::failed(cx, &**es, error);
            status::failed(cx, es, error).await?;
        }
    }
    ended
}

async fn reconcile(
    cx: &Context,
    key: &ApplicationKey,
    es: &Elasticsearch,
    followed: &mut BTreeSet<Followed>,
) -> Result<Next, PassError> {
    let objects = &cx.options.objects;
    let (namespace, name) = (es.object_namespace(), es.object_name());
    let version: StackVersion = es.spec.version.parse()?;
    let scripts = files::elasticsearch_scripts(es);
    let is_new =
        !cx.cluster.has::<ConfigMap>(namespace, scripts.metadata.name.as_deref().unwrap_or_default());
    let own = Own::new(cx, is_new);
    cx.apply(&scripts).await?;
    for service in services::elasticsearch_fixed(es, objects) {
        own.apply(&service).await?;
    }
    if !services::has_remote_cluster_server(es) {
        cx.remove::<Service>(namespace, &services::remote_cluster_name(es)).await?;
    }
    realm::reconcile(own, es, followed).await?;
    let existing = Existing::of(cx, es);
    let pods = &existing.pods;
    let http = certificates(own, es, followed).await?;
    let known = observe::observe(cx, key, es, pods).await?;
    let transport = transport::reconcile(own, es, &existing.sets, pods, followed).await?;
    let labelled = node_labels::reconcile(cx, es, pods).await?;
    own.apply(&files::unicast_hosts(es, pods.iter().map(|pod| &**pod))).await?;
    observe::remember_formation(cx, es, &known).await?;
    let settings_name = names::elasticsearch::file_settings(name);
    let settings = own.find::<Secret>(namespace, &settings_name).await?;
    if let Some(settings) = files::file_settings(es, &version, settings.as_deref(), cx.now()) {
        own.apply(&settings).await?;
    }
    let keystore = super::keystore::gather(cx, es, es.spec.secure_settings.as_deref(), followed).await?;
    service_accounts::reconcile(cx, es, &version, &existing, &known).await?;
    network::reconcile(cx, es, existing.is_new(es), crate::network::elasticsearch).await?;
    let monitored = monitor(cx, es, &existing, followed).await?;
    let inputs = Inputs { version: &version, keystore, monitored: &monitored };
    let specified = under_policy(cx, es, &existing)?;
    let nodes = nodes::reconcile(own, key, &specified, &inputs, &existing, &known).await;
    let connected = remote::connect(cx, es, &known).await;
    let let_be = known.end();
    let nodes = nodes?;
    budgets::remove_those_of_roles(cx, es).await?;
    let connected = connected?;
    let looked = Looked { elasticsearches: std::slice::from_ref(es), ..Looked::default() };
    let mesh = mesh::check(cx, es, looked, &existing.pods, Some(known.last.answer.clone())).await;
    let notices = [http.notices, transport.notices].concat();
    let beside = Beside { fit: &mesh, notices: &notices, monitoring: monitored.states };
    status::reconciled(cx, es, &version, &nodes, &existing, &known, beside).await?;
    let next = http.next.sooner(transport.next).sooner(labelled).sooner(nodes.next).sooner(mesh.next());
    Ok(next.sooner(monitored.next).sooner(connected).sooner(let_be))
}

/// With what a policy of another operator left for its pods.
fn under_policy<'a>(
    cx: &Context,
    es: &'a Elasticsearch,
    existing: &Existing,
) -> Result<Cow<'a, Elasticsearch>, PassError> {
    let secret = cx.cluster.get::<Secret>(es.object_namespace(), &policy::secret_name(es));
    let templates = existing.sets.iter().filter_map(|set| set.template());
    policy::elasticsearch(es, secret.as_deref(), templates).map_err(|source| PassError::Config {
        of: format!("the Secret {}", policy::secret_name(es)),
        source: Box::new(source),
    })
}

async fn monitor(
    cx: &Context,
    es: &Elasticsearch,
    existing: &Existing,
    followed: &mut BTreeSet<Followed>,
) -> Result<Monitored, PassError> {
    let monitoring = es.spec.monitoring.as_ref();
    let itself = Target { name: es.object_name(), namespace: es.object_namespace() };
    let metrics = monitoring.and_then(|monitoring| monitoring.metrics.cluster());
    let credentials = metrics.and_then(|_| monitoring::collector(cx, &itself, followed));
    let sets = existing.sets.iter().filter_map(|set| set.spec.as_ref());
    let wanted = Wanted {
        monitoring,
        before: es.status.as_ref().and_then(|status| status.monitoring_association_status.as_ref()),
        templates: sets.map(|spec| &spec.template).collect(),
        credentials: credentials.as_ref(),
        base_path: None,
    };
    monitoring::reconcile(cx, es, &wanted, followed).await
}

async fn certificates(
    own: Own<'_>,
    es: &Elasticsearch,
    followed: &mut BTreeSet<Followed>,
) -> Result<Http, PassError> {
    let cx = own.cx;
    let (namespace, name) = (es.object_namespace(), es.object_name());
    let external = cx.cluster.get::<Service>(namespace, &names::http_service(Kind::Elasticsearch, name));
    let internal = cx.cluster.get::<Service>(namespace, &services::internal_http_name(es));
    let sets: Vec<String> =
        es.spec.node_sets.iter().map(|set| names::stateful_set(name, &set.name)).collect();
    let networking =
        Networking { external: external.as_deref(), internal: internal.as_deref(), stateful_sets: &sets };
    http::http(own, es, networking, followed).await
}
