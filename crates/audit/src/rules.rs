//! All rules, one file per group.

mod access;
mod authorities;
mod egress;
mod elasticsearch;
mod images;
mod isolation;
mod listening;
mod mesh;
mod metrics;
mod pods;
mod policies;
mod posture;
mod receivers;
mod repair;
mod secrets;

pub(crate) use isolation::ingress_backends;
pub(crate) use listening::is_its_client;
pub(crate) use mesh::same_cluster;
pub(crate) use metrics::monitors::targets;
pub(crate) use metrics::scrapes::scrapes;
pub(crate) use policies::target_port;
pub(crate) use repair::{admits, lets_through};

use crate::finding::{Finding, Findings};
use crate::rule::Rule;
use crate::world::World;

/// All rules, in the order of their ids within each group.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    GROUPS.iter().flat_map(|rules| rules.iter())
}

/// The rule of an id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// Everything that is wrong, in the order of files and places.
pub(crate) fn run(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in all() {
        let mut found = Findings::new(world, rule);
        (rule.check)(world, &mut found);
        findings.append(&mut found.finish());
    }
    findings.sort_by(|a, b| {
        (&a.place, a.rule.id, &a.path, &a.message).cmp(&(&b.place, b.rule.id, &b.path, &b.message))
    });
    findings.dedup_by(|a, b| (&a.place, a.rule.id, &a.message) == (&b.place, b.rule.id, &b.message));
    findings
}

const GROUPS: &[&[Rule]] = &[
    isolation::RULES,
    policies::RULES,
    egress::RULES,
    receivers::RULES,
    listening::RULES,
    secrets::RULES,
    elasticsearch::RULES,
    mesh::RULES,
    metrics::RULES,
    pods::RULES,
    access::RULES,
    images::RULES,
    authorities::RULES,
    posture::RULES,
];
