//! Tokens that the API server reviews.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::TokenReviewStatus;

use super::jwt::TokenTimes;
use super::{Finding, Known, identity};
use crate::authz::metrics::{CacheName, DecisionMetrics};
use crate::cache::{Answer, Cache, Keys};
use crate::review::{Bucket, Reviews};
use crate::{AuthnMethod, Clock, Identity, RefuseReason};

/// Sources of bad tokens that are remembered; the least active make room.
const SOURCES: u64 = 10_000;

/// What is asked of a token, and how long an answer holds.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRules {
    /// A token must be meant for one of these. Empty: for the API server itself.
    pub audiences: Vec<String>,
    /// An API server that says nothing of audiences has not checked them. The reference takes its answer all the same.
    pub accept_unchecked_audience: bool,
    /// How long a good token is good without asking again.
    pub good_for: Duration,
    /// How long a bad token is bad without asking again.
    pub bad_for: Duration,
    /// How much longer a good token is good while the API server can't be asked; never beyond its end.
    pub stale_for: Duration,
    /// Answers kept.
    pub entries: u64,
    /// Bad tokens per second, and at once, that one source may cause questions by. None: any number.
    pub bad_per_source: Option<(f64, u32)>,
}

/// Asks the API server, and remembers for a while.
pub struct TokenAuthenticator {
    reviews: Arc<Reviews>,
    rules: TokenRules,
    cache: Cache<Finding>,
    keys: Keys,
    sources: Option<moka::sync::Cache<Option<IpAddr>, Arc<Bucket>>>,
    clock: Clock,
    metrics: DecisionMetrics,
}

impl TokenAuthenticator {
    /// Asks through `reviews`.
    pub fn new(reviews: Arc<Reviews>, rules: TokenRules, clock: Clock, metrics: DecisionMetrics) -> Self {
        Self {
            reviews,
            cache: Cache::new(rules.entries, clock.clone()),
            keys: Keys::new(),
            sources: rules.bad_per_source.map(|_| moka::sync::Cache::new(SOURCES)),
            rules,
            clock,
            metrics,
        }
    }

    pub(super) async fn authenticate(&self, token: &str, from: Option<SocketAddr>) -> Finding {
        let audiences = self.rules.audiences.iter().map(String::as_bytes);
        let key = self.keys.of([token.as_bytes()].into_iter().chain(audiences));
        let found = self.cache.get_or_ask(key, || self.ask(token, from)).await;
        self.metrics.looked_up(CacheName::Token, &found);
        found.value
    }

    async fn ask(&self, token: &str, from: Option<SocketAddr>) -> Answer<Finding> {
        let (now, times) = (self.clock.now(), TokenTimes::of(token));
        if times.is_over(now) || times.is_early(now) {
            // Not worth a place among the answers: it costs less to look again.
            return Answer::passing(Finding::Refused(RefuseReason::Expired));
        }
        let source = self.source(from);
        if source.as_ref().is_some_and(|bucket| !bucket.has_one()) {
            return Answer::passing(Finding::Refused(RefuseReason::Throttled));
        }
        let status = match self.reviews.token(token, &self.rules.audiences).await {
            Ok(status) => status,
            Err(error) => {
                let value = Finding::Undecided { retry_after: error.retry_after() };
                return Answer::failed(value);
            }
        };
        match self.judge(status, times) {
            Ok(identity) => {
                let value = Finding::Known(Known::new(identity));
                // Within the leeway after its end the API server may still accept it; then for this request alone.
                let until = times.ends;
                Answer { until, spare: self.rules.stale_for, ..Answer::lasting(value, self.rules.good_for) }
            }
            Err(reason) => {
                if let Some(bucket) = source {
                    bucket.take();
                }
                Answer::lasting(Finding::Refused(reason), self.rules.bad_for)
            }
        }
    }

    fn judge(&self, status: TokenReviewStatus, times: TokenTimes) -> Result<Identity, RefuseReason> {
        if status.authenticated != Some(true) {
            // Its text may hold parts of the token and isn't repeated.
            return Err(RefuseReason::BadCredentials);
        }
        if !self.rules.audiences.is_empty() {
            match status.audiences.as_deref() {
                None | Some([]) if self.rules.accept_unchecked_audience => {}
                None | Some([]) => return Err(RefuseReason::Audience),
                Some(audiences) if audiences.iter().any(|one| self.rules.audiences.contains(one)) => {}
                Some(_) => return Err(RefuseReason::Audience),
            }
        }
        let user = status.user.ok_or(RefuseReason::BadCredentials)?;
        identity::complete(Identity {
            user: user.username.unwrap_or_default(),
            uid: user.uid.unwrap_or_default(),
            groups: user.groups.unwrap_or_default(),
            extra: user.extra.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
            method: AuthnMethod::Token,
            expires: times.ends,
        })
    }

    /// The budget of bad tokens of where this one comes from.
    fn source(&self, from: Option<SocketAddr>) -> Option<Arc<Bucket>> {
        let (sources, (rate, burst)) = (self.sources.as_ref()?, self.rules.bad_per_source?);
        let address = from.map(|address| network(address.ip()));
        Some(sources.get_with(address, || Arc::new(Bucket::new(rate, burst, self.clock.clone()))))
    }
}

/// One host of IPv4; of IPv6 the 64 bits that one host may choose the rest of.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("10.1.2.3"), "10.1.2.3");
        assert_eq!(of("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
