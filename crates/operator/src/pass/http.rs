//! HTTP certificates of any kind of application: read what is there, write what should be.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, Service};
use parapet_api::{Application, names};

use super::PassError;
use super::notices::{self, Side};
use super::own::Own;
use crate::certificates::{HttpInputs, Networking, Notice, reconcile_http};
use crate::cluster::Followed;
use crate::controller::Next;

/// What a pass needs to know of them afterwards.
pub(super) struct Http {
    /// What is shown, for the hash that restarts those who read it once; none without TLS.
    pub(super) leaf: Option<Vec<u8>>,
    /// When to look again.
    pub(super) next: Next,
    /// What is wrong with them.
    pub(super) notices: Vec<Notice>,
}

/// Brings the certificates up to date.
pub(super) async fn http<K: Application>(
    own: Own<'_>,
    owner: &K,
    networking: Networking<'_>,
    followed: &mut BTreeSet<Followed>,
) -> Result<Http, PassError> {
    let cx = own.cx;
    let namespace = owner.object_namespace();
    let name = |part: &str| names::generated(K::KIND, owner.object_name(), &["http", part]);
    let authority = own.find::<Secret>(namespace, &name("ca-internal")).await?;
    let internal = own.find::<Secret>(namespace, &name("certs-internal")).await?;
    let public = own.find::<Secret>(namespace, &name("certs-public")).await?;
    let custom = match owner.http().tls.certificate.secret_name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => {
            followed.insert(Followed::secret(namespace, name));
            cx.cluster.fetch::<Secret>(namespace, name).await?
        }
        None => None,
    };
    let inputs = HttpInputs {
        authority: authority.as_deref(),
        internal: internal.as_deref(),
        public: public.as_deref(),
        custom: custom.as_ref(),
        networking,
    };
    let wanted = reconcile_http(owner, &inputs, &cx.certificates()).await?;
    let mut leaf = None;
    for secret in &wanted.apply {
        let applied = own.apply(secret).await?.object;
        if applied.metadata.name.as_deref() == Some(&name("certs-internal")) {
            leaf = applied.data.as_ref().and_then(|data| data.get("tls.crt")).map(|text| text.0.clone());
        }
    }
    for name in &wanted.delete {
        cx.remove::<Secret>(namespace, name).await?;
    }
    notices::tell(cx, owner, Side::Http, &wanted.notices, &wanted.expiries);
    Ok(Http { leaf, next: until(wanted.next, cx.now()), notices: wanted.notices })
}

/// When to look again, if at all.
pub(super) fn until(at: Option<Timestamp>, now: Timestamp) -> Next {
    /// An overdue time is not a reason to spin.
    const SOONEST: Duration = Duration::from_secs(1);
    at.map_or(Next::Wait, |at| {
        let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        Next::After(left.max(SOONEST))
    })
}

/// How Kibana and APM Server are reached: by their one Service.
pub(super) fn by_service(service: &Service) -> Networking<'_> {
    Networking { external: Some(service), internal: None, stateful_sets: &[] }
}
