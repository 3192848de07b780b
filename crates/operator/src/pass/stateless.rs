//! What Kibana and APM Server have in common: a Deployment whose pods read their configuration once, at their start.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use parapet_api::{Application, Health, ObjectSelector, StackVersion};
use parapet_elastic::association::{AssociationKind, Gate, gate};
use parapet_elastic::same_settings;

use super::association::{Bound, Established};
use super::{Context, controller};
use crate::controller::Next;
use crate::events::{News, Reason, Related};

/// The action of events about references that don't hold.
pub(super) const REFERENCES: &str = "AssociationConfiguration";

/// Tells of a reference that doesn't hold yet, and when to look again. `to`: what it refers to, so that of several each is told.
pub(super) fn waiting<K: Application>(cx: &Context, object: &K, to: Related, bound: &Bound) -> Option<Next> {
    let (reason, action) = (Reason::AssociationError, REFERENCES);
    let Bound::Waiting { why, again, .. } = bound else {
        cx.events.over_about(object, reason, action, &to);
        return None;
    };
    let news = News::warning(reason, action, why.clone()).about(to);
    cx.events.tell(controller(K::KIND), object, news);
    Some(again.map_or(Next::Wait, Next::After))
}

/// What a reference of that application's refers to, for events: the application, or the Secret that describes it.
pub(super) fn referred<K: Application>(
    object: &K,
    kind: AssociationKind,
    selector: &ObjectSelector,
) -> Related {
    let secret = selector.secret_name.as_deref().filter(|name| !name.is_empty());
    match secret {
        Some(secret) => Related::core("Secret", object.object_namespace(), secret),
        None => Related::application(
            kind.target(),
            selector.namespace_or(object.object_namespace()),
            selector.name.as_deref().unwrap_or_default(),
        ),
    }
}

/// Tells of a reference whose state changed, with the old and the new one in brackets.
pub(super) fn changed_state<K: Application>(
    cx: &Context,
    object: &K,
    what: &'static str,
    old: Option<parapet_api::AssociationState>,
    new: Option<parapet_api::AssociationState>,
) {
    if old == new {
        return;
    }
    let text = |state: Option<parapet_api::AssociationState>| {
        state.map(|state| format!("{state:?}")).unwrap_or_default()
    };
    let note = format!("The reference {what} changed from [{}] to [{}]", text(old), text(new));
    cx.events.tell(
        controller(K::KIND),
        object,
        News::normal(Reason::AssociationStatusChange, "StatusUpdate", note),
    );
}

/// Whether the application may run its version beside its targets' yet; if not, it is told of and stays as it is.
pub(super) fn may_run<K: Application>(
    cx: &Context,
    object: &K,
    version: &StackVersion,
    targets: &[&Established],
) -> bool {
    for target in targets.iter().filter(|target| !target.external) {
        let runs: Option<StackVersion> = target.conf.version.parse().ok();
        let why = match gate(version, runs.as_ref()) {
            Gate::Open => continue,
            Gate::Unknown => {
                format!("{} waits until the version of {} is known", K::KIND.name(), target.conf.url)
            }
            Gate::Older(older) => {
                format!(
                    "{} {version} waits until {} runs it; now it runs {older}",
                    K::KIND.name(),
                    target.conf.url
                )
            }
        };
        cx.events.tell(controller(K::KIND), object, News::warning(Reason::Delayed, "VersionCheck", why));
        return false;
    }
    cx.events.over(object, Reason::Delayed);
    true
}

/// Whether a configuration says what it said when `live` was written, or was not there before.
pub(super) fn says_the_same(live: Option<&Secret>, file: &str, text: &[u8]) -> bool {
    let before = live.and_then(|secret| secret.data.as_ref()?.get(file));
    before.is_none_or(|before| match (std::str::from_utf8(&before.0), std::str::from_utf8(text)) {
        (Ok(before), Ok(text)) => same_settings(before, text),
        _ => false,
    })
}

/// What a status says of a Deployment and its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    /// For the scale subresource.
    pub(super) selector: Option<String>,
    /// How many there are.
    pub(super) count: i32,
    /// How many are ready.
    pub(super) available: i32,
    /// The lowest version of any pod.
    pub(super) version: Option<String>,
    /// Green if the Deployment is available.
    pub(super) health: Health,
}

/// Reads the Deployment and its pods, whose label `version_label` has their version.
pub(super) fn running<'a>(
    deployment: &Deployment,
    pods: impl IntoIterator<Item = &'a Pod>,
    version_label: &str,
) -> Running {
    let spec = deployment.spec.as_ref();
    let labels = spec.and_then(|spec| spec.selector.match_labels.as_ref());
    let selector = labels
        .map(|all| all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","));
    let status = deployment.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let available =
        conditions.iter().any(|condition| condition.type_ == "Available" && condition.status == "True");
    let version_of =
        |pod: &Pod| pod.metadata.labels.as_ref()?.get(version_label)?.parse::<StackVersion>().ok();
    Running {
        selector,
        count: status.and_then(|status| status.replicas).unwrap_or_default(),
        available: status.and_then(|status| status.available_replicas).unwrap_or_default(),
        version: pods.into_iter().filter_map(version_of).min().map(|version| version.to_string()),
        health: if available { Health::Green } else { Health::Red },
    }
}
