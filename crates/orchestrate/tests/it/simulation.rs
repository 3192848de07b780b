//! A cluster that lives: pods come and go, shards are copied, masters vote, Elasticsearch is away at times, and the operator
//! dies at any step. What it is told by plans must keep the invariants O-1 to O-4.

mod elasticsearch;
mod operator;
mod seen;
mod world;

use proptest::prelude::*;

use operator::{End, Violation, carry_out};
use world::{Budgets, Index, Set, Spec, World};

/// What happens, one after the other.
#[derive(Clone, Debug)]
enum Event {
    /// Controllers and Elasticsearch get on.
    Tick,
    /// The operator makes a pass.
    Pass,
    /// It dies after so many steps of its plan.
    PassDies(usize),
    /// The answer to the write after so many steps is lost.
    PassIsDeaf(usize),
    /// Somebody deletes a pod, whichever it is.
    Kill(usize),
    /// Elasticsearch doesn't answer for the next passes.
    Away(u8),
    /// The user changes the specification.
    Change(Change),
    /// The watches tell of so many changes of StatefulSets and of pods. Who isn't late has seen them anyhow.
    Told(usize, usize),
    /// Elasticsearch is looked at.
    Look,
}

/// A change of the specification.
#[derive(Clone, Debug)]
enum Change {
    /// Another number of nodes.
    Scale(usize, u32),
    /// Another template.
    Template(usize),
    /// Another template, with which no pod starts.
    Break(usize),
    /// A new version.
    Version,
    /// A group gets another name: a new one comes, the old one goes.
    Rename(usize),
    /// A group becomes masters, or stops to be.
    Master(usize),
}

/// `lateness`: how often something is seen that isn't seen at once.
fn events(lateness: u32) -> impl Strategy<Value = Vec<Event>> {
    let change = prop_oneof![
        3 => (0..3usize, 0..6u32).prop_map(|(set, count)| Change::Scale(set, count)),
        3 => (0..3usize).prop_map(Change::Template),
        1 => (0..3usize).prop_map(Change::Break),
        2 => Just(Change::Version),
        1 => (0..3usize).prop_map(Change::Rename),
        1 => (0..3usize).prop_map(Change::Master),
    ];
    let event = prop_oneof![
        8 => Just(Event::Tick),
        8 => Just(Event::Pass),
        2 => (0..6usize).prop_map(Event::PassDies),
        1 => (0..9usize).prop_map(Event::Kill),
        1 => (1..4u8).prop_map(Event::Away),
        2 => change.prop_map(Event::Change),
        lateness => (0..4usize, 0..6usize).prop_map(|(sets, pods)| Event::Told(sets, pods)),
        lateness => Just(Event::Look),
        lateness / 4 => (0..6usize).prop_map(Event::PassIsDeaf),
    ];
    prop::collection::vec(event, 0..if lateness > 0 { 120 } else { 60 })
}

fn specs() -> impl Strategy<Value = Spec> {
    let set = (1..5u32, any::<bool>(), any::<bool>()).prop_map(|(count, master, data)| Set {
        name: String::new(),
        count,
        master,
        data,
        template: 1,
        broken: false,
    });
    let budgets = (
        prop_oneof![3 => Just(Some(1)), 1 => Just(Some(2)), 1 => Just(None)],
        prop_oneof![2 => Just(None), 1 => Just(Some(1))],
    )
        .prop_map(|(max_unavailable, max_surge)| Budgets { max_unavailable, max_surge });
    (prop::collection::vec(set, 1..4), budgets, any::<bool>()).prop_map(|(sets, budgets, old)| {
        let named = sets.into_iter().enumerate().map(|(at, set)| Set { name: format!("x-es-{at}"), ..set });
        let mut spec = Spec { sets: named.collect(), budgets, minor: 0, legacy: old };
        spec.mend();
        spec
    })
}

fn indices() -> impl Strategy<Value = Vec<Index>> {
    let index = (1..3u32, 0..3u32).prop_map(|(shards, replicas)| Index { shards, replicas });
    prop::collection::vec(index, 0..3)
}

/// Passes and ticks until nothing is left to do. A cluster of eleven nodes takes some ten ticks for each.
const LONG_ENOUGH: usize = 400;

fn live(spec: Spec, indices: &[Index], events: Vec<Event>, lags: bool) -> Result<(), Violation> {
    let mut world = World::formed(spec, indices, lags);
    for event in events {
        match event {
            Event::Tick => world.tick(),
            Event::Pass => drop(carry_out(&mut world, usize::MAX, End::Death)?),
            Event::PassDies(steps) => drop(carry_out(&mut world, steps, End::Death)?),
            Event::PassIsDeaf(steps) => drop(carry_out(&mut world, steps, End::LostAnswer)?),
            Event::Kill(at) => world.kill(at),
            Event::Away(passes) => world.away = passes,
            Event::Change(change) => world.change(&change),
            Event::Told(sets, pods) => world.tell(sets, pods),
            Event::Look => world.look(),
        }
    }
    world.spec.sets.iter_mut().filter(|set| set.broken).for_each(|set| {
        set.broken = false;
        set.template += 1;
    });
    world.away = 0;
    for _ in 0..LONG_ENOUGH {
        world.catch_up();
        let idle = carry_out(&mut world, usize::MAX, End::Death)?;
        if idle && world.settled() {
            return Ok(());
        }
        world.tick();
    }
    if world.is_lost() {
        // Nobody could help it, but whatever it held is still there for somebody who repairs it by hand: see O-2 of each pass.
        return Ok(());
    }
    Err(Violation(format!("it never comes to rest: {}", world.describe())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn clusters_survive_their_changes((spec, indices, events) in (specs(), indices(), events(0))) {
        if let Err(Violation(what)) = live(spec, &indices, events, false) {
            prop_assert!(false, "{}", what);
        }
    }

    #[test]
    fn clusters_survive_an_operator_that_sees_late((spec, indices, events) in (specs(), indices(), events(8))) {
        if let Err(Violation(what)) = live(spec, &indices, events, true) {
            prop_assert!(false, "{}", what);
        }
    }
}
