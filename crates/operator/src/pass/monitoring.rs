//! Beats beside an application, which send what it says of itself to other clusters: the references, the Beats' configuration, and
//! what the pods get. A cluster that isn't there holds nothing: pods are made without Beats until it is, and those that have Beats
//! keep them while it is away.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PodTemplateSpec, Secret};
use parapet_api::{AssociationState, Monitoring, ObjectSelector, StackVersion, names};
use parapet_elastic::association::{AssociationKind, Target, has_authority};
use parapet_elastic::config::Credentials;
use parapet_elastic::monitoring::{Beat, Output, Source, config_name, config_secret, filebeat, metricbeat};
use parapet_elastic::pod::Sidecars;
use parapet_elastic::users;

use super::association::{Bound, Established, associate, established_before, forget_others};
use super::{Context, PassError, controller, stateless};
use crate::cluster::{Deletion, Followed, Managed, Resource};
use crate::controller::Next;
use crate::events::{News, Reason};

/// By the cluster's namespace and name.
pub(super) type States = BTreeMap<String, AssociationState>;

/// What an application says of where its metrics and logs go, and what it has already.
pub(super) struct Wanted<'a> {
    /// `spec.monitoring`.
    pub(super) monitoring: Option<&'a Monitoring>,
    /// What the status says.
    pub(super) before: Option<&'a States>,
    /// What its pods are made with now.
    pub(super) templates: Vec<&'a PodTemplateSpec>,
    /// Who Metricbeat is to the application, if that is known.
    pub(super) credentials: Option<&'a Credentials>,
    /// Where a Kibana answers.
    pub(super) base_path: Option<String>,
}

/// What it came to.
#[derive(Debug)]
pub(super) struct Monitored {
    /// For the status; none where nothing is asked for.
    pub(super) states: Option<States>,
    /// For the pods, once every reference holds or held.
    pub(super) sidecars: Option<Sidecars>,
    /// When to look again.
    pub(super) next: Next,
}

impl Monitored {
    /// The pods with the Beats.
    pub(super) fn pods(&self, template: PodTemplateSpec) -> PodTemplateSpec {
        match &self.sidecars {
            Some(sidecars) => sidecars.into_pods(template),
            None => template,
        }
    }
}

/// Puts the references and the configurations in place, or takes their leftovers away.
pub(super) async fn reconcile<K: Managed>(
    cx: &Context,
    owner: &K,
    wanted: &Wanted<'_>,
    followed: &mut BTreeSet<Followed>,
) -> Result<Monitored, PassError> {
    let Some(kind) = AssociationKind::monitoring(K::KIND) else {
        return Ok(Monitored { states: None, sidecars: None, next: Next::Wait });
    };
    let sent: Vec<(Beat, &ObjectSelector)> = sent(wanted.monitoring);
    let mut next = Next::Wait;
    let mut clusters: Vec<(&ObjectSelector, Option<Established>)> = Vec::new();
    let mut states = States::new();
    for (_, selector) in &sent {
        if clusters.iter().any(|(known, _)| known == selector) {
            continue;
        }
        let bound = associate(cx, owner, kind, selector, followed).await?;
        let place =
            format!("{}/{}", selector.namespace_or(owner.object_namespace()), selector.name_or_secret());
        states.extend(bound.state().map(|state| (place, state)));
        let to = stateless::referred(owner, kind, selector);
        if let Some(again) = stateless::waiting(cx, owner, to, &bound) {
            next = next.sooner(again);
        }
        let established = match bound {
            Bound::Unset => None,
            Bound::Established(established) => Some(*established),
            Bound::Waiting { .. } => established_before(cx, owner, kind, selector).await?,
        };
        clusters.push((selector, established));
    }
    tell(cx, owner, wanted.before, &states);
    let sidecars = sidecars(cx, owner, &sent, &clusters, wanted).await?;
    let mounted = mounted(&wanted.templates);
    let kept: Vec<&ObjectSelector> = clusters.iter().map(|(selector, _)| *selector).collect();
    forget_others(cx, owner, kind, &kept, &mounted).await?;
    for beat in Beat::ALL {
        let name = config_name(owner, beat);
        let is_used = sent.iter().any(|(used, _)| *used == beat) || mounted.contains(&name);
        if let Some(config) = cx.cluster.get::<Secret>(owner.object_namespace(), &name).filter(|_| !is_used) {
            cx.cluster.delete::<Secret>(&config.metadata, Deletion::default()).await?;
        }
    }
    Ok(Monitored { states: (!states.is_empty()).then_some(states), sidecars, next })
}

/// Who Metricbeat is to an Elasticsearch of this operator: a user of the operator's own.
pub(super) fn collector(
    cx: &Context,
    elasticsearch: &Target<'_>,
    followed: &mut BTreeSet<Followed>,
) -> Option<Credentials> {
    let Target { namespace, name } = *elasticsearch;
    let secret = names::elasticsearch::internal_users(name);
    followed.insert(Followed::ours(Resource::Secret, namespace, &secret));
    let secret = cx.cluster.get::<Secret>(namespace, &secret)?;
    let password = users::password_of(&secret, users::MONITORING)?;
    Some(Credentials::Password { username: users::MONITORING.to_owned(), password })
}

/// Which Beat sends to which cluster.
fn sent(monitoring: Option<&Monitoring>) -> Vec<(Beat, &ObjectSelector)> {
    let Some(monitoring) = monitoring else { return Vec::new() };
    let all = [(Beat::Metricbeat, &monitoring.metrics), (Beat::Filebeat, &monitoring.logs)];
    all.into_iter().filter_map(|(beat, target)| Some((beat, target.cluster()?))).collect()
}

/// All Beats, or none while anything is missing: pods are made anew once, not for each of them.
async fn sidecars<K: Managed>(
    cx: &Context,
    owner: &K,
    sent: &[(Beat, &ObjectSelector)],
    clusters: &[(&ObjectSelector, Option<Established>)],
    wanted: &Wanted<'_>,
) -> Result<Option<Sidecars>, PassError> {
    let version: StackVersion = owner.version().parse()?;
    let own = owner.object_namespace();
    let public = names::public_http_certificates(K::KIND, owner.object_name());
    let authority = cx.cluster.get::<Secret>(own, &public).is_some_and(|public| has_authority(&public));
    let mut all = Sidecars::beside(K::KIND);
    let mut configs = Vec::new();
    for (beat, selector) in sent {
        let cluster = clusters.iter().find(|(known, _)| known == selector);
        let Some(established) = cluster.and_then(|(_, established)| established.as_ref()) else {
            return Ok(None);
        };
        let output = Output {
            target: Target { name: selector.name_or_secret(), namespace: selector.namespace_or(own) },
            conf: &established.conf,
            credentials: &established.credentials,
        };
        let spelled = match beat {
            Beat::Filebeat => filebeat::<K>(&output, &version),
            Beat::Metricbeat => {
                let Some(credentials) = wanted.credentials else { return Ok(None) };
                let source = Source { credentials, authority, base_path: wanted.base_path.as_deref() };
                metricbeat(owner, &source, &output, &version)
            }
        };
        configs.push((*beat, output, spelled));
    }
    for (beat, output, spelled) in &configs {
        let live = cx.cluster.find::<Secret>(own, &config_name(owner, *beat)).await?;
        let secret = cx.apply(&config_secret(owner, *beat, spelled, live.as_deref())).await?.object;
        let text = secret.data.as_ref().and_then(|data| data.get(&beat.file()));
        let text = text.map(|text| &*text.0).unwrap_or_default();
        all.add(owner, *beat, output, authority, text, (&cx.options.objects, &version));
    }
    Ok((!configs.is_empty()).then_some(all))
}

/// The Secrets that pods are made with.
fn mounted(templates: &[&PodTemplateSpec]) -> BTreeSet<String> {
    let volumes = templates.iter().flat_map(|template| template.spec.iter().flat_map(|spec| &spec.volumes));
    volumes.flatten().filter_map(|volume| volume.secret.as_ref()?.secret_name.clone()).collect()
}

fn tell<K: Managed>(cx: &Context, owner: &K, before: Option<&States>, after: &States) {
    if after.values().all(|state| *state == AssociationState::Established) {
        cx.events.over_at(owner, Reason::AssociationError, stateless::REFERENCES);
    }
    let text = |states: Option<&States>| {
        let all = states.into_iter().flatten();
        all.map(|(place, state)| format!("{place}: {state:?}")).collect::<Vec<_>>().join(", ")
    };
    let (old, new) = (text(before), text(Some(after)));
    if old != new {
        let note = format!("The references of monitoring changed from [{old}] to [{new}]");
        let news = News::normal(Reason::AssociationStatusChange, "StatusUpdate", note);
        cx.events.tell(controller(K::KIND), owner, news);
    }
}
