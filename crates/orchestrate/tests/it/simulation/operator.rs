//! Carries out plans, as a pass does, and watches the invariants at every step.

use parapet_orchestrate::{Plan, ShutdownKind, State, decide};

use super::world::World;

/// What must not be.
#[derive(Debug)]
pub(super) struct Violation(pub(super) String);

/// A pass that dies after so many steps; whether nothing was left to do.
pub(super) fn carry_out(world: &mut World, steps: usize) -> Result<bool, Violation> {
    world.write_status();
    let state = world.state();
    let plan = decide(&state);
    world.away = world.away.saturating_sub(1);
    let mut pass = Pass { world, state: &state, plan: &plan, steps };
    match pass.run()? {
        Some(()) => {
            let lost = world.collect_volumes();
            if !lost.is_empty() {
                return Err(Violation(format!("O-2: {lost:?} by {plan:?}")));
            }
        }
        // Whoever comes after it reads everything anew.
        None => world.remembers_exclusions = None,
    }
    Ok(plan.is_empty())
}

struct Pass<'a> {
    world: &'a mut World,
    state: &'a State,
    plan: &'a Plan,
    steps: usize,
}

impl Pass<'_> {
    /// `None`: the operator died.
    fn run(&mut self) -> Result<Option<()>, Violation> {
        let plan = self.plan;
        for set in &plan.upscale.create {
            if self.dies() {
                return Ok(None);
            }
            self.world.create(&set.set, set.replicas);
        }
        for set in &plan.upscale.update {
            if self.dies() {
                return Ok(None);
            }
            self.world.update(set);
        }
        for raise in &plan.upscale.raise {
            if self.dies() {
                return Ok(None);
            }
            self.world.resize(&raise.set, raise.to);
        }
        for delete in &plan.forced.delete {
            if self.dies() {
                return Ok(None);
            }
            self.world.delete_pod(&delete.pod);
        }
        let asked = self.ask_elasticsearch();
        if asked.is_none() {
            return Ok(None);
        }
        for lower in &plan.downscale.lower {
            if self.dies() {
                return Ok(None);
            }
            if !lower.exclude_from_voting.is_empty() && !self.exclude(&lower.exclude_from_voting) {
                continue;
            }
            if self.dies() {
                return Ok(None);
            }
            self.remove(&lower.set, lower.from, lower.to)?;
        }
        for set in &plan.downscale.delete_sets {
            if self.dies() {
                return Ok(None);
            }
            self.world.delete_set(set);
        }
        self.restart()
    }

    /// Takes names out of the vote; whether they are.
    fn exclude(&mut self, names: &[String]) -> bool {
        self.world.remembers_exclusions = Some(true);
        self.world.cluster.exclude(names)
    }

    fn dies(&mut self) -> bool {
        let dies = self.steps == 0;
        self.steps = self.steps.saturating_sub(1);
        dies
    }

    fn ask_elasticsearch(&mut self) -> Option<()> {
        let down = &self.plan.downscale;
        for cancel in &down.cancel {
            if self.dies() {
                return None;
            }
            self.world.cluster.end_shutdown(&cancel.node);
        }
        for shutdown in &down.shutdown {
            if self.dies() {
                return None;
            }
            self.world.cluster.shut_down(&shutdown.node, ShutdownKind::Remove);
        }
        if let Some(excluded) = &down.exclude_allocation {
            if self.dies() {
                return None;
            }
            self.world.cluster.exclude_allocation(excluded.clone());
        }
        if down.clear_voting_exclusions {
            if self.dies() {
                return None;
            }
            self.world.cluster.clear_exclusions();
            self.world.remembers_exclusions = Some(false);
        }
        Some(())
    }

    fn restart(&mut self) -> Result<Option<()>, Violation> {
        let restart = &self.plan.restart;
        for id in &restart.clear_shutdowns {
            if self.dies() {
                return Ok(None);
            }
            self.world.cluster.end_shutdown(id.strip_prefix("id-").unwrap());
        }
        if restart.enable_allocation {
            if self.dies() {
                return Ok(None);
            }
            self.world.cluster.allocate_replicas(true);
        }
        for shutdown in &restart.shutdown {
            if self.dies() {
                return Ok(None);
            }
            self.world.cluster.shut_down(&shutdown.node, ShutdownKind::Restart);
        }
        if restart.prepare.is_some_and(|prepare| prepare.disable_allocation) {
            if self.dies() {
                return Ok(None);
            }
            self.world.cluster.allocate_replicas(false);
        }
        if !restart.exclude_from_voting.is_empty() {
            if self.dies() {
                return Ok(None);
            }
            if !self.exclude(&restart.exclude_from_voting) {
                return Ok(Some(()));
            }
        }
        let together = self.masters() <= 2 && self.state.upgrades();
        for delete in &restart.delete {
            if self.dies() {
                return Ok(None);
            }
            if together {
                self.world.delete_pod(&delete.pod);
            } else {
                self.delete(&delete.pod)?;
            }
        }
        Ok(Some(()))
    }

    fn masters(&self) -> usize {
        self.world.pods.values().filter(|pod| pod.roles().is_master_eligible()).count()
    }

    fn remove(&mut self, set: &str, from: u32, to: u32) -> Result<(), Violation> {
        let before = Before::of(self.world);
        self.world.resize(set, to);
        for ordinal in to..from {
            self.world.delete_pod(&parapet_orchestrate::pod_name(set, ordinal));
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
