//! A pass over one Kibana.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Resource as _;
use parapet_api::{
    Application as _, Condition, Kibana, KibanaStatus, Kind, StackVersion, annotations, labels, names,
    validate,
};
use parapet_elastic::association::{AssociationKind, Target};
use parapet_elastic::config::{self, Association, EncryptionKeys};
use parapet_elastic::deployment::{self, kibana_replacement};
use parapet_elastic::{files, pod, policy, services};

use super::association::{Bound, Established, associate};
use super::begin::begin;
use super::http::{self, Http};
use super::mesh::{self, Looked};
use super::monitoring::{self, Monitored, States, Wanted};
use super::own::Own;
use super::{Context, PassError, conditions, keystore, network, refused, stateless};
use crate::ApplicationKey;
use crate::cluster::{Custom, Followed};
use crate::controller::Next;
use crate::events::Reason;

/// One pass.
pub(super) async fn pass(cx: &Context, key: &ApplicationKey) -> Result<Next, PassError> {
    let begun = begin::<Kibana, _>(cx, key, |unreadable| refused::observed(cx, unreadable)).await?;
    let Some(Custom::Valid(kibana)) = begun.as_deref() else { return Ok(Next::Wait) };
    cx.names(key, crate::network::targets_of_kibana(kibana));
    let errors = validate::kibana(kibana, &cx.options.rules);
    if !errors.is_empty() {
        let why = refused::refuse(cx, &**kibana, &errors);
        incomplete(cx, kibana, &why).await?;
        return Ok(Next::Wait);
    }
    refused::warn(cx, &**kibana, &validate::kibana_warnings(kibana));
    let mut followed = BTreeSet::new();
    let ended = reconcile(cx, kibana, &mut followed).await;
    cx.cluster.follow(key, followed);
    match &ended {
        Ok(_) => cx.events.over_at(&**kibana, Reason::ReconciliationError, "Reconciliation"),
        // The next pass decides on what is there now; nobody needs to know.
        Err(PassError::Cluster(error)) if error.is_conflict() => {}
        Err(error) => {
            refused::failed(cx, &**kibana, error);
            incomplete(cx, kibana, &error.to_string()).await?;
        }
    }
    ended
}

async fn reconcile(
    cx: &Context,
    kibana: &Kibana,
    followed: &mut BTreeSet<Followed>,
) -> Result<Next, PassError> {
    let selector = &kibana.spec.elasticsearch_ref.target;
    let kind = AssociationKind::KibanaElasticsearch;
    let bound = associate(cx, kibana, kind, selector, followed).await?;
    let before = kibana.status.clone().unwrap_or_default();
    stateless::changed_state(
        cx,
        kibana,
        "elasticsearchRef",
        before.elasticsearch_association_status,
        bound.state(),
    );
    if let Some(next) = stateless::waiting(cx, kibana, stateless::referred(kibana, kind, selector), &bound) {
        let conditions = conditions::kept(&before.conditions);
        write_status(cx, kibana, &bound, None, before.monitoring_association_status, conditions).await?;
        return Ok(next);
    }
    let established = match &bound {
        Bound::Established(established) => Some(&**established),
        Bound::Unset | Bound::Waiting { .. } => None,
    };
    let objects = &cx.options.objects;
    let service = cx.apply(&services::kibana(kibana, objects)).await?.object;
    let http = http::http(Own::new(cx, false), kibana, http::by_service(&service), followed).await?;
    let deployment = names::generated(Kind::Kibana, kibana.object_name(), &[]);
    // One that lost its Deployment ran before.
    let is_new = before.version.is_none()
        && cx.cluster.get::<Deployment>(kibana.object_namespace(), &deployment).is_none();
    network::reconcile(cx, kibana, is_new, crate::network::kibana).await?;
    let version: StackVersion = kibana.spec.version.parse()?;
    let monitored = monitor(cx, kibana, established, followed).await?;
    let mut next = http.next.sooner(monitored.next);
    if stateless::may_run(cx, kibana, &version, established.as_slice()) {
        deploy(cx, kibana, &version, established, (&http, &monitored), followed).await?;
    } else {
        next = next.sooner(Next::After(super::UNDER_WAY));
    }
    let name = names::generated(Kind::Kibana, kibana.object_name(), &[]);
    let live = cx.cluster.get::<Deployment>(kibana.object_namespace(), &name);
    let pods = pods(cx, kibana);
    let running =
        live.map(|live| stateless::running(&live, pods.iter().map(|pod| &**pod), labels::KIBANA_VERSION));
    let looked = Looked { kibanas: std::slice::from_ref(kibana), ..Looked::default() };
    let fit = mesh::check(cx, kibana, looked, &pods, None).await;
    let conditions = conditions::beside(&before.conditions, &fit, &http.notices, cx.now());
    write_status(cx, kibana, &bound, running, monitored.states, conditions).await?;
    Ok(next.sooner(fit.next()))
}

async fn monitor(
    cx: &Context,
    kibana: &Kibana,
    established: Option<&Established>,
    followed: &mut BTreeSet<Followed>,
) -> Result<Monitored, PassError> {
    let monitoring = kibana.spec.monitoring.as_ref();
    let backing = &kibana.spec.elasticsearch_ref.target;
    let elasticsearch =
        Target { name: backing.name_or_secret(), namespace: backing.namespace_or(kibana.object_namespace()) };
    let metrics = monitoring.and_then(|monitoring| monitoring.metrics.cluster());
    // Kibana knows the users of its Elasticsearch; of one that isn't managed here only one is known.
    let credentials = match (metrics, established) {
        (Some(_), Some(established)) if established.external => Some(established.credentials.clone()),
        (Some(_), Some(_)) => monitoring::collector(cx, &elasticsearch, followed),
        _ => None,
    };
    let name = names::generated(Kind::Kibana, kibana.object_name(), &[]);
    let live = cx.cluster.get::<Deployment>(kibana.object_namespace(), &name);
    let wanted = Wanted {
        monitoring,
        before: kibana.status.as_ref().and_then(|status| status.monitoring_association_status.as_ref()),
        templates: live.iter().filter_map(|live| Some(&live.spec.as_ref()?.template)).collect(),
        credentials: credentials.as_ref(),
        base_path: pod::base_path(kibana),
    };
    monitoring::reconcile(cx, kibana, &wanted, followed).await
}

async fn deploy(
    cx: &Context,
    kibana: &Kibana,
    version: &StackVersion,
    target: Option<&Established>,
    (http, monitored): (&Http, &Monitored),
    followed: &mut BTreeSet<Followed>,
) -> Result<(), PassError> {
    let left = cx.cluster.get::<Secret>(kibana.object_namespace(), &policy::secret_name(kibana));
    let under_policy =
        policy::kibana(kibana, left.as_deref()).map_err(|source| refused_config(kibana, source))?;
    let kibana = &*under_policy;
    let objects = &cx.options.objects;
    let association =
        target.map(|target| Association { conf: &target.conf, credentials: target.credentials.clone() });
    let config_name = names::generated(Kind::Kibana, kibana.object_name(), &["config"]);
    let live = cx.cluster.find::<Secret>(kibana.object_namespace(), &config_name).await?;
    let keys = EncryptionKeys::kept_or_made(live.as_deref(), &mut cx.random());
    let inputs = config::KibanaInputs { elasticsearch: association.as_ref(), keys: &keys };
    let yml = config::kibana(kibana, &inputs, objects).map_err(|source| refused_config(kibana, source))?;
    let secret = cx.apply(&config::kibana_secret(kibana, &yml, live.as_deref())).await?.object;
    cx.apply(&files::kibana_scripts(kibana)).await?;
    let keystore = keystore::gather(cx, kibana, kibana.spec.secure_settings.as_deref(), followed).await?;
    let text = secret
        .data
        .as_ref()
        .and_then(|data| data.get("kibana.yml"))
        .map(|text| text.0.clone())
        .unwrap_or_default();
    let authority = target.and_then(|target| target.authority.as_deref());
    let parts = [Some(&*text), keystore.as_deref(), authority, http.leaf.as_deref()];
    let hash = parapet_elastic::config_hash(parts.into_iter().flatten());
    let same = stateless::says_the_same(live.as_deref(), "kibana.yml", &text);
    let name = names::generated(Kind::Kibana, kibana.object_name(), &[]);
    let live = cx.cluster.get::<Deployment>(kibana.object_namespace(), &name);
    let pods = pods(cx, kibana);
    let versions = pods
        .iter()
        .filter_map(|pod| pod.metadata.labels.as_ref()?.get(labels::KIBANA_VERSION))
        .map(String::as_str);
    let replacement = kibana_replacement(versions, &kibana.spec.version);
    let ca = target
        .filter(|target| target.conf.ca_cert_provided)
        .map(|target| target.conf.ca_secret_name.as_str());
    let build = |hash: &str| {
        let pod =
            pod::PodInputs { settings: objects, version, config_hash: hash, keystore: keystore.is_some() };
        let template = pod::kibana(kibana, &pod::KibanaInputs { pod, elasticsearch_ca: ca });
        deployment::kibana(kibana, monitored.pods(template), replacement)
    };
    super::deploy(cx, live.as_deref(), annotations::KIBANA_CONFIG_HASH, &hash, same, build).await
}

fn pods(cx: &Context, kibana: &Kibana) -> Vec<std::sync::Arc<Pod>> {
    cx.cluster.labelled::<Pod>(Some(kibana.object_namespace()), labels::KIBANA_NAME, kibana.object_name())
}

fn refused_config(kibana: &Kibana, source: config::ConfigError) -> PassError {
    PassError::Config { of: format!("Kibana {}", kibana.object_name()), source: Box::new(source) }
}

/// What is wrong; all else stays as it was said.
async fn incomplete(cx: &Context, kibana: &Kibana, why: &str) -> Result<(), PassError> {
    let mut status = kibana.status.clone().unwrap_or_default();
    status.observed_generation = kibana.metadata.generation;
    conditions::incomplete(&mut status.conditions, why, cx.now());
    cx.cluster.write_status::<Kibana>(kibana.meta(), &status).await?;
    Ok(())
}

async fn write_status(
    cx: &Context,
    kibana: &Kibana,
    bound: &Bound,
    running: Option<stateless::Running>,
    monitoring: Option<States>,
    conditions: Vec<Condition>,
) -> Result<(), PassError> {
    let state = bound.state();
    let mut status = KibanaStatus {
        count: Some(0),
        association_status: state,
        elasticsearch_association_status: state,
        monitoring_association_status: monitoring,
        conditions,
        observed_generation: kibana.metadata.generation,
        ..KibanaStatus::default()
    };
    if let Some(running) = running {
        status.selector = running.selector;
        status.count = Some(running.count);
        status.available_nodes = Some(running.available);
        status.version = running.version;
        status.health = Some(running.health);
    }
    cx.cluster.write_status::<Kibana>(kibana.meta(), &status).await?;
    Ok(())
}
