//! From declared flows to the least policies that allow them, proved by `reach`.
//! It doesn't know files or clusters.
//!
//! 1. [`flows`] is what people declare; [`presets`], [`infer`] and [`observed`] make the same from other knowledge.
//! 2. [`Needs::resolve`] turns flows into connections between workloads and blocks of addresses.
//! 3. [`Plan::generate`] writes the policies: default-deny both ways, and the least rules over it.
//! 4. [`Proof::of`] computes with `reach` that they allow the needs, nothing else, and have no rule to spare.
//! 5. [`render`] puts them into words: NetworkPolicy, ClusterNetworkPolicy, Istio's AuthorizationPolicy; [`Twin`] reads the
//!    latter two back and tells what they allow besides.
//!
//! # Minimal
//! A set of policies is minimal iff **(a)** every declared connection is allowed, **(b)** every allowed connection is
//! declared or can't be prevented, and **(c)** without any one rule, peer or port, (a) fails. What can't be prevented: a
//! pod and itself, a node and its pods, pods in their node's network, and what two workloads with the same labels get
//! from each other ([`Excess`] names each one).

pub mod addresses;
mod cidr;
mod error;
pub mod flows;
pub mod infer;
mod needs;
pub mod observed;
mod plan;
pub mod presets;
mod proof;
pub mod render;
mod rollout;
mod select;
mod twin;
mod units;

pub use cidr::Cidr;
pub use error::PolicyError;
pub use needs::{End, Need, Needs, Note};
pub use plan::{DEFAULT_DENY, Plan};
pub use proof::{Excess, ExcessReason, Proof, Tuple};
pub use rollout::{Cut, Outside, Rollout};
pub use twin::{Twin, Wider, WiderReason};
pub use units::{Unit, UnitId, Units};
