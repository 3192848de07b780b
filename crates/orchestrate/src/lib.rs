//! Which Elasticsearch nodes may be added, drained, removed or restarted now, and why the others must wait.
//! Pure decisions over an observed state; it doesn't know a client, nor how the state was observed.
//!
//! A pass observes once, asks [`decide`] once, and carries out what the [`Plan`] says, in the order of its fields. Nothing
//! is remembered between passes but [`Expectations`], so an operator that dies at any step decides the same again.
//!
//! Invariants, each held by the simulation in `tests/it/simulation`:
//!
//! - **O-1** no plan takes a quorum of masters away (but for the documented upgrade of at most two masters, [`restart()`]).
//! - **O-2** no node is removed that may hold the only copy of a shard.
//! - **O-3** no more healthy nodes are taken down than `maxUnavailable` allows.
//! - **O-4** a plan is empty once everything is as specified.

mod bootstrap;
mod candidates;
mod decide;
mod downscale;
mod expectations;
mod forced;
mod observed;
mod predicate;
mod restart;
mod state;
mod status;
mod unfinished;
mod upscale;
mod versions;

pub use parapet_api::{Role, Roles};

pub use bootstrap::{Bootstrap, bootstrap};
pub use decide::{Plan, decide};
pub use downscale::{Downscale, Leaving, Lower, downscale};
pub use expectations::{Expectations, Unanswered};
pub use forced::{Forced, forced};
pub use observed::{
    Allocation, Node, Observed, Shard, ShardState, Shutdown, ShutdownKind, ShutdownStatus, shutdown_api,
};
pub use predicate::{Disabled, Predicate, UnknownPredicate};
pub use restart::{Blocked, PodDelete, Prepare, Restart, restart};
pub use state::{Budget, Desired, Live, NodeSet, NodeShutdown, Pod, State, pod_name};
pub use status::{in_progress, phase};
pub use upscale::{Held, Incoming, Raise, Resized, Upscale, upscale};
pub use versions::{UpgradeRefused, upgrade_allowed};
