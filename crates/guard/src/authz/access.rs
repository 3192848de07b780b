//! What the API server says of a question, remembered for a short while.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReviewSpec,
};

use super::attributes::{Attributes, Target};
use super::metrics::{CacheName, DecisionMetrics};
use crate::cache::{Answer, Cache, Key, Keys};
use crate::review::{ReviewError, Reviews};
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

    pub(super) async fn review(&self, identity: &Identity, attributes: &Attributes) -> Access {
        let (key, bytes) = self.key(identity, attributes);
        if bytes >= REMEMBERED_BYTES {
            return self.ask(identity, attributes).await.value;
        }
        let found = self.cache.get_or_ask(key, self.ask(identity, attributes)).await;
        self.metrics.looked_up(CacheName::Access, found.age);
        found.value
    }

    async fn ask(&self, identity: &Identity, attributes: &Attributes) -> Answer<Access> {
        let status = self.reviews.access(spec(identity, attributes)).await;
        let decided = status.and_then(|status| match (status.allowed, status.denied.unwrap_or_default()) {
            (true, true) => Err(ReviewError::Contradiction),
            (allowed, _) => Ok((allowed, status.reason)),
        });
        let (value, life) = match decided {
            Ok((true, _)) => (Access::Allowed, Some(self.rules.allowed_for)),
            Ok((false, reason)) => {
                let reason = reason.unwrap_or_default();
                tracing::debug!(user = ?identity.user, verb = %attributes.verb, ?reason, "denied");
                (Access::Denied, Some(self.rules.denied_for))
            }
            Err(error) => (Access::Undecided { retry_after: error.retry_after() }, None),
        };
        Answer { value, life, until: identity.expires }
    }

    /// The key of everything that is asked, and its length.
    fn key(&self, identity: &Identity, attributes: &Attributes) -> (Key, usize) {
        let mut values: Vec<&[u8]> = Vec::with_capacity(24);
        // Counts stand before lists, so that no value can move from one list into the next.
        let (groups, extras) = (identity.groups.len().to_le_bytes(), identity.extra.len().to_le_bytes());
        values.extend([identity.user.as_bytes(), identity.uid.as_bytes(), &groups]);
        values.extend(identity.groups.iter().map(String::as_bytes));
        values.push(&extras);
        let counts: Vec<_> = identity.extra.values().map(|many| many.len().to_le_bytes()).collect();
        for ((name, many), count) in identity.extra.iter().zip(&counts) {
            values.extend([name.as_bytes(), count]);
            values.extend(many.iter().map(String::as_bytes));
        }
        values.push(attributes.verb.as_bytes());
        match &attributes.target {
            Target::Path(path) => values.extend([b"path".as_slice(), path.as_bytes()]),
            Target::Resource(resource) => {
                values.push(b"resource");
                values.extend(
                    [
                        &resource.namespace,
                        &resource.group,
                        &resource.version,
                        &resource.resource,
                        &resource.subresource,
                        &resource.name,
                    ]
                    .map(|text| text.as_bytes()),
                );
            }
        }
        let bytes = values.iter().map(|value| value.len()).sum();
        (self.keys.of(values), bytes)
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
