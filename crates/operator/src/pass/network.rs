//! The NetworkPolicy of an application.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana, ObjectSelector};

use super::{Context, PassError, controller};
use crate::cluster::{Custom, Managed};
use crate::events::{News, Reason};
use crate::network::{Applications, ClientsError, World, is_wanted, name};

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
    let exists = cx.cluster.get::<NetworkPolicy>(namespace, &name).is_some();
    if !is_wanted(cx.options.network_policies, is_new, exists) {
        return Ok(());
    }
    let around = cx.surroundings.look(&cx.cluster, &cx.options.operator).await;
    // Most clusters are nobody's referrers: they needn't be copied.
    let own = owner.object_name();
    let names = |selector: &ObjectSelector| selector.name.as_deref() == Some(own);
    let elasticsearches =
        all::<Elasticsearch>(cx, |es| es.spec.remote_clusters.is_some() || es.spec.monitoring.is_some());
    let kibanas = all::<Kibana>(cx, |kibana| {
        names(&kibana.spec.elasticsearch_ref.target) || kibana.spec.monitoring.is_some()
    });
    let apm_servers =
        all::<ApmServer>(cx, |apm| names(&apm.spec.elasticsearch_ref.target) || names(&apm.spec.kibana_ref));
    let world = World {
        all: Applications { elasticsearches: &elasticsearches, kibanas: &kibanas, apm_servers: &apm_servers },
        operator: &cx.options.operator,
        is_ambient: around.may_be_ambient(namespace),
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

fn all<K: Managed>(cx: &Context, wanted: impl Fn(&K) -> bool) -> Vec<K> {
    let all: Vec<Arc<Custom<K>>> = cx.cluster.applications::<K>();
    let valid = all.iter().filter_map(|one| match &**one {
        Custom::Valid(object) if wanted(object) => Some((**object).clone()),
        _ => None,
    });
    valid.collect()
}
