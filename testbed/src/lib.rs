//! A real Kubernetes for tests: a control plane on loopback, and where root allows a real node, gone with their handles.
//! It doesn't know what is tested, and nothing in the product depends on it.
//!
//! A test asks for the cluster of its test binary and a namespace of its own:
//!
//! ```no_run
//! # async fn a_test() -> anyhow::Result<()> {
//! let Some(cluster) = parapet_testbed::Cluster::shared().await else { return Ok(()) }; // said that it was skipped
//! cluster.namespace("my-test").await?;
//! cluster.apply("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}", "my-test").await?;
//! # Ok(()) }
//! ```
//!
//! The programs are built once from published Go modules ([`build`]) and found again by [`Programs::find`]. Whatever a
//! [`Sandbox`] started ends with it, also when the process that holds it is killed.

mod apply;
mod authority;
mod build;
mod cluster;
mod control_plane;
mod identity;
mod kwok;
mod machine;
mod node;
mod ports;
mod process;
mod programs;
mod sandbox;
mod shared;
mod versions;

pub use authority::{Authority, Leaf, Pair};
pub use build::{NoGo, build, pin};
pub use cluster::Cluster;
pub use machine::{machine, machine_lacks, run_in_machine};
pub use node::{NODE, Node};
pub use ports::free_port;
pub use process::Process;
pub use programs::{Program, Programs, cache_dir};
pub use sandbox::Sandbox;
pub use shared::{REQUIRED, skip};
pub use versions::Versions;
