//! Looking at the cluster: where it is, whom to trust there, and what it says about itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Resource as _;
use parapet_api::{Application as _, Elasticsearch, GoDuration, annotations, names};
use parapet_elastic::users;

use crate::ApplicationKey;
use crate::controller::Next;
use crate::elasticsearch::{Access, Client, Observer, Pace, Password, Patience, Snapshot, Target, endpoints};
use crate::pass::{Context, PassError};

/// What is known of a cluster.
pub(super) struct Known {
    /// Who looks at it.
    pub(super) observer: Observer,
    /// What was last seen.
    pub(super) last: Arc<Snapshot>,
    patience: Arc<Patience>,
}

impl Known {
    /// What was last seen; none if nobody has looked yet since the operator began.
    pub(super) fn looked(&self) -> Option<&Snapshot> {
        Some(&*self.last).filter(|last| last.is_look())
    }

    /// Who calls the cluster in this pass. All calls of it together take no more than a few seconds of the worker's time, and there
    /// are none for a while after one that wasn't answered.
    ///
    /// # Errors
    /// Nobody may be asked now.
    pub(super) fn client(&self) -> Result<Client, PassError> {
        if let Some((left, why)) = self.observer.is_let_be() {
            return Err(PassError::LetBe { left, why });
        }
        let client = self.observer.client().ok_or(PassError::NobodyToAsk)?;
        Ok(client.with_patience(&self.patience))
    }

    /// The same, if the cluster answered when it was last looked at.
    pub(super) fn client_if_reachable(&self) -> Option<Client> {
        self.client().ok().filter(|_| self.last.reachable())
    }

    /// No call is made any more in this pass. Returns when the next one may call again, as long as the cluster is let be: what
    /// wasn't asked now must be asked then.
    pub(super) fn end(&self) -> Next {
        self.observer.let_be(&self.patience);
        self.observer.is_let_be().map_or(Next::Wait, |(left, _)| Next::After(left))
    }
}

/// Looks at the cluster from now on. Without a password of the operator's own nobody can ask.
pub(super) async fn observe(
    cx: &Context,
    key: &ApplicationKey,
    es: &Elasticsearch,
    pods: &[Arc<Pod>],
) -> Result<Known, PassError> {
    let (namespace, name) = (es.object_namespace(), es.object_name());
    let internal = names::elasticsearch::internal_users(name);
    let secret = cx.cluster.find::<Secret>(namespace, &internal).await?;
    let password = secret.as_deref().and_then(|secret| users::password_of(secret, users::INTERNAL));
    let password = password.ok_or_else(|| PassError::Incomplete {
        what: "Secret",
        name: internal,
        missing: users::INTERNAL.to_owned(),
    })?;
    let certificates = names::generated(parapet_api::Kind::Elasticsearch, name, &["http-certs-internal"]);
    let certificates = cx.cluster.find::<Secret>(namespace, &certificates).await?;
    let target = Target {
        endpoints: endpoints(es, pods.iter().map(|pod| &**pod), cx.options.dialling),
        trusted: certificates.as_deref().and_then(trusted),
        access: Access {
            user: users::INTERNAL.to_owned(),
            password: Password::new(password),
            deadline: deadline(es, cx.options.elasticsearch_deadline),
        },
        pace: pace(es, cx.options.observation_interval),
    };
    let observer = cx.clusters.observe(key, target)?;
    if es.status.is_some() {
        // Before what was seen is read: a look that is over by then is seen, and any other tells.
        observer.await_first_look();
    }
    let last = observer.last();
    Ok(Known { observer, last, patience: Arc::new(Patience::of_a_pass()) })
}

/// Writes down that the cluster was formed, and forgets with which masters it began.
pub(super) async fn remember_formation(
    cx: &Context,
    es: &Elasticsearch,
    known: &Known,
) -> Result<(), PassError> {
    let own = es.annotation(annotations::CLUSTER_UUID).filter(|uuid| !uuid.is_empty());
    let Some(uuid) = own.or(known.last.cluster_uuid.as_deref()) else { return Ok(()) };
    let annotations = BTreeMap::from([
        (annotations::CLUSTER_UUID.to_owned(), Some(uuid.to_owned())),
        (annotations::INITIAL_MASTER_NODES.to_owned(), None),
    ]);
    cx.cluster.annotate::<Elasticsearch>(es.meta(), &annotations).await?;
    Ok(())
}

/// The authority, and the leaf itself: a custom certificate may come without its authority.
fn trusted(secret: &Secret) -> Option<String> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| data.get(key).and_then(|bytes| std::str::from_utf8(&bytes.0).ok());
    let all: Vec<&str> = ["ca.crt", "tls.crt"].into_iter().filter_map(text).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

/// How long a call may take: as the annotation says, or else the operator's configuration.
fn deadline(es: &Elasticsearch, configured: Duration) -> Duration {
    duration(es, annotations::CLIENT_TIMEOUT).filter(|deadline| !deadline.is_zero()).unwrap_or(configured)
}

/// How often it is looked at: as the annotation says, or else the operator's configuration.
fn pace(es: &Elasticsearch, configured: Option<Duration>) -> Pace {
    let interval = match duration(es, annotations::OBSERVER_INTERVAL) {
        Some(interval) => Some(interval).filter(|interval| !interval.is_zero()),
        None => configured,
    };
    Pace { interval }
}

/// What an annotation says, if it says a duration. Of others its user is warned.
fn duration(es: &Elasticsearch, annotation: &str) -> Option<Duration> {
    let duration: GoDuration = es.annotation(annotation)?.parse().ok()?;
    // Below zero is as good as zero: switched off.
    Some(Duration::try_from(duration.get()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(annotation: &str, value: &str) -> Elasticsearch {
        serde_json::from_value(json!({
            "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
            "metadata": { "name": "a", "annotations": { annotation: value } },
            "spec": { "version": "8.15.3", "nodeSets": [] },
        }))
        .unwrap()
    }

    #[test]
    fn annotations_say_how_long_and_how_often_unless_they_are_no_durations() {
        let configured = Duration::from_secs(180);
        for (value, expected) in
            [("5s", 5), ("1m30s", 90), ("0", 180), ("-5s", 180), ("soon", 180), ("5", 180)]
        {
            let es = annotated("eck.k8s.elastic.co/es-client-timeout", value);
            assert_eq!(deadline(&es, configured).as_secs(), expected, "{value}");
            assert_eq!(pace(&es, Some(configured)).interval, Some(configured), "the other annotation's");
        }
        for (value, expected) in [("5s", Some(5)), ("0", None), ("-5s", None), ("soon", Some(180))] {
            let es = annotated("eck.k8s.elastic.co/es-observer-interval", value);
            assert_eq!(pace(&es, Some(configured)).interval.map(|one| one.as_secs()), expected, "{value}");
            assert_eq!(deadline(&es, configured), configured, "the other annotation's");
        }
    }
}
