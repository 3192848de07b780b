//! What is counted. Labels are names, versions are in the status: a label per version would grow without end.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::{Location, Reason};

/// Counters of this crate; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    resolved: Family<BySecret, Counter>,
    failed: Family<ByFailure, Counter>,
    last_success: Family<BySecret, Gauge>,
    changed: Family<BySecret, Counter>,
    applied: Family<ByOutcome, Counter>,
    vault_logins: Family<ByOutcome, Counter>,
    vault_renewals: Family<ByRenewal, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySecret {
    provider: String,
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFailure {
    provider: String,
    path: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRenewal {
    what: &'static str,
    outcome: &'static str,
}

/// What a call to keep something alive was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    Token,
    Lease,
}

impl Metrics {
    /// Puts the counters into `registry`. `Metrics::default()` counts without being seen, for tests and tools.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_secrets_resolves",
            "Times a secret was read from its provider",
            metrics.resolved.clone(),
        );
        registry.register(
            "parapet_secrets_failures",
            "Times a secret could not be read, by reason",
            metrics.failed.clone(),
        );
        registry.register(
            "parapet_secrets_last_success_timestamp_seconds",
            "When a secret was last read, in seconds since 1970",
            metrics.last_success.clone(),
        );
        registry.register(
            "parapet_secrets_changes",
            "Times a secret was found to be another than before",
            metrics.changed.clone(),
        );
        registry.register(
            "parapet_secrets_applies",
            "Times a version was offered to its user, by outcome (applied, refused)",
            metrics.applied.clone(),
        );
        registry.register(
            "parapet_secrets_vault_logins",
            "Logins to Vault, by outcome (ok, failed)",
            metrics.vault_logins.clone(),
        );
        registry.register(
            "parapet_secrets_vault_renewals",
            "Renewals of Vault's tokens and leases, by outcome (ok, failed)",
            metrics.vault_renewals.clone(),
        );
        metrics
    }

    pub(crate) fn success(&self, location: &Location, at: jiff::Timestamp) {
        self.resolved.get_or_create(&by_secret(location)).inc();
        self.last_success.get_or_create(&by_secret(location)).set(at.as_second());
    }

    pub(crate) fn failure(&self, location: &Location, reason: Reason) {
        let BySecret { provider, path } = by_secret(location);
        self.failed.get_or_create(&ByFailure { provider, path, reason: reason.as_str() }).inc();
    }

    pub(crate) fn change(&self, location: &Location) {
        self.changed.get_or_create(&by_secret(location)).inc();
    }

    pub(crate) fn apply(&self, applied: bool) {
        let outcome = if applied { "applied" } else { "refused" };
        self.applied.get_or_create(&ByOutcome { outcome }).inc();
    }

    pub(crate) fn vault_login(&self, ok: bool) {
        self.vault_logins.get_or_create(&ByOutcome { outcome: outcome(ok) }).inc();
    }

    pub(crate) fn vault_renewal(&self, what: Renewed, ok: bool) {
        let what = match what {
            Renewed::Token => "token",
            Renewed::Lease => "lease",
        };
        self.vault_renewals.get_or_create(&ByRenewal { what, outcome: outcome(ok) }).inc();
    }

    /// A secret that nobody asks for any more has no series either.
    pub(crate) fn forget(&self, location: &Location) {
        let labels = by_secret(location);
        self.resolved.remove(&labels);
        self.last_success.remove(&labels);
        self.changed.remove(&labels);
    }
}

fn by_secret(location: &Location) -> BySecret {
    BySecret { provider: location.provider.to_string(), path: location.path.to_string() }
}

fn outcome(ok: bool) -> &'static str {
    if ok { "ok" } else { "failed" }
}
