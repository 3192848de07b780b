//! Differences between clusters, against a loop over pods.

use std::collections::BTreeSet;

use parapet_reach::model::Cluster;
use parapet_reach::render::{self, Compared, DiffType, Format};
use parapet_reach::{DecodeOptions, Options, PodId, PortSet, Reachability};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::random;

/// Source, destination, before, after.
type Line = (String, String, PortSet, PortSet);

/// What changed between pods, pair by pair.
fn naive(before: &Reachability<'_>, after: &Reachability<'_>) -> BTreeSet<Line> {
    let pods = &before.cluster().pods;
    let mut lines = BTreeSet::new();
    for (from, source) in pods.iter().enumerate() {
        for (to, destination) in pods.iter().enumerate() {
            let (old, new) =
                (before.connections(PodId(from), PodId(to)), after.connections(PodId(from), PodId(to)));
            if old != new {
                lines.insert((source.workload_string(), destination.workload_string(), old, new));
            }
        }
    }
    lines
}

fn inside(lines: Vec<render::DiffLine>) -> BTreeSet<Line> {
    let outside = |name: &str| name.ends_with("[External]");
    let inside = lines.into_iter().filter(|line| !outside(&line.source) && !outside(&line.destination));
    inside.map(|line| (line.source, line.destination, line.before, line.after)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn other_policies_change_what_a_loop_over_pods_finds(
        before in random::cluster(1),
        other in random::cluster(1),
        options in random::options(),
    ) {
        let mut after = before.clone();
        after.network_policies = other.network_policies;
        after.admin_policies = other.admin_policies;
        after.normalise();
        let (one, two) = Reachability::compute_both(&before, &after, &options);
        let lines = render::diff_lines(&one, &two, false);
        prop_assert_eq!(inside(lines.clone()), naive(&one, &two));
        // Classes that were made for one of them alone say the same.
        let (one, two) = (Reachability::compute(&before, &options), Reachability::compute(&after, &options));
        prop_assert_eq!(render::diff_lines(&one, &two, false), lines);
    }

    #[test]
    fn computed_together_verdicts_are_those_of_each_alone(
        before in random::cluster(2),
        after in random::cluster(2),
        options in random::options(),
    ) {
        let (one, two) = Reachability::compute_both(&before, &after, &options);
        for (cluster, together) in [(&before, &one), (&after, &two)] {
            let alone = Reachability::compute(cluster, &options);
            for (source, destination) in random::pairs(cluster) {
                prop_assert_eq!(alone.connections(source, destination), together.connections(source, destination));
            }
        }
    }
}

fn cluster(objects: Vec<Value>) -> Cluster {
    let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
    assert!(!cluster.incomplete, "{problems:?}");
    cluster
}

#[test]
fn what_entry_points_open_is_told_after_everything_else() {
    let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}, {"port": 81}]}});
    let ingress = |port: u16| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": port}}}}})
    };
    let closed = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
    let options = Options::default();
    let lines = |before: &[&Value], after: &[&Value]| {
        let of = |more: &[&Value]| {
            cluster([&web, &service].into_iter().chain(more.iter().copied()).cloned().collect())
        };
        let (before, after) = (of(before), of(after));
        let (one, two) = Reachability::compute_both(&before, &after, &options);
        let lines = render::diff_lines(&one, &two, false);
        let compared =
            Compared { names: ("before", "after"), options: &options, incomplete: false, compatible: true };
        (render::diff(&lines, &compared, Format::Text), lines)
    };
    let (text, _) = lines(&[], &[&ingress(80)]);
    assert_eq!(
        text,
        "Connectivity diff:\ndiff-type: added, source: {ingress-controller}, destination: shop/web[Deployment], \
         before: No Connections, after: TCP 8080\n"
    );
    let (text, _) = lines(&[&ingress(80)], &[&ingress(81)]);
    assert!(
        text.contains("diff-type: changed, source: {ingress-controller}") && text.contains("after: TCP 81")
    );
    let (_, both) = lines(&[&ingress(80)], &[&ingress(80), &closed]);
    let last = both.last().unwrap();
    assert_eq!((last.diff_type, last.from_entry_point), (DiffType::Removed, true));
    assert!(both.len() > 1 && both[..both.len() - 1].iter().all(|line| !line.from_entry_point));
    assert_eq!(lines(&[&ingress(80)], &[&ingress(80)]).1, []);
}
