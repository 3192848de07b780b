//! Who leads, and how much is managed.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

use crate::usage::{Usage, gibibytes};

/// Who leads.
#[derive(Clone, Debug, Default)]
pub struct LeaderMetrics {
    leader: Family<LeaderLabels, Gauge>,
    status: Family<LeaseLabel, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaderLabels {
    operator_namespace: String,
    uuid: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabel {
    name: &'static str,
}

impl LeaderMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register("elastic_leader", "1 where the operator works", new.leader.clone());
        registry.register("leader_election_master_status", "1 where the lease is held", new.status.clone());
        new
    }

    /// Whether the lease is held; never said with the election off.
    pub(crate) fn holds(&self, held: bool) {
        self.status.get_or_create(&LeaseLabel { name: crate::lease::LEASE }).set(i64::from(held));
    }

    /// This operator works.
    pub(crate) fn leads(&self, operator_namespace: &str, uuid: &str) {
        let labels =
            LeaderLabels { operator_namespace: operator_namespace.to_owned(), uuid: uuid.to_owned() };
        self.leader.get_or_create(&labels).set(1);
    }
}

/// How much is managed. All are gauges, whatever their names end with: so the reference has them.
#[derive(Clone, Debug, Default)]
pub struct UsageMetrics {
    units: Family<LevelLabel, Gauge>,
    total: Family<LevelLabel, Memory>,
    elasticsearch: Family<LevelLabel, Memory>,
    kibana: Family<LevelLabel, Memory>,
    apm: Family<LevelLabel, Memory>,
    enterprise_search: Family<LevelLabel, Memory>,
    logstash: Family<LevelLabel, Memory>,
}

type Memory = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LevelLabel {
    license_level: &'static str,
}

impl UsageMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let units = "Units of an enterprise licence that would be needed";
        registry.register("elastic_licensing_enterprise_resource_units_total", units, new.units.clone());
        for (name, family) in new.families() {
            let name = format!("elastic_licensing_memory_gibibytes_{name}");
            registry.register(name, "Memory that is managed, in GiB", family.clone());
        }
        new
    }

    pub(crate) fn set(&self, license_level: &'static str, usage: &Usage) {
        let label = LevelLabel { license_level };
        self.units.get_or_create(&label).set(i64::try_from(usage.units()).unwrap_or(i64::MAX));
        let values: Vec<_> = usage.parts().into_iter().chain([("total", usage.total())]).collect();
        for (name, family) in self.families() {
            let bytes = values.iter().find(|(part, _)| *part == name).map_or(0, |(_, bytes)| *bytes);
            family.get_or_create(&label).set(gibibytes(bytes));
        }
    }

    fn families(&self) -> [(&'static str, &Family<LevelLabel, Memory>); 6] {
        [
            ("total", &self.total),
            ("elasticsearch", &self.elasticsearch),
            ("kibana", &self.kibana),
            ("apm", &self.apm),
            ("enterprise_search", &self.enterprise_search),
            ("logstash", &self.logstash),
        ]
    }
}
