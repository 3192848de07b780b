//! The NetworkPolicy of an application.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana};

use super::{Context, PassError, controller};
use crate::cluster::{Custom, Managed};
use crate::events::{News, Reason};
use crate::network::{ClientsError, Referrer, World, is_wanted, name};

/// Makes, changes or removes it. `is_new`: nothing of the application ran before this pass.
pub(super) async fn reconcile<K: Application>(
    cx: &Context,
    owner: &K,
    is_new: bool,
    build: impl FnOnce(&K, &World<'_>) -> Result<NetworkPolicy, ClientsError>,
) -> Result<(), PassError> {
    if !cx.cluster.options().network_policies {
        return Ok(());
    }
    let (namespace, name) = (owner.object_namespace(), name(owner));
    let live = cx.cluster.get::<NetworkPolicy>(namespace, &name);
    if !is_wanted(cx.options.network_policies, is_new, live.is_some()) {
        return Ok(());
    }
    let around = cx.surroundings.look(&cx.cluster, &cx.options.operator).await;
    let mut referrers = all::<Elasticsearch>(cx, Referrer::elasticsearch);
    referrers.extend(all::<Kibana>(cx, Referrer::kibana));
    referrers.extend(all::<ApmServer>(cx, Referrer::apm_server));
    let world = World {
        referrers: &referrers,
        operator: &cx.options.operator,
        is_ambient: around.may_be_ambient(namespace),
        has_proxies: around.gives_proxies(namespace),
        live: live.as_deref(),
    };
    match build(owner, &world) {
        Ok(policy) => {
            cx.apply(&policy).await?;
            cx.events.over_at(owner, Reason::Unexpected, "NetworkPolicy");
        }
        Err(error) => {
            let news = News::warning(Reason::Unexpected, "NetworkPolicy", error.to_string());
            cx.events.tell(controller(K::KIND), owner, news);
        }
    }
    Ok(())
}

/// The applications of a kind that connect to others, and those of which nobody can say.
fn all<K: Managed>(cx: &Context, referrer: fn(&K) -> Option<Referrer>) -> Vec<Referrer> {
    let of = |one: &Custom<K>| match one {
        Custom::Valid(object) => referrer(object),
        Custom::Unreadable(unreadable) => Some(Referrer::unread(K::KIND, &unreadable.metadata)),
    };
    cx.cluster.applications::<K>().iter().filter_map(|one| of(one)).collect()
}
