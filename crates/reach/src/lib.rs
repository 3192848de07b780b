//! Who can talk to whom in a cluster, computed from its policies, and why.
//! It doesn't know files or clusters: it is pure.

pub mod decode;
mod diff;
mod engine;
mod explain;
mod matching;
mod mesh;
pub mod model;
mod options;
mod portset;

pub use decode::{DecodeOptions, ObjectRef, Problem, Severity};
pub use diff::{Changed, Diff, Party};
pub use engine::{AddressRange, Change, Edited, Endpoint, PodId, Reachability, Row, RowGroup};
pub use explain::{Decision, Effect, Explanation, MeshExplanation, SideExplanation, Step};
pub use model::Cluster;
pub use options::{Hairpin, HostNetwork, IpBlockPods, Options};
pub use portset::{PortSet, Protocol};
