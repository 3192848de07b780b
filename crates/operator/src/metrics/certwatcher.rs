//! How often certificates that are served were read, by the names of controller-runtime's watcher of certificates.

use parapet_pki::{Material, PkiError, Source};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counts what was read of certificates, those of metrics and of the webhook together, as the reference does.
#[derive(Clone, Debug, Default)]
pub struct CertificateReads {
    all: Counter,
    failed: Counter,
}

impl CertificateReads {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let all = "Certificates that were read to be served";
        registry.register("certwatcher_read_certificate", all, new.all.clone());
        let failed = "Certificates that couldn't be read; those from before stayed in use";
        registry.register("certwatcher_read_certificate_errors", failed, new.failed.clone());
        new
    }

    /// The same source, its reads counted.
    pub(crate) fn of<S>(&self, source: S) -> CountedReads<S> {
        CountedReads { source, reads: self.clone() }
    }
}

/// A source of certificates whose reads are counted.
pub(crate) struct CountedReads<S> {
    source: S,
    reads: CertificateReads,
}

impl<S: Source> Source for CountedReads<S> {
    fn read(&self) -> Result<Material, PkiError> {
        let read = self.source.read();
        self.reads.all.inc();
        if read.is_err() {
            self.reads.failed.inc();
        }
        read
    }

    async fn changed(&self) {
        self.source.changed().await;
    }
}
