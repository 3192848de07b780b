//! The few labels that tell a workload from its neighbours.

use std::collections::BTreeMap;

use parapet_reach::model::{Labels, Selector};

use crate::units::{Unit, UnitId, Units};

/// Labels that say what something is and don't change while it lives, the best first.
const IDENTITY: [&str; 16] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "common.k8s.elastic.co/type",
    "elasticsearch.k8s.elastic.co/cluster-name",
    "kibana.k8s.elastic.co/name",
    "apm.k8s.elastic.co/name",
    "k8s-app",
    "app",
    "control-plane",
    "component",
    "role",
    "name",
    "tier",
    "service",
    "app.kubernetes.io/part-of",
];

/// Labels that controllers set, that change with each roll-out, or that name one pod.
const FLEETING: [&str; 12] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
    "controller-uid",
    "job-name",
    "helm.sh/chart",
    "app.kubernetes.io/version",
];

/// How a workload is selected in its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// `matchLabels`; without any, the whole namespace.
    pub(crate) labels: BTreeMap<String, String>,
    /// Other workloads that they match too: no label tells them apart.
    pub(crate) also: Vec<UnitId>,
}

impl Choice {
    /// As a selector.
    pub(crate) fn selector(&self) -> Selector {
        Selector::labels(self.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// The fewest labels, the best ones kept, that match `unit` and as few others of its namespace as all its labels do.
    pub(crate) fn of(id: UnitId, units: &Units) -> Self {
        let unit = units.get(id);
        let mut labels: Vec<(&str, &str)> =
            unit.labels.iter().filter(|(key, _)| !FLEETING.contains(key)).collect();
        labels.sort_by_key(|(key, _)| rank(key));
        let neighbours: Vec<(UnitId, &Unit)> = units
            .iter()
            .filter(|(other, neighbour)| *other != id && neighbour.namespace == unit.namespace)
            .collect();
        let also = matched(&neighbours, &labels);
        // From the worst label on: what can go without matching more, goes. The best one stays, because a policy that
        // selects a whole namespace would also select whatever comes later.
        let mut at = labels.len();
        while at > 1 {
            at -= 1;
            let mut without = labels.clone();
            without.remove(at);
            if matched(&neighbours, &without) == also {
                labels = without;
            }
        }
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { labels, also }
    }
}

fn rank(key: &str) -> (usize, &str) {
    (IDENTITY.iter().position(|known| *known == key).unwrap_or(IDENTITY.len()), key)
}

/// The neighbours of which some pod may have all of `labels`.
fn matched(neighbours: &[(UnitId, &Unit)], labels: &[(&str, &str)]) -> Vec<UnitId> {
    let has_all = |of_pod: &Labels| labels.iter().all(|(key, value)| of_pod.get(key) == Some(value));
    let matches = |unit: &Unit| unit.variants.iter().any(has_all);
    neighbours.iter().filter(|(_, unit)| matches(unit)).map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use parapet_reach::model::{Cluster, Pod};

    use super::*;

    fn chosen(pods: &[&[(&str, &str)]]) -> (BTreeMap<String, String>, usize) {
        let mut cluster = Cluster::default();
        for (index, labels) in pods.iter().enumerate() {
            let labels: Labels = labels.iter().copied().collect();
            cluster.pods.push(Pod::new("a", &format!("p{index}"), labels));
        }
        cluster.normalise();
        let units = Units::of(&cluster);
        let choice = Choice::of(UnitId(0), &units);
        (choice.labels, choice.also.len())
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn one_label_that_says_what_it_is_is_enough() {
        let all = [("app", "web"), ("pod-template-hash", "x"), ("team", "a")];
        assert_eq!(chosen(&[&all, &[("app", "db")]]), (labels(&[("app", "web")]), 0));
    }

    #[test]
    fn labels_that_separate_stay() {
        let got = chosen(&[&[("app", "web"), ("track", "stable")], &[("app", "web"), ("track", "canary")]]);
        assert_eq!(got, (labels(&[("app", "web"), ("track", "stable")]), 0));
    }

    #[test]
    fn what_nothing_separates_is_told() {
        assert_eq!(
            chosen(&[&[("app", "web")], &[("app", "web"), ("x", "y")]]),
            (labels(&[("app", "web")]), 1)
        );
        assert_eq!(chosen(&[&[("pod-template-hash", "1")], &[("app", "web")]]), (labels(&[]), 1));
    }
}
