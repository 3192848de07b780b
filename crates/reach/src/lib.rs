//! Who can talk to whom in a cluster, computed from its policies, and why.
//! It doesn't know files or clusters: it is pure.

pub mod decode;
mod diff;
mod engine;
mod entry;
mod explain;
mod exposure;
mod listing;
mod matching;
mod mesh;
pub mod model;
pub mod operators;
mod options;
mod portset;
mod queries;
mod redundant;
pub mod render;

pub use decode::{DecodeOptions, ObjectRef, Problem, Severity};
pub use diff::{Changed, Diff, Party};
pub use engine::{AddressRange, Change, Edited, Endpoint, PodId, Reachability, Row, RowGroup};
pub use explain::{Decision, Effect, Explanation, MeshExplanation, SideExplanation, Step};
pub use exposure::{Exposed, Exposure};
pub use listing::{
    INGRESS_CONTROLLER, Line, Listing, MOST_LINES, ModeDependent, Peer, PeerKind, View, explain_pairs,
    find_endpoints,
};
pub use model::Cluster;
pub use options::{Hairpin, HostNetwork, IpBlockPods, Options};
pub use portset::{PortSet, Protocol};
pub use queries::{Finding, Oddity, odd_policies};
pub use redundant::{Implied, implied};
