//! What is counted: ends of certificates, reloads, phases of rotations, and whether this is FIPS.

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::rotation::Phase;
use crate::{RefusalReason, Validity, fips_enabled};

/// Counters of all sources and authorities of a process; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    expiry: Family<ByCertificate, Gauge>,
    reloads: Family<BySource, Counter>,
    refused: Family<ByReason, Counter>,
    phase: Family<ByPhase, Gauge>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByCertificate {
    certificate: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct BySource {
    source: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByReason {
    source: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByPhase {
    authority: &'static str,
    phase: &'static str,
}

impl Metrics {
    /// Puts the counters into `registry`. `Metrics::default()` counts without being seen.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_certificate_expiry_timestamp_seconds",
            "When each certificate ends, in seconds since 1970",
            metrics.expiry.clone(),
        );
        registry.register(
            "parapet_pki_reloads",
            "Certificates and bundles that were read and taken into use, the first ones included",
            metrics.reloads.clone(),
        );
        registry.register(
            "parapet_pki_refused_reloads",
            "Certificates and bundles that were unusable, by reason; the last good ones stayed in use",
            metrics.refused.clone(),
        );
        registry.register(
            "parapet_pki_rotation_phase",
            "1 for the phase that the rotation of an authority is in, 0 for the others",
            metrics.phase.clone(),
        );
        let fips: Gauge = Gauge::default();
        fips.set(i64::from(fips_enabled()));
        registry.register("parapet_fips_enabled", "1 if all cryptography is a FIPS module's", fips);
        metrics
    }

    /// Shows when a certificate ends.
    pub fn set_expiry(&self, certificate: &'static str, ends: Timestamp) {
        self.expiry.get_or_create(&ByCertificate { certificate }).set(ends.as_second());
    }

    /// Shows the phase of an authority's rotation.
    pub fn set_phase(&self, authority: &'static str, current: Phase) {
        for phase in Phase::ALL {
            let labels = ByPhase { authority, phase: phase.name() };
            self.phase.get_or_create(&labels).set(i64::from(phase == current));
        }
    }

    pub(crate) fn reloaded(&self, source: &'static str, validity: Option<Validity>) {
        self.reloads.get_or_create(&BySource { source }).inc();
        if let Some(validity) = validity {
            self.set_expiry(source, validity.not_after);
        }
    }

    pub(crate) fn refused(&self, source: &'static str, reason: RefusalReason) {
        self.refused.get_or_create(&ByReason { source, reason: reason.name() }).inc();
    }
}
