//! On random clusters, the engine says what the oracle says: for every tuple, in rows, and after edits.

use parapet_reach::model::Direction;
use parapet_reach::{Change, Cluster, Endpoint, Hairpin, Options, PodId, Protocol, Reachability};
use proptest::prelude::*;

use crate::oracle::Oracle;
use crate::random::{self, PORTS};

fn check(cluster: &Cluster, options: &Options) -> Result<(), TestCaseError> {
    let engine = Reachability::compute(cluster, options);
    let oracle = Oracle { cluster, options };
    for (source, destination) in random::pairs(cluster) {
        let ports = engine.connections(source, destination);
        for protocol in Protocol::ALL {
            for port in PORTS {
                prop_assert_eq!(
                    ports.contains(protocol, port),
                    oracle.allowed(source, destination, protocol, port),
                    "{:?} -> {:?} {:?} {}",
                    source,
                    destination,
                    protocol,
                    port
                );
            }
        }
    }
    Ok(())
}

/// Explanations end in the verdict that they explain.
fn check_explanations(cluster: &Cluster, options: &Options) -> Result<(), TestCaseError> {
    let engine = Reachability::compute(cluster, options);
    for (source, destination) in random::pairs(cluster) {
        for port in [80, 443, 8080] {
            let explained = engine.explain(source, destination, Protocol::Tcp, port);
            let allowed = engine.allowed(source, destination, Protocol::Tcp, port);
            prop_assert_eq!(explained.allowed, allowed, "{:#?}", explained);
            let halves =
                [(&explained.egress, source, destination), (&explained.ingress, destination, source)];
            for (side, subject, peer) in halves {
                let half = engine.half(side.direction, subject, peer);
                prop_assert_eq!(
                    side.allowed,
                    half.contains(Protocol::Tcp, port),
                    "{:#?} {}",
                    explained,
                    half
                );
            }
        }
    }
    Ok(())
}

/// Rows hold exactly the verdicts that single questions give.
fn check_rows(engine: &Reachability<'_>) -> Result<(), TestCaseError> {
    let ingress = engine.external_ranges(Direction::Ingress);
    let egress = engine.external_ranges(Direction::Egress);
    let end_of = |class: usize| Endpoint::Pod(engine.class_example(class));
    let mut seen = 0;
    let mut failures = Vec::new();
    engine.rows(|row| {
        let classes = row.source_classes.iter().map(|class| (Some(*class), end_of(*class)));
        let ranges = row.source_ranges.iter().map(|range| (None, Endpoint::Address(ingress[*range].first)));
        for (class, source) in classes.chain(ranges) {
            seen += 1;
            let mut expect = |destination: Endpoint, ports: Option<&parapet_reach::PortSet>| {
                let single = engine.half(Direction::Egress, source, destination).intersection(engine.half(
                    Direction::Ingress,
                    destination,
                    source,
                ));
                let none = parapet_reach::PortSet::none();
                if single != *ports.unwrap_or(&none) {
                    failures
                        .push(format!("{source:?} -> {destination:?}: {single} but the row says {ports:?}"));
                }
            };
            for destination in 0..engine.class_count() {
                let group = row.groups.iter().find(|group| group.classes.contains(destination as u32));
                expect(end_of(destination), group.map(|group| &*group.ports));
            }
            for (index, range) in egress.iter().enumerate() {
                if class.is_some() {
                    let group = row.groups.iter().find(|group| group.ranges.contains(index as u32));
                    expect(Endpoint::Address(range.last), group.map(|group| &*group.ports));
                }
            }
        }
    });
    prop_assert_eq!(failures, Vec::<String>::new());
    prop_assert_eq!(seen, engine.class_count() + ingress.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn network_policies_alone(cluster in random::cluster(0), options in random::options()) {
        check(&cluster, &options)?;
    }

    #[test]
    fn with_administrators_policies(cluster in random::cluster(4), options in random::options()) {
        check(&cluster, &options)?;
    }

    #[test]
    fn explanations_end_in_the_verdict(cluster in random::cluster(3), options in random::options()) {
        check_explanations(&cluster, &options)?;
    }

    #[test]
    fn rows_say_what_single_questions_say(cluster in random::cluster(2), options in random::options()) {
        check_rows(&Reachability::compute(&cluster, &options))?;
    }

    #[test]
    fn an_edit_is_as_good_as_a_new_computation(
        cluster in random::cluster(2),
        options in random::options(),
        edits in proptest::collection::vec((random::network_policy(), any::<prop::sample::Index>(), 0..3), 1..5),
    ) {
        let mut engine = Reachability::compute(&cluster, &options);
        let mut edited = cluster.clone();
        for (number, (policy, index, what)) in edits.into_iter().enumerate() {
            let existing = (!edited.network_policies.is_empty())
                .then(|| index.index(edited.network_policies.len()));
            let change = match (existing, what) {
                (Some(index), 0) => {
                    let old = edited.network_policies.remove(index);
                    Change::Remove { namespace: old.namespace.to_string(), name: old.name.to_string() }
                }
                (Some(index), 1) => {
                    let mut new = policy;
                    new.namespace = edited.network_policies[index].namespace.clone();
                    new.name = edited.network_policies[index].name.clone();
                    edited.network_policies[index] = new.clone();
                    Change::Put(new)
                }
                _ => {
                    let mut new = policy;
                    new.name = format!("new-{number}").into();
                    edited.network_policies.push(new.clone());
                    Change::Put(new)
                }
            };
            engine.edit(change);
            edited.normalise();
            let anew = Reachability::compute(&edited, &options);
            for (source, destination) in random::pairs(&cluster) {
                prop_assert_eq!(
                    engine.connections(source, destination),
                    anew.connections(source, destination),
                    "{:?} -> {:?}", source, destination
                );
            }
            check_rows(&engine)?;
        }
    }

    #[test]
    fn a_pod_reaches_itself_through_a_service_as_the_mode_says(
        cluster in random::cluster(4),
        options in random::options(),
        hairpin in prop::sample::select(vec![Hairpin::Subject, Hairpin::Allowed]),
    ) {
        let options = Options { hairpin, ..options };
        let engine = Reachability::compute(&cluster, &options);
        let oracle = Oracle { cluster: &cluster, options: &options };
        for pod in 0..cluster.pods.len() {
            let ports = engine.through_service(PodId(pod));
            for protocol in Protocol::ALL {
                for port in PORTS {
                    let expected = oracle.through_service(PodId(pod), protocol, port);
                    prop_assert_eq!(ports.contains(protocol, port), expected, "{} {:?} {}", pod, protocol, port);
                }
            }
        }
    }

    #[test]
    fn sources_of_a_port_are_those_that_may_connect(cluster in random::cluster(1), options in random::options()) {
        let engine = Reachability::compute(&cluster, &options);
        let pods = || (0..cluster.pods.len()).map(PodId);
        for destination in pods() {
            let expected: Vec<PodId> = pods()
                .filter(|source| *source != destination || cluster.pods[source.0].replicas > 1)
                .filter(|source| engine.allowed(*source, destination, Protocol::Tcp, 80))
                .collect();
            prop_assert_eq!(engine.sources(destination, Protocol::Tcp, 80), expected);
        }
    }
}
