//! The order in which an authority gives way to one with a new key, so that nobody ever meets a certificate that it does
//! not trust yet. Pure: a state, facts from outside, and what follows; whoever keeps the state stores it before acting on it.
//!
//! | phase | signs | is trusted | goes on when |
//! |---|---|---|---|
//! | `Stable` | current | current | two thirds of its life are over, or somebody asked |
//! | `Prepare` | current | current, successor | all consumers have the bundle; if they don't say, after [`Policy::publish`] |
//! | `Switch` | successor | current, successor | no leaf of the current one is left to replace |
//! | `Drain` | successor | current, successor | nothing of the current one is in use; if nobody counts, once all its leaves have expired |
//! | `Finish` | successor | successor | the bundle is published |
//!
//! Then the successor is the current one, and the phase `Stable` again. Each phase is entered by one write of the state;
//! everything that a phase publishes follows from the state, so that after a crash it is published again: entering a phase
//! twice is the same as entering it once.
//!
//! **Giving up** ([`Rotation::abort`]) is free in `Prepare`: the successor has signed nothing. In `Switch` and `Drain` its
//! leaves are in use, so the two change roles and it goes back the way it came, through `Switch`, `Drain` and `Finish`;
//! both are trusted all the while, which is why the old key is kept until then. From `Finish` on there is no way back: a new
//! rotation is the way forward.
//!
//! Invariants: **K-1** whoever signs is in every bundle that was published since it began to sign. **K-2** an authority is
//! trusted until nothing it signed is in use or valid. **K-3** a key is kept as long as its authority may be asked to sign again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Validity;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// There is one authority.
    #[default]
    Stable,
    /// The successor is being made known.
    Prepare,
    /// The successor signs; leaves are being replaced.
    Switch,
    /// What the old one signed is on its way out.
    Drain,
    /// The old one is being forgotten.
    Finish,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Stable, Self::Prepare, Self::Switch, Self::Drain, Self::Finish];

    /// The word for it in logs, labels and status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Prepare => "prepare",
            Self::Switch => "switch",
            Self::Drain => "drain",
            Self::Finish => "finish",
        }
    }

    fn following(self) -> Self {
        match self {
            Self::Stable => Self::Prepare,
            Self::Prepare => Self::Switch,
            Self::Switch => Self::Drain,
            Self::Drain => Self::Finish,
            Self::Finish => Self::Stable,
        }
    }
}

/// Which of the two authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that signed before this rotation.
    Current,
    /// The one that signs after it.
    Successor,
}

/// How long things take at most when nobody says that they are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From a bundle's publication until every consumer uses it.
    pub publish: SignedDuration,
    /// The longest life of a leaf.
    pub longest_leaf: SignedDuration,
    /// How much earlier than the authority's end it must have given way, whoever has not got the bundle by then.
    pub latest: SignedDuration,
}

impl Default for Policy {
    /// For consumers in a cluster: three minutes for a bundle (twice a kubelet's sync of 60 seconds, and its cache), leaves
    /// of 90 days, and a day in hand (what ECK's `ca-cert-rotate-before` is by default).
    fn default() -> Self {
        Self { publish: SignedDuration::from_mins(3), longest_leaf: DAY * 90, latest: DAY }
    }
}

/// How many consumers have the bundle that is published now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consumers {
    /// They don't say; time has to do.
    #[default]
    Unknown,
    /// These many of all said that they do.
    Counted {
        /// How many have it.
        ready: u64,
        /// How many there are.
        all: u64,
    },
}

/// Whether anything that the current authority signed is still served, or holds a connection open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InUse {
    /// Nobody counts; the leaves' lives have to do.
    #[default]
    Unknown,
    /// So many certificates and connections.
    Counted(u64),
}

/// What is known from outside.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The time.
    pub now: Timestamp,
    /// The validity of the current authority.
    pub current: Validity,
    /// The validity of its successor, if there is one.
    pub successor: Option<Validity>,
    /// When the current authority's rotation should begin.
    pub rotate_at: Timestamp,
    /// Whether somebody asked for a rotation now.
    pub asked: bool,
    /// Who has the bundle.
    pub consumers: Consumers,
    /// Leaves of the current authority that are to be replaced and are not yet.
    pub to_replace: u64,
    /// What of the current authority is in use.
    pub in_use: InUse,
}

/// What is to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: this is awaited, until then at most (`None`: as long as it takes).
    Wait(Awaited, Option<Timestamp>),
    /// Enter this phase.
    Enter(Phase, Why),
    /// Give up, as [`Rotation::abort`] does in `Prepare`: the successor is not valid now, so a clock was wrong when it was
    /// made.
    Drop,
}

/// What a phase waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The time of the next rotation.
    Due,
    /// A clock that shows a time at which the authority is valid.
    Clock,
    /// Consumers that have not got the bundle.
    Consumers,
    /// Leaves to be replaced.
    Leaves,
    /// What the old authority signed and is still in use.
    Use,
}

/// Why a phase is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its time has come.
    Due,
    /// Somebody asked.
    Asked,
    /// Everyone concerned said that they are ready.
    Ready,
    /// The time for those who don't say is over.
    Elapsed,
    /// The current authority ends; who is not ready now will fail either way.
    Ending,
}

/// The state of an authority's rotation: what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    phase: Phase,
    /// When the phase was entered.
    since: Timestamp,
    /// How many rotations were finished.
    finished: u64,
    /// Whether it is on its way back.
    #[serde(default)]
    reverted: bool,
}

/// Why something is not done in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// There is nothing to give up.
    #[error("no rotation is under way")]
    NotRotating,
    /// The way back is closed.
    #[error("the old authority is already being forgotten; finish, then rotate anew")]
    TooLate,
    /// The way back leads to an authority that ends.
    #[error("the old authority ends at {ends}, too soon to go back to it")]
    Ending {
        /// When.
        ends: Timestamp,
    },
    /// One is under way.
    #[error("a rotation is under way, in its phase {}", .0.name())]
    UnderWay(Phase),
    /// A phase that does not follow.
    #[error("phase {} does not follow {}", .to.name(), .from.name())]
    OutOfOrder {
        /// Where it is.
        from: Phase,
        /// Where it was to go.
        to: Phase,
    },
}

/// What giving up means for the two authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aborted {
    /// The successor goes; it has signed nothing.
    DropSuccessor,
    /// The two change roles.
    ChangeRoles,
}

impl Rotation {
    /// One authority, since `now`.
    pub fn stable(now: Timestamp) -> Self {
        Self { phase: Phase::Stable, since: now, finished: 0, reverted: false }
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When the phase was entered.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// How many rotations were finished.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// Whether it was given up after the switch and is on its way back.
    pub fn is_reverted(&self) -> bool {
        self.reverted
    }

    /// Who signs in this phase.
    pub fn signs(&self) -> Role {
        match self.phase {
            Phase::Stable | Phase::Prepare => Role::Current,
            Phase::Switch | Phase::Drain | Phase::Finish => Role::Successor,
        }
    }

    /// Who is trusted in this phase.
    pub fn trusted(&self) -> &'static [Role] {
        match self.phase {
            Phase::Stable => &[Role::Current],
            Phase::Prepare | Phase::Switch | Phase::Drain => &[Role::Current, Role::Successor],
            Phase::Finish => &[Role::Successor],
        }
    }

    /// What is to happen, given these facts. Asked again later, with the same facts, it says the same.
    pub fn next(&self, facts: &Facts, policy: &Policy) -> Next {
        let Facts { now, current, successor, rotate_at, asked, consumers, to_replace, in_use } = *facts;
        let enter = |why| Next::Enter(self.phase.following(), why);
        match self.phase {
            // One that has ended can't hand over, and the clock may be wrong: that is for people to say.
            Phase::Stable if !current.holds(now) => Next::Wait(Awaited::Clock, None),
            Phase::Stable if asked => enter(Why::Asked),
            Phase::Stable => {
                // A short-lived authority has no two thirds to wait for: its successor must be known in time.
                let latest = current.not_after - policy.latest - policy.publish;
                let due = rotate_at.min(latest);
                if now >= due { enter(Why::Due) } else { Next::Wait(Awaited::Due, Some(due)) }
            }
            Phase::Prepare if successor.is_none_or(|successor| !successor.holds(now)) => Next::Drop,
            Phase::Prepare => {
                let ending = current.not_after - policy.latest;
                match consumers {
                    Consumers::Counted { ready, all } if ready >= all => enter(Why::Ready),
                    Consumers::Unknown if now >= self.since + policy.publish => enter(Why::Elapsed),
                    _ if now >= ending => enter(Why::Ending),
                    Consumers::Counted { .. } => Next::Wait(Awaited::Consumers, Some(ending)),
                    Consumers::Unknown => {
                        Next::Wait(Awaited::Consumers, Some(ending.min(self.since + policy.publish)))
                    }
                }
            }
            Phase::Switch if to_replace == 0 => enter(Why::Ready),
            Phase::Switch => Next::Wait(Awaited::Leaves, None),
            Phase::Drain => {
                // The last leaf was signed before `Switch`, which was before this.
                let expired = (self.since + policy.longest_leaf).min(current.not_after);
                match in_use {
                    InUse::Counted(0) => enter(Why::Ready),
                    _ if now > expired => enter(Why::Elapsed),
                    _ => Next::Wait(Awaited::Use, Some(expired)),
                }
            }
            Phase::Finish => enter(Why::Ready),
        }
    }

    /// The same, in its phase since `now`: for a clock that went back behind the phase's beginning.
    pub fn anchored(self, now: Timestamp) -> Self {
        Self { since: self.since.min(now), ..self }
    }

    /// The state in the phase that follows.
    ///
    /// # Errors
    /// `phase` does not follow this one.
    pub fn enter(self, phase: Phase, now: Timestamp) -> Result<Self, RotationError> {
        if phase != self.phase.following() {
            return Err(RotationError::OutOfOrder { from: self.phase, to: phase });
        }
        let done = phase == Phase::Stable;
        Ok(Self {
            phase,
            since: now,
            // One that was given up is not one that was finished.
            finished: self.finished + u64::from(done && !self.reverted),
            reverted: self.reverted && !done,
        })
    }

    /// The state after giving up, and what that means; `current` is the validity of the current authority.
    ///
    /// # Errors
    /// There is nothing to give up, or no way back.
    pub fn abort(
        self,
        now: Timestamp,
        current: Validity,
        policy: &Policy,
    ) -> Result<(Self, Aborted), RotationError> {
        match self.phase {
            Phase::Stable => Err(RotationError::NotRotating),
            Phase::Prepare => {
                let state = Self { phase: Phase::Stable, since: now, reverted: false, ..self };
                Ok((state, Aborted::DropSuccessor))
            }
            Phase::Switch | Phase::Drain if now >= current.not_after - policy.latest => {
                Err(RotationError::Ending { ends: current.not_after })
            }
            Phase::Switch | Phase::Drain => {
                let state = Self { phase: Phase::Switch, since: now, reverted: !self.reverted, ..self };
                Ok((state, Aborted::ChangeRoles))
            }
            Phase::Finish => Err(RotationError::TooLate),
        }
    }
}
