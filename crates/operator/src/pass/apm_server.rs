//! A pass over one APM Server.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Resource as _;
use parapet_api::{
    ApmServer, ApmServerStatus, Application as _, Condition, Kind, StackVersion, annotations, labels, names,
    validate,
};
use parapet_elastic::association::AssociationKind;
use parapet_elastic::config::{self, Association};
use parapet_elastic::{deployment, pod, services, users};

use super::association::{Bound, Established, associate};
use super::begin::begin;
use super::http::{self, Http};
use super::mesh::{self, Looked};
use super::own::Own;
use super::{Context, PassError, conditions, keystore, network, refused, stateless};
use crate::ApplicationKey;
use crate::cluster::{Custom, Followed};
use crate::controller::Next;
use crate::events::Reason;

/// One pass.
pub(super) async fn pass(cx: &Context, key: &ApplicationKey) -> Result<Next, PassError> {
    let begun = begin::<ApmServer, _>(cx, key, |unreadable| refused::observed(cx, unreadable)).await?;
    let Some(Custom::Valid(apm)) = begun.as_deref() else { return Ok(Next::Wait) };
    cx.names(key, crate::network::targets_of_apm_server(apm));
    let errors = validate::apm_server(apm, &cx.options.rules);
    if !errors.is_empty() {
        let why = refused::refuse(cx, &**apm, &errors);
        incomplete(cx, apm, &why).await?;
        return Ok(Next::Wait);
    }
    refused::warn(cx, &**apm, &validate::apm_server_warnings(apm));
    let mut followed = BTreeSet::new();
    let ended = reconcile(cx, apm, &mut followed).await;
    cx.cluster.follow(key, followed);
    match &ended {
        Ok(_) => cx.events.over_at(&**apm, Reason::ReconciliationError, "Reconciliation"),
        // The next pass decides on what is there now; nobody needs to know.
        Err(PassError::Cluster(error)) if error.is_conflict() => {}
        Err(error) => {
            refused::failed(cx, &**apm, error);
            incomplete(cx, apm, &error.to_string()).await?;
        }
    }
    ended
}

/// Its references.
struct Links {
    elasticsearch: Bound,
    kibana: Bound,
}

impl Links {
    fn elasticsearch(&self) -> Option<&Established> {
        established(&self.elasticsearch)
    }

    fn kibana(&self) -> Option<&Established> {
        established(&self.kibana)
    }
}

fn established(bound: &Bound) -> Option<&Established> {
    match bound {
        Bound::Established(established) => Some(established),
        Bound::Unset | Bound::Waiting { .. } => None,
    }
}

async fn reconcile(
    cx: &Context,
    apm: &ApmServer,
    followed: &mut BTreeSet<Followed>,
) -> Result<Next, PassError> {
    let (to_es, to_kibana) = (&apm.spec.elasticsearch_ref.target, &apm.spec.kibana_ref);
    let links = Links {
        elasticsearch: associate(cx, apm, AssociationKind::ApmElasticsearch, to_es, followed).await?,
        kibana: associate(cx, apm, AssociationKind::ApmKibana, to_kibana, followed).await?,
    };
    let before = apm.status.clone().unwrap_or_default();
    let (es_state, kibana_state) = (links.elasticsearch.state(), links.kibana.state());
    stateless::changed_state(cx, apm, "elasticsearchRef", before.elasticsearch_association_status, es_state);
    stateless::changed_state(cx, apm, "kibanaRef", before.kibana_association_status, kibana_state);
    let all = [
        (AssociationKind::ApmElasticsearch, to_es, &links.elasticsearch),
        (AssociationKind::ApmKibana, to_kibana, &links.kibana),
    ];
    let waits = all.into_iter().filter_map(|(kind, to, bound)| {
        stateless::waiting(cx, apm, stateless::referred(apm, kind, to), bound)
    });
    if let Some(next) = waits.reduce(Next::sooner) {
        write_status(cx, apm, &links, None, conditions::kept(&before.conditions)).await?;
        return Ok(next);
    }
    cx.events.over(apm, Reason::AssociationError);
    let objects = &cx.options.objects;
    let service = cx.apply(&services::apm_server(apm, objects)).await?.object;
    let http = http::http(Own::new(cx, false), apm, http::by_service(&service), followed).await?;
    // One that lost its Deployment ran before.
    let is_new = before.version.is_none()
        && cx.cluster.get::<Deployment>(apm.object_namespace(), &deployment_name(apm)).is_none();
    network::reconcile(cx, apm, is_new, crate::network::apm_server).await?;
    let version: StackVersion = apm.spec.version.parse()?;
    let mut next = http.next;
    let targets: Vec<&Established> = links.elasticsearch().into_iter().chain(links.kibana()).collect();
    if stateless::may_run(cx, apm, &version, &targets) {
        deploy(cx, apm, &version, &links, &http, followed).await?;
    } else {
        next = next.sooner(Next::After(super::UNDER_WAY));
    }
    let live = cx.cluster.get::<Deployment>(apm.object_namespace(), &deployment_name(apm));
    let pods = cx.cluster.labelled::<Pod>(Some(apm.object_namespace()), labels::APM_NAME, apm.object_name());
    let running =
        live.map(|live| stateless::running(&live, pods.iter().map(|pod| &**pod), labels::APM_VERSION));
    let looked = Looked { apm_servers: std::slice::from_ref(apm), ..Looked::default() };
    let fit = mesh::check(cx, apm, looked, &pods, None).await;
    let conditions = conditions::beside(&before.conditions, &fit, &http.notices, cx.now());
    write_status(cx, apm, &links, running, conditions).await?;
    Ok(next.sooner(fit.next()))
}

fn deployment_name(apm: &ApmServer) -> String {
    format!("{}-apm-server", apm.object_name())
}

async fn deploy(
    cx: &Context,
    apm: &ApmServer,
    version: &StackVersion,
    links: &Links,
    http: &Http,
    followed: &mut BTreeSet<Followed>,
) -> Result<(), PassError> {
    let objects = &cx.options.objects;
    let namespace = apm.object_namespace();
    let token_name = names::generated(Kind::ApmServer, apm.object_name(), &["token"]);
    let live = cx.cluster.find::<Secret>(namespace, &token_name).await?;
    let token = users::apm_token(apm, live.as_deref(), &mut cx.random());
    let token = cx.apply(&token).await?.object;
    let with = |target: Option<&Established>| target.map(|t| (t.conf.clone(), t.credentials.clone()));
    let (es, kibana) = (with(links.elasticsearch()), with(links.kibana()));
    let association = |target: &'_ Option<(parapet_elastic::association::Conf, config::Credentials)>| {
        target.as_ref().map(|(_, credentials)| credentials.clone())
    };
    let (es_credentials, kibana_credentials) = (association(&es), association(&kibana));
    let es =
        es.as_ref().zip(es_credentials).map(|((conf, _), credentials)| Association { conf, credentials });
    let kibana = kibana
        .as_ref()
        .zip(kibana_credentials)
        .map(|((conf, _), credentials)| Association { conf, credentials });
    let inputs = config::ApmServerInputs { elasticsearch: es.as_ref(), kibana: kibana.as_ref() };
    let refused = |source| PassError::Config {
        of: format!("APM Server {}", apm.object_name()),
        source: Box::new(source),
    };
    let yml = config::apm_server(apm, &inputs).map_err(refused)?;
    let config_name = names::generated(Kind::ApmServer, apm.object_name(), &["config"]);
    let live = cx.cluster.find::<Secret>(namespace, &config_name).await?;
    let secret = cx.apply(&config::apm_server_secret(apm, &yml, live.as_deref())).await?.object;
    let keystore = keystore::gather(cx, apm, apm.spec.secure_settings.as_deref(), followed).await?;
    let value = |secret: &Secret, key: &str| {
        secret.data.as_ref().and_then(|data| data.get(key)).map(|text| text.0.clone()).unwrap_or_default()
    };
    let (text, token) = (value(&secret, "apm-server.yml"), value(&token, "secret-token"));
    let authority = |target: Option<&'_ Established>| target.and_then(|target| target.authority.clone());
    let (es_ca, kibana_ca) = (authority(links.elasticsearch()), authority(links.kibana()));
    let parts = [
        Some(&*text),
        Some(&*token),
        keystore.as_deref(),
        es_ca.as_deref(),
        kibana_ca.as_deref(),
        http.leaf.as_deref(),
    ];
    let hash = parapet_elastic::config_hash(parts.into_iter().flatten());
    let same = stateless::says_the_same(live.as_deref(), "apm-server.yml", &text);
    let live = cx.cluster.get::<Deployment>(namespace, &deployment_name(apm));
    let ca = |target: Option<&'_ Established>| {
        target.filter(|target| target.conf.ca_cert_provided).map(|target| target.conf.ca_secret_name.clone())
    };
    let (elasticsearch_ca, kibana_ca) = (ca(links.elasticsearch()), ca(links.kibana()));
    let build = |hash: &str| {
        let pod =
            pod::PodInputs { settings: objects, version, config_hash: hash, keystore: keystore.is_some() };
        let inputs = pod::ApmServerInputs {
            pod,
            elasticsearch_ca: elasticsearch_ca.as_deref(),
            kibana_ca: kibana_ca.as_deref(),
        };
        deployment::apm_server(apm, pod::apm_server(apm, &inputs))
    };
    super::deploy(cx, live.as_deref(), annotations::APM_CONFIG_HASH, &hash, same, build).await
}

/// What is wrong; all else stays as it was said.
async fn incomplete(cx: &Context, apm: &ApmServer, why: &str) -> Result<(), PassError> {
    let mut status = apm.status.clone().unwrap_or_default();
    status.observed_generation = apm.metadata.generation;
    conditions::incomplete(&mut status.conditions, why, cx.now());
    cx.cluster.write_status::<ApmServer>(apm.meta(), &status).await?;
    Ok(())
}

async fn write_status(
    cx: &Context,
    apm: &ApmServer,
    links: &Links,
    running: Option<stateless::Running>,
    conditions: Vec<Condition>,
) -> Result<(), PassError> {
    let mut status = ApmServerStatus {
        count: Some(0),
        elasticsearch_association_status: links.elasticsearch.state(),
        kibana_association_status: links.kibana.state(),
        conditions,
        observed_generation: apm.metadata.generation,
        ..ApmServerStatus::default()
    };
    if let Some(running) = running {
        status.selector = running.selector;
        status.count = Some(running.count);
        status.available_nodes = Some(running.available);
        status.version = running.version;
        status.health = Some(running.health);
        status.service = Some(names::http_service(Kind::ApmServer, apm.object_name()));
        status.secret_token_secret = Some(names::generated(Kind::ApmServer, apm.object_name(), &["token"]));
    }
    cx.cluster.write_status::<ApmServer>(apm.meta(), &status).await?;
    Ok(())
}
