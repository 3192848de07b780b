//! When the applications' certificates end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::ApplicationKey;
use crate::certificates::{Expiry, Purpose};

/// What is known of certificates. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct CertificateMetrics {
    ends: Arc<Mutex<HashMap<ApplicationKey, BTreeMap<Purpose, Timestamp>>>>,
    replaced: Family<What, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

impl CertificateMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register_collector(Box::new(Soonest(new.clone())));
        registry.register(
            "parapet_operator_authorities_replaced",
            "Authorities that could not be used or renewed any more, so that another one took their place",
            new.replaced.clone(),
        );
        new
    }

    /// What one application's certificates of these purposes are now.
    pub(crate) fn are(&self, application: &ApplicationKey, purposes: &[Purpose], expiries: &[Expiry]) {
        let mut all = self.lock();
        let ends = all.entry(application.clone()).or_default();
        ends.retain(|purpose, _| !purposes.contains(purpose));
        ends.extend(expiries.iter().map(|expiry| (expiry.what, expiry.at)));
    }

    /// The application is gone.
    pub(crate) fn forget(&self, application: &ApplicationKey) {
        self.lock().remove(application);
    }

    /// An authority took the place of one that can't be used.
    pub(crate) fn replaced(&self, what: Purpose) {
        self.replaced.get_or_create(&What { what: what.name() }).inc();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ApplicationKey, BTreeMap<Purpose, Timestamp>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end that comes first of each purpose.
    fn soonest(&self) -> BTreeMap<Purpose, Timestamp> {
        let mut soonest = BTreeMap::new();
        for (purpose, end) in self.lock().values().flatten() {
            let first = soonest.entry(*purpose).or_insert(*end);
            *first = *end.min(first);
        }
        soonest
    }
}

/// Which application's it is, its events and status say: a label for each would be one for each application that ever was.
#[derive(Debug)]
struct Soonest(CertificateMetrics);

impl Collector for Soonest {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "parapet_operator_certificate_expiry_timestamp_seconds",
            "When the first of the applications' certificates of this purpose ends, in seconds since 1970",
            None,
            MetricType::Gauge,
        )?;
        for (purpose, end) in self.0.soonest() {
            let labels = What { what: purpose.name() };
            ConstGauge::new(end.as_second()).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use parapet_api::Kind;

    use super::*;

    #[test]
    fn the_first_end_of_each_purpose_is_shown_until_its_application_is_gone() {
        let mut registry = Registry::default();
        let metrics = CertificateMetrics::register(&mut registry);
        let shown = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let values = text.lines().filter(|line| !line.starts_with('#') && line.contains("expiry"));
            values.map(|line| line.split_once('{').unwrap().1.to_owned()).collect::<Vec<_>>().join(" ")
        };
        let at = |what, second| Expiry { what, at: Timestamp::from_second(second).unwrap() };
        let (one, two) = (
            ApplicationKey::new(Kind::Elasticsearch, "ns", "a"),
            ApplicationKey::new(Kind::Kibana, "ns", "a"),
        );
        let http = [Purpose::HttpAuthority, Purpose::Http];
        assert_eq!(shown(), "");
        metrics.are(&one, &http, &[at(Purpose::HttpAuthority, 70), at(Purpose::Http, 50)]);
        metrics.are(&one, &[Purpose::Transport], &[at(Purpose::Transport, 10)]);
        metrics.are(&two, &http, &[at(Purpose::Http, 40)]);
        assert_eq!(shown(), r#"what="http_authority"} 70 what="http"} 40 what="transport"} 10"#);
        metrics.are(&two, &http, &[at(Purpose::Http, 60)]);
        assert_eq!(shown(), r#"what="http_authority"} 70 what="http"} 50 what="transport"} 10"#);
        metrics.are(&one, &http, &[]);
        assert_eq!(shown(), r#"what="http"} 60 what="transport"} 10"#, "those of the transport stay");
        metrics.forget(&one);
        metrics.forget(&two);
        assert_eq!(shown(), "");
    }
}
