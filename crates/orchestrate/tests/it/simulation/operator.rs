//! Carries out plans, as a pass does, and watches the invariants at every step.

use parapet_orchestrate::{Plan, ShutdownKind, State, decide};

use super::world::World;

/// What must not be.
#[derive(Debug)]
pub(super) struct Violation(pub(super) String);

/// A pass that ends after so many steps as it is told; whether nothing was left to do.
pub(super) fn carry_out(world: &mut World, steps: usize, end: End) -> Result<bool, Violation> {
    world.begin_pass();
    world.write_status();
    let state = world.observe();
    let plan = decide(&state);
    world.look_after_the_unanswered();
    world.away = world.away.saturating_sub(1);
    let mut pass = Pass { world, state: &state, plan: &plan, steps, end };
    let ended = pass.run();
    world.deaf = false;
    match ended {
        Ok(()) => {
            let lost = world.collect_volumes();
            if !lost.is_empty() {
                return Err(Violation(format!("O-2: {lost:?} by {plan:?}")));
            }
        }
        // Whoever comes after it reads everything anew.
        Err(Stop::Died) => world.begin_anew(),
        Err(Stop::Refused) => {}
        Err(Stop::Violated(violation)) => return Err(violation),
    }
    Ok(plan.is_empty())
}

/// How a pass ends that doesn't get through its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The operator dies before the next step.
    Death,
    /// The answer to the next write is lost.
    LostAnswer,
}

/// Why a pass ends before its plan does.
enum Stop {
    /// The operator died.
    Died,
    /// An object isn't any more what was judged, or Elasticsearch refuses: the next pass decides anew.
    Refused,
    Violated(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violated(violation)
    }
}

struct Pass<'a> {
    world: &'a mut World,
    state: &'a State,
    plan: &'a Plan,
    steps: usize,
    end: End,
}

impl Pass<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let plan = self.plan;
        for set in &plan.upscale.create {
            self.step()?;
            self.of_that_set(&set.set)?;
            self.world.create(&set.set, set.replicas);
            self.heard()?;
        }
        for set in &plan.upscale.update {
            self.step()?;
            self.of_that_set(set)?;
            self.world.update(set);
            self.heard()?;
        }
        for raise in &plan.upscale.raise {
            self.step()?;
            self.world.resize(&raise.set, raise.to);
            self.heard()?;
        }
        for delete in &plan.forced.delete {
            self.step()?;
            self.of_that_pod(&delete.pod)?;
            self.world.delete_pod(&delete.pod);
            self.world.acted();
            self.heard()?;
        }
        self.ask_elasticsearch()?;
        for lower in &plan.downscale.lower {
            self.step()?;
            if !lower.exclude_from_voting.is_empty() && !self.exclude(&lower.exclude_from_voting) {
                continue;
            }
            self.step()?;
            self.remove(&lower.set, lower.from, lower.to)?;
            self.world.acted();
            self.heard()?;
        }
        for set in &plan.downscale.delete_sets {
            self.step()?;
            self.world.delete_set(set);
            self.heard()?;
        }
        self.restart()
    }

    /// Takes names out of the vote; whether they are.
    fn exclude(&mut self, names: &[String]) -> bool {
        self.world.remembers_exclusions = Some(true);
        self.world.cluster.exclude(names)
    }

    fn step(&mut self) -> Result<(), Stop> {
        match (self.steps.checked_sub(1), self.end) {
            (Some(left), _) => self.steps = left,
            (None, End::Death) => return Err(Stop::Died),
            (None, End::LostAnswer) => self.world.deaf = true,
        }
        Ok(())
    }

    /// What Elasticsearch didn't answer is taken for done: whoever is deaf hears nothing of a write of Kubernetes'.
    fn heard(&self) -> Result<(), Stop> {
        if self.world.deaf { Err(Stop::Refused) } else { Ok(()) }
    }

    /// A write names the version that it is to replace.
    fn of_that_set(&self, set: &str) -> Result<(), Stop> {
        if self.world.knows_set(set) { Ok(()) } else { Err(Stop::Refused) }
    }

    fn of_that_pod(&self, pod: &str) -> Result<(), Stop> {
        if self.world.knows_pod(pod) { Ok(()) } else { Err(Stop::Refused) }
    }

    fn ask_elasticsearch(&mut self) -> Result<(), Stop> {
        let down = &self.plan.downscale;
        for cancel in &down.cancel {
            self.step()?;
            self.world.cluster.end_shutdown(&cancel.node);
            self.world.acted();
        }
        for shutdown in &down.shutdown {
            self.step()?;
            self.world.cluster.shut_down(&shutdown.node, ShutdownKind::Remove);
            self.world.acted();
        }
        if let Some(excluded) = &down.exclude_allocation {
            self.step()?;
            self.world.cluster.exclude_allocation(excluded.clone());
            self.world.acted();
        }
        if down.clear_voting_exclusions {
            self.step()?;
            self.world.cluster.clear_exclusions();
            self.world.remembers_exclusions = Some(false);
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Stop> {
        let restart = &self.plan.restart;
        for id in &restart.clear_shutdowns {
            self.step()?;
            self.world.cluster.end_shutdown(id.strip_prefix("id-").unwrap());
            self.world.acted();
        }
        if restart.enable_allocation {
            self.step()?;
            self.world.cluster.allocate_replicas(true);
            self.world.acted();
        }
        for shutdown in &restart.shutdown {
            self.step()?;
            self.world.cluster.shut_down(&shutdown.node, ShutdownKind::Restart);
            self.world.acted();
        }
        if restart.prepare.is_some_and(|prepare| prepare.disable_allocation) {
            self.step()?;
            self.world.cluster.allocate_replicas(false);
            self.world.acted();
        }
        if !restart.exclude_from_voting.is_empty() {
            self.step()?;
            if !self.exclude(&restart.exclude_from_voting) {
                return Err(Stop::Refused);
            }
        }
        let together = self.masters() <= 2 && self.state.upgrades();
        for delete in &restart.delete {
            self.step()?;
            self.of_that_pod(&delete.pod)?;
            if together {
                self.world.delete_pod(&delete.pod);
            } else {
                self.delete(&delete.pod)?;
            }
            self.world.acted();
            self.heard()?;
        }
        Ok(())
    }

    fn masters(&self) -> usize {
        self.world.pods.values().filter(|pod| pod.roles().is_master_eligible()).count()
    }

    fn remove(&mut self, set: &str, from: u32, to: u32) -> Result<(), Violation> {
        let before = Before::of(self.world);
        self.world.resize(set, to);
        for ordinal in to..from {
            self.world.end_pod(&parapet_orchestrate::pod_name(set, ordinal));
        }
        before.check_quorum(self.world, self.plan)?;
        before.check_served(self.world, self.plan)
    }

    fn delete(&mut self, pod: &str) -> Result<(), Violation> {
        let before = Before::of(self.world);
        let healthy = self.state.pod(pod).is_some_and(|pod| self.state.healthy(pod));
        self.world.delete_pod(pod);
        before.check_quorum(self.world, self.plan)?;
        // Where only one node holds data in the end, nobody can serve what it serves.
        let stays = |name: &str| self.state.pod(name).is_some_and(|pod| self.state.stays(pod));
        let mut others = self.world.pods.values().filter(|other| other.name != pod && stays(&other.name));
        if others.any(|other| other.roles().holds_data()) {
            before.check_served(self.world, self.plan)?;
        }
        let Some(most) = self.state.budget.max_unavailable else { return Ok(()) };
        let expected: u32 = self.state.node_sets.iter().map(|set| set.replicas().min(set.target())).sum();
        let running = self.world.pods.values().filter(|pod| {
            let set = self.state.node_sets.iter().find(|set| set.name == pod.set);
            pod.runs() && set.is_some_and(|set| pod.ordinal < set.replicas().min(set.target()))
        });
        let down = expected.saturating_sub(running.count() as u32);
        if healthy && down > most {
            return Err(Violation(format!("O-3: {down} nodes are down by deleting {pod}: {:?}", self.plan)));
        }
        Ok(())
    }
}

/// What must still be so after a step.
struct Before {
    voters: usize,
    master: bool,
    served: std::collections::BTreeSet<(String, u32)>,
}

impl Before {
    fn of(world: &World) -> Self {
        let cluster = &world.cluster;
        let votes = |name: &String| world.pods.get(name).is_some_and(|pod| pod.roles().is_master_eligible());
        let voters = if cluster.voters.iter().all(votes) { cluster.voters.len() } else { 0 };
        Self { voters, master: cluster.has_master(), served: cluster.served() }
    }

    /// One or two voters can't lose one; nor can two of three of which the third will never vote again, as the user deleted
    /// it while it was to become something else.
    fn check_quorum(&self, world: &World, plan: &Plan) -> Result<(), Violation> {
        if self.master && self.voters >= 3 && !world.cluster.has_master() {
            return Err(Violation(format!("O-1: no quorum any more by {plan:?}")));
        }
        Ok(())
    }

    fn check_served(&self, world: &World, plan: &Plan) -> Result<(), Violation> {
        let served = world.cluster.served();
        let lost: Vec<_> = self.served.difference(&served).collect();
        if self.master && world.cluster.has_master() && !lost.is_empty() {
            return Err(Violation(format!("nobody serves {lost:?} any more by {plan:?}")));
        }
        Ok(())
    }
}
