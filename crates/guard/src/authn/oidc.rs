//! Tokens of an OpenID Connect issuer, checked with keys that the issuer publishes.

mod claims;
mod fetch;
mod keys;
mod signing;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, watch};

use super::{Finding, Known};
use crate::authz::metrics::{CacheName, DecisionMetrics};
use crate::cache::{Answer, Cache, Keys};
use crate::review::Bucket;
use crate::{Clock, RefuseReason};
pub use claims::{ClaimRules, identity_of_claims};
pub use fetch::{Fetcher, OidcError};
pub use keys::KeySet;
pub use signing::{SigningAlgorithm, UnknownAlgorithm};

/// How long until the issuer is asked again after a failure; the reference's time.
const RETRY: Duration = Duration::from_secs(10);
/// How long keys are used before they are fetched again; a key that was withdrawn ends at the latest then.
const REFRESH: Duration = Duration::from_secs(30 * 60);
/// How long keys are still used if no new ones can be fetched: a night's outage of an issuer stops nobody.
const KEYS_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a key that nobody knows makes us ask the issuer: strangers can name any.
const UNKNOWN_KEY_EVERY: f64 = 10.0;
/// Tokens whose check is remembered.
const ENTRIES: u64 = 10_000;

/// Which tokens are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcRules {
    /// What the claims must be.
    pub claims: ClaimRules,
    /// Signature algorithms: asymmetric ones alone.
    pub algorithms: Vec<SigningAlgorithm>,
    /// How long a checked token is good without checking again.
    pub good_for: Duration,
}

/// Checks tokens. Until the issuer has told its keys, nobody gets in.
pub struct OidcAuthenticator {
    rules: OidcRules,
    fetcher: Fetcher,
    keys: ArcSwapOption<Fetched>,
    has_keys: watch::Sender<bool>,
    fetching: Mutex<()>,
    unknown_keys: Bucket,
    cache: Cache<Finding>,
    cache_keys: Keys,
    clock: Clock,
    metrics: DecisionMetrics,
}

struct Fetched {
    set: KeySet,
    /// On the steady clock.
    at: Duration,
}

impl OidcAuthenticator {
    /// Asks the issuer by `fetcher`, once [`OidcAuthenticator::run`] runs.
    pub fn new(rules: OidcRules, fetcher: Fetcher, clock: Clock, metrics: DecisionMetrics) -> Self {
        Self {
            rules,
            fetcher,
            keys: ArcSwapOption::empty(),
            has_keys: watch::Sender::new(false),
            fetching: Mutex::default(),
            unknown_keys: Bucket::new(1.0 / UNKNOWN_KEY_EVERY, 1, clock.clone()),
            cache: Cache::new(ENTRIES, clock.clone()),
            cache_keys: Keys::new(),
            clock,
            metrics,
        }
    }

    /// Keeps the keys fresh, forever.
    pub async fn run(&self) {
        loop {
            let wait = match self.fetch().await {
                Ok(()) => REFRESH,
                Err(error) => {
                    tracing::warn!(
                        issuer = self.rules.claims.issuer,
                        error = &error as &dyn std::error::Error,
                        "the keys of the OpenID issuer can't be fetched"
                    );
                    RETRY
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Resolves when the issuer's keys have been fetched for the first time.
    pub async fn ready(&self) {
        // The sender lives as long as `self`.
        let _ = self.has_keys.subscribe().wait_for(|has| *has).await;
    }

    async fn fetch(&self) -> Result<(), OidcError> {
        let fetched = self.fetcher.keys(&self.rules.claims.issuer).await;
        self.metrics.reloaded("oidc_keys", fetched.is_ok());
        let set = fetched?;
        self.keys.store(Some(Arc::new(Fetched { set, at: self.clock.steady() })));
        self.has_keys.send_replace(true);
        Ok(())
    }

    pub(super) async fn authenticate(&self, token: &str) -> Finding {
        let key = self.cache_keys.of([token.as_bytes()]);
        let found = self.cache.get_or_ask(key, || self.judge(token)).await;
        self.metrics.looked_up(CacheName::Oidc, &found);
        found.value
    }

    async fn judge(&self, token: &str) -> Answer<Finding> {
        let refused = |reason| Answer::passing(Finding::Refused(reason));
        let Some((algorithm, id)) = SigningAlgorithm::of(token) else {
            return refused(RefuseReason::BadCredentials);
        };
        if !self.rules.algorithms.contains(&algorithm) {
            return refused(RefuseReason::BadCredentials);
        }
        let Some(mut keys) = self.current() else {
            return Answer::failed(Finding::Undecided { retry_after: Some(RETRY) });
        };
        if !keys.set.knows(id.as_deref(), algorithm)
            && let Some(newer) = self.look_for_new_keys(&keys).await
        {
            keys = newer;
        }
        let Some(claims) = keys.set.claims(token, &self.rules.algorithms) else {
            return refused(RefuseReason::BadCredentials);
        };
        match identity_of_claims(&claims, &self.rules.claims, self.clock.now()) {
            Ok(identity) => {
                let until = identity.expires;
                let value = Finding::Known(Known::new(identity));
                Answer { until, ..Answer::lasting(value, self.rules.good_for) }
            }
            Err(reason) => refused(reason),
        }
    }

    /// Keys, if there are any that aren't too old.
    fn current(&self) -> Option<Arc<Fetched>> {
        let keys = self.keys.load_full()?;
        (self.clock.steady().saturating_sub(keys.at) < KEYS_LIFE).then_some(keys)
    }

    /// Asks the issuer for keys that are newer than `seen`, if nobody did so a moment ago.
    async fn look_for_new_keys(&self, seen: &Arc<Fetched>) -> Option<Arc<Fetched>> {
        let _one_at_a_time = self.fetching.lock().await;
        let current = self.current()?;
        if !Arc::ptr_eq(&current, seen) {
            return Some(current);
        }
        if !self.unknown_keys.take() {
            return None;
        }
        self.fetch().await.ok()?;
        self.current()
    }
}
