//! All decisions of a pass together.

use crate::unfinished::unfinished;
use crate::{Downscale, Forced, Restart, State, Upscale, downscale, forced, restart, upscale};

/// What to do in a pass, to be carried out in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What comes.
    pub upscale: Upscale,
    /// What is deleted without asking.
    pub forced: Forced,
    /// What leaves.
    pub downscale: Downscale,
    /// What is made anew.
    pub restart: Restart,
    /// What was begun and nobody can end yet, in a sentence: there is nothing to do but to wait.
    pub unfinished: Option<String>,
}

impl Plan {
    /// Whether there is nothing to do and nothing that waits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all that is left is to clear up after changes that are over: no node comes, goes or is made anew.
    pub fn only_clears_up(&self) -> bool {
        let Self { upscale, forced, downscale, restart, unfinished: _ } = self;
        let moves = Downscale {
            clear_voting_exclusions: false,
            exclude_allocation: downscale.exclude_allocation.clone().filter(|names| !names.is_empty()),
            ..downscale.clone()
        };
        let restarts = Restart { clear_shutdowns: Vec::new(), enable_allocation: false, ..restart.clone() };
        upscale.is_empty() && *forced == Forced::default() && moves.is_empty() && restarts.is_empty()
    }
}

/// Decides everything for one pass. Kinds of change that could take down a node each are kept apart: a pass that deletes by
/// force does nothing else of that kind, and one that removes a node restarts none. A pass that replaces a template deletes
/// no pod either, as what the pod would become isn't observed yet.
pub fn decide(state: &State) -> Plan {
    let upscale = upscale(state);
    let settled = upscale.update.is_empty();
    let forced = if settled { forced(state) } else { Forced::default() };
    if !forced.delete.is_empty() {
        return Plan { upscale, forced, ..Plan::default() };
    }
    let mut downscale = downscale(state);
    let mut restart = restart(state);
    if !downscale.lower.is_empty() {
        restart.postpone("another node is being removed");
    } else if !settled {
        restart.postpone("the new specification is being applied");
    }
    downscale.clear_voting_exclusions |= excluded_for_nothing(state, &downscale, &restart);
    let unfinished = unfinished(state, &restart);
    Plan { upscale, forced, downscale, restart, unfinished }
}

/// Whether a master may be excluded that was to leave once and no longer is: it might be the one that has to vote when
/// others leave now. Those are excluded again at once; one that is on its way out must stay excluded until it is gone.
fn excluded_for_nothing(state: &State, downscale: &Downscale, restart: &Restart) -> bool {
    let excludes = !restart.exclude_from_voting.is_empty()
        || downscale.lower.iter().any(|lower| !lower.exclude_from_voting.is_empty());
    excludes
        && state.observed.voting_exclusions == Some(true)
        && !state.pods.iter().any(|pod| pod.terminating && pod.roles.is_master_eligible())
}
