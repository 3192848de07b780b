//! What the API server says of a question, remembered for a short while.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReviewSpec,
};

use super::attributes::{Attributes, Resource, Target};
use super::metrics::{CacheName, DecisionMetrics};
use crate::authn::Known;
use crate::cache::{Answer, Cache, Key, Keys};
use crate::review::{ReviewError, Reviews, unsure};
use crate::{Clock, Identity};

/// Questions with longer texts are asked each time: whoever sends them chose them. The reference's bound.
const REMEMBERED_BYTES: usize = 10_000;

/// How long answers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRules {
    /// A yes.
    pub allowed_for: Duration,
    /// A no.
    pub denied_for: Duration,
    /// How much longer a yes holds while the API server can't be asked. The reference has nothing like it.
    pub stale_for: Duration,
    /// Answers kept.
    pub entries: u64,
}

/// Asks the API server.
pub struct AccessReviewer {
    reviews: Arc<Reviews>,
    rules: AccessRules,
    cache: Cache<Access>,
    keys: Keys,
    metrics: DecisionMetrics,
}

#[derive(Clone, Debug)]
pub(super) enum Access {
    Allowed,
    Denied,
    Undecided { retry_after: Option<Duration> },
}

impl AccessReviewer {
    /// Asks through `reviews`.
    pub fn new(reviews: Arc<Reviews>, rules: AccessRules, clock: Clock, metrics: DecisionMetrics) -> Self {
        Self { reviews, cache: Cache::new(rules.entries, clock), rules, keys: Keys::new(), metrics }
    }

    pub(super) async fn review(&self, known: &Known, attributes: &Attributes) -> Access {
        let (key, bytes) = self.key(known, attributes);
        let ask = || self.ask(&known.identity, attributes);
        if bytes >= REMEMBERED_BYTES {
            return Box::pin(ask()).await.value;
        }
        let found = self.cache.get_or_ask(key, ask).await;
        self.metrics.looked_up(CacheName::Access, &found);
        found.value
    }

    async fn ask(&self, identity: &Identity, attributes: &Attributes) -> Answer<Access> {
        let status = self.reviews.access(spec(identity, attributes)).await;
        let decided = status.and_then(|status| match (status.allowed, status.denied.unwrap_or_default()) {
            (true, true) => Err(ReviewError::Contradiction),
            (allowed, _) => Ok((allowed, unsure(&status).is_some(), status.reason)),
        });
        let until = identity.expires;
        match decided {
            Ok((true, ..)) => {
                let lasting = Answer::lasting(Access::Allowed, self.rules.allowed_for);
                Answer { until, spare: self.rules.stale_for, ..lasting }
            }
            Ok((false, is_unsure, reason)) => {
                let reason = reason.unwrap_or_default();
                tracing::debug!(user = ?identity.user, verb = %attributes.verb, ?reason, "denied");
                match is_unsure {
                    // Whoever failed may allow it a moment later.
                    true => Answer::passing(Access::Denied),
                    false => Answer { until, ..Answer::lasting(Access::Denied, self.rules.denied_for) },
                }
            }
            Err(error) => Answer::failed(Access::Undecided { retry_after: error.retry_after() }),
        }
    }

    /// The key of everything that is asked, and its length.
    fn key(&self, known: &Known, attributes: &Attributes) -> (Key, usize) {
        let verb = attributes.verb.as_bytes();
        let bytes = |values: &[&[u8]]| known.bytes + values.iter().map(|value| value.len()).sum::<usize>();
        match &attributes.target {
            Target::Path(path) => {
                let values = [&known.name, verb, b"path", path.as_bytes()];
                (self.keys.of(values), bytes(&values))
            }
            Target::Resource(resource) => {
                let Resource { namespace, group, version, resource, subresource, name } = resource;
                let texts =
                    [namespace, group, version, resource, subresource, name].map(|text| text.as_bytes());
                let [namespace, group, version, resource, subresource, name] = texts;
                let values =
                    [&known.name, verb, b"resource", namespace, group, version, resource, subresource, name];
                (self.keys.of(values), bytes(&values))
            }
        }
    }
}

fn spec(identity: &Identity, attributes: &Attributes) -> SubjectAccessReviewSpec {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let verb = some(&attributes.verb);
    let (path, resource) = match &attributes.target {
        Target::Path(path) => (Some(NonResourceAttributes { path: some(path), verb }), None),
        Target::Resource(asked) => {
            let attributes = ResourceAttributes {
                namespace: some(&asked.namespace),
                group: some(&asked.group),
                version: some(&asked.version),
                resource: some(&asked.resource),
                subresource: some(&asked.subresource),
                name: some(&asked.name),
                verb,
                ..ResourceAttributes::default()
            };
            (None, Some(attributes))
        }
    };
    SubjectAccessReviewSpec {
        user: some(&identity.user),
        uid: some(&identity.uid),
        groups: (!identity.groups.is_empty()).then(|| identity.groups.clone()),
        extra: (!identity.extra.is_empty()).then(|| identity.extra.clone()),
        non_resource_attributes: path,
        resource_attributes: resource,
    }
}
