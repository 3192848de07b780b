//! Rules, findings and reports about the posture of an observability deployment.
//! It doesn't know how manifests were read.
//!
//! Documents become a [`World`]; each [`Rule`] looks at it and says what it finds, with the place, the reason and, where
//! one can be computed, a [`Patch`]. Rules about connections ask [`Reach`], so that what counts is who can really talk
//! to whom, not whether some policy exists.

mod audit;
mod baseline;
mod finding;
mod fix;
mod least;
mod options;
mod pages;
mod patch;
mod paths;
mod proposal;
pub mod pss;
mod reach;
mod remedy;
pub mod report;
mod rule;
mod rules;
mod suppress;
mod world;

pub use audit::{Audit, audit};
pub use baseline::{Baseline, BaselineError};
pub use finding::{Finding, ObjectRef, Place, Related, Suppression};
pub use fix::{Files, Fix, fix};
pub use options::Options;
pub use pages::pages;
pub use patch::{Change, Edit, Patch, Replacement, Within, apply, replacements};
pub use proposal::{FileText, proposal};
pub use reach::{End, Protocol, Reach};
pub use remedy::{Decision, Remedy};
pub use rule::{Group, Needs, Rule, Severity};
pub use rules::{all as rules, rule};
pub use suppress::{ANNOTATION, Entry as SuppressionEntry, by_entries};
pub use world::{Workload, World};
