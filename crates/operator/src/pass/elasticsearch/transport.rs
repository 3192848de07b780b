//! Certificates of the transport: one per pod, as soon as it has an address.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use parapet_api::{Application as _, Elasticsearch, annotations, labels, names};
use serde_json::json;

use super::remote;
use crate::certificates::{
    NodeSetCertificates, Notice, RemoteInputs, TransportInputs, TransportPod, reconcile_transport,
    remote_authorities,
};
use crate::cluster::Followed;
use crate::controller::Next;
use crate::pass::notices::{self, Side};
use crate::pass::own::Own;
use crate::pass::{PassError, http};

/// What a pass needs to know of them afterwards.
pub(super) struct Transport {
    /// When to look again.
    pub(super) next: Next,
    /// What is wrong with them.
    pub(super) notices: Vec<Notice>,
}

/// Brings them up to date.
pub(super) async fn reconcile(
    own: Own<'_>,
    es: &Elasticsearch,
    live: &[Arc<StatefulSet>],
    pods: &[Arc<Pod>],
    followed: &mut BTreeSet<Followed>,
) -> Result<Transport, PassError> {
    let cx = own.cx;
    let (namespace, name) = (es.object_namespace(), es.object_name());
    let find = |secret: String| async move { own.find::<Secret>(namespace, &secret).await };
    let authority = find(names::elasticsearch::transport_authority(name)).await?;
    let public = find(names::elasticsearch::public_transport_certificates(name)).await?;
    let tls = &es.spec.transport.tls;
    let custom = match tls.certificate.secret_name.as_deref().filter(|name| !name.is_empty()) {
        Some(custom) => {
            followed.insert(Followed::secret(namespace, custom));
            cx.cluster.fetch::<Secret>(namespace, custom).await?
        }
        None => None,
    };
    let trusted = match tls.certificate_authorities.config_map_name.as_deref().filter(|name| !name.is_empty())
    {
        Some(trusted) => {
            followed.insert(Followed::config_map(namespace, trusted));
            cx.cluster.fetch::<ConfigMap>(namespace, trusted).await?
        }
        None => None,
    };
    let specified = es.spec.node_sets.iter().map(|set| names::stateful_set(name, &set.name));
    let existing = live.iter().filter_map(|set| set.metadata.name.clone());
    let sets: BTreeSet<String> = specified.chain(existing).collect();
    let mut secrets = Vec::new();
    for set in &sets {
        secrets.push(find(names::elasticsearch::transport_certificates(set)).await?);
    }
    let node_sets: Vec<NodeSetCertificates<'_>> = sets
        .iter()
        .zip(&secrets)
        .map(|(set, secret)| NodeSetCertificates {
            stateful_set: set,
            live: secret.as_deref(),
            pods: pods.iter().filter(|pod| belongs(pod, set)).filter_map(|pod| transport_pod(pod)).collect(),
        })
        .collect();
    let inputs = TransportInputs {
        authority: authority.as_deref(),
        public: public.as_deref(),
        custom: custom.as_ref(),
        trusted: trusted.as_ref(),
        node_sets: &node_sets,
    };
    let wanted = reconcile_transport(es, &inputs, &cx.certificates()).await?;
    for secret in &wanted.apply {
        own.apply(secret).await?;
    }
    let live_remote = find(names::elasticsearch::remote_authorities(name)).await?;
    let related = remote::related(cx, es, followed);
    let remote = RemoteInputs {
        live: live_remote.as_deref(),
        related: &related,
        taken_over: remote::is_taken_over(live),
    };
    own.apply(&remote_authorities(es, &wanted.authorities, &remote, cx.now())).await?;
    // Makes the kubelet look at once, instead of at its next turn in a minute.
    for pod in pods.iter().filter(|pod| wanted.changed.iter().any(|set| belongs(pod, set))) {
        let patch =
            json!({"metadata": {"annotations": {annotations::UPDATE_TIMESTAMP: cx.now().to_string()}}});
        match cx.cluster.merge_patch::<Pod>(&pod.metadata, patch).await {
            Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error.into()),
            _ => {}
        }
    }
    notices::tell(cx, es, Side::Transport, &wanted.notices, &wanted.expiries);
    Ok(Transport { next: http::until(wanted.next, cx.now()), notices: wanted.notices })
}

fn belongs(pod: &Pod, set: &str) -> bool {
    pod.metadata
        .labels
        .as_ref()
        .and_then(|all| all.get(labels::STATEFULSET_NAME))
        .is_some_and(|name| name == set)
}

fn transport_pod(pod: &Pod) -> Option<TransportPod<'_>> {
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()).and_then(|ip| ip.parse().ok());
    Some(TransportPod { name: pod.metadata.name.as_deref()?, ip })
}
