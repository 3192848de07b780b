//! Elasticsearch over HTTP: the calls that passes need, and tasks that keep what was last seen of each cluster.
//!
//! No worker waits for a cluster: [`Clusters`] has one task per cluster, which looks at its health in an interval, and at
//! nodes, shards and shutdowns as long as a pass asks for it ([`Observer::watch_closely`]). A pass reads what was last seen
//! ([`Observer::last`], [`Observer::details`]), and calls the cluster itself only to change something, with a few seconds for all of
//! its calls ([`Patience`]).

mod body;
mod calls;
mod client;
mod clusters;
mod dial;
mod error;
mod metrics;
mod observer;
mod patience;
mod read;
mod route;
mod snapshot;
mod state;
mod trust;
mod wire;

pub use body::Password;
pub use client::{Access, Client, Transport};
pub use clusters::{Clusters, Target};
pub use dial::{Dial, SystemDial};
pub use error::ClientError;
pub use metrics::ElasticsearchMetrics;
pub use observer::{Observer, Pace};
pub use patience::Patience;
pub use route::{Dialling, Endpoint, Scheme, endpoints};
pub use snapshot::Snapshot;
pub use state::{Objects, state};
pub use wire::{Licence, Root, TokenStores};
