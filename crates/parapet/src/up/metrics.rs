//! The counters of every part, registered once; the store registers its own when it opens.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) access: parapet_access::Metrics,
    pub(crate) certificates: CertificateMetrics,
    pub(crate) collect: parapet_collect::Metrics,
    pub(crate) listen: parapet_listen::Metrics,
    pub(crate) query: parapet_query::Metrics,
    pub(crate) server: parapet_server::Metrics,
    pub(crate) telemetry: parapet_telemetry::Metrics,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        Self {
            access: parapet_access::Metrics::register(registry),
            certificates: CertificateMetrics::register(registry),
            collect: parapet_collect::Metrics::register(registry),
            listen: parapet_listen::Metrics::register(registry),
            query: parapet_query::Metrics::register(registry),
            server: parapet_server::Metrics::register(registry),
            telemetry: parapet_telemetry::Metrics::register(registry),
        }
    }
}

/// When each certificate ends.
#[derive(Clone, Default)]
pub(crate) struct CertificateMetrics(Family<ByCertificate, Gauge>);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByCertificate {
    certificate: String,
}

impl CertificateMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_certificate_expiry_timestamp_seconds",
            "When each certificate ends, in seconds since 1970",
            metrics.0.clone(),
        );
        metrics
    }

    pub(crate) fn set(&self, certificate: &str, ends: jiff::Timestamp) {
        let labels = ByCertificate { certificate: certificate.to_owned() };
        self.0.get_or_create(&labels).set(ends.as_second());
    }
}
