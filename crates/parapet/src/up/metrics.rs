//! The counters of every part, registered once; the store registers its own when it opens.

use prometheus_client::registry::Registry;

#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) access: parapet_access::Metrics,
    pub(crate) collect: parapet_collect::Metrics,
    pub(crate) guard: parapet_guard::Metrics,
    pub(crate) listen: parapet_listen::Metrics,
    pub(crate) pki: parapet_pki::Metrics,
    pub(crate) query: parapet_query::Metrics,
    pub(crate) secrets: parapet_secrets::Metrics,
    pub(crate) server: parapet_server::Metrics,
    pub(crate) telemetry: parapet_telemetry::Metrics,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        Self {
            access: parapet_access::Metrics::register(registry),
            collect: parapet_collect::Metrics::register(registry),
            guard: parapet_guard::Metrics::register(registry),
            listen: parapet_listen::Metrics::register(registry),
            pki: parapet_pki::Metrics::register(registry),
            query: parapet_query::Metrics::register(registry),
            secrets: parapet_secrets::Metrics::register(registry),
            server: parapet_server::Metrics::register(registry),
            telemetry: parapet_telemetry::Metrics::register(registry),
        }
    }
}
