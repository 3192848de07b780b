//! What is counted about decisions besides their outcome.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::cache::Found;

/// Which cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CacheName {
    Token,
    Certificate,
    Oidc,
    Access,
}

impl CacheName {
    const ALL: [Self; 4] = [Self::Token, Self::Certificate, Self::Oidc, Self::Access];
}

impl EncodeLabelValue for CacheName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Oidc => "oidc",
            Self::Access => "access",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookUp {
    cache: CacheName,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    cache: CacheName,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    what: &'static str,
    result: &'static str,
}

/// Counters of caches and of what is loaded anew while the process runs.
#[derive(Clone, Debug)]
pub struct DecisionMetrics {
    /// By cache, in the order of [`CacheName::ALL`]: found once, so that a request costs an addition.
    caches: [CacheCounters; 4],
    reloads: Family<Reload, Counter>,
}

#[derive(Clone, Debug)]
struct CacheCounters {
    hits: Counter,
    misses: Counter,
    stale: Counter,
    ages: Histogram,
}

/// Seconds; the default life is 10 s, the reference's longest 300 s.
const AGES: [f64; 7] = [1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 300.0];

impl DecisionMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let lookups = Family::<LookUp, Counter>::default();
        let ages = Family::<Of, Histogram, fn() -> Histogram>::new_with_constructor(|| Histogram::new(AGES));
        let caches = CacheName::ALL.map(|cache| CacheCounters {
            hits: lookups.get_or_create_owned(&LookUp { cache, result: "hit" }),
            misses: lookups.get_or_create_owned(&LookUp { cache, result: "miss" }),
            stale: lookups.get_or_create_owned(&LookUp { cache, result: "stale" }),
            ages: ages.get_or_create_owned(&Of { cache }),
        });
        let reloads = Family::default();
        registry.register(
            "parapet_guard_cache_lookups",
            "Questions answered from a cache (hit), asked (miss), or answered with what was remembered because nobody could be asked (stale), by cache",
            lookups,
        );
        registry.register_with_unit(
            "parapet_guard_cache_answer_age",
            "Age of answers that were used again, by cache: how stale decisions are",
            Unit::Seconds,
            ages,
        );
        registry.register(
            "parapet_guard_reloads",
            "Files and keys loaded anew while running, by what and result; after a failure the last good ones stay",
            reloads.clone(),
        );
        Self { caches, reloads }
    }

    pub(crate) fn looked_up<V>(&self, cache: CacheName, found: &Found<V>) {
        let counters = &self.caches[cache as usize];
        match found.age {
            None => {
                counters.misses.inc();
            }
            Some(age) => {
                if found.is_stale {
                    counters.stale.inc()
                } else {
                    counters.hits.inc()
                };
                counters.ages.observe(age.as_secs_f64());
            }
        }
    }

    /// `what` was loaded anew, or could not be.
    pub fn reloaded(&self, what: &'static str, succeeded: bool) {
        let result = if succeeded { "success" } else { "failure" };
        self.reloads.get_or_create(&Reload { what, result }).inc();
    }
}
