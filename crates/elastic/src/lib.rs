//! What Elasticsearch, Kibana and APM Server need as Kubernetes objects: a pure function of the custom resource and of what
//! was read. It doesn't know a client, a clock, or how certificates are made.

mod adopted;
pub mod association;
pub mod claims;
pub mod compare;
pub mod config;
mod data;
pub mod deployment;
mod desired_nodes;
pub mod disruption;
pub mod files;
mod fnv;
mod foreign;
mod image;
pub mod monitoring;
mod ownership;
pub mod pod;
pub mod policy;
mod random;
pub mod services;
mod settings;
mod stateful_set;
pub mod template;
pub mod users;

pub use adopted::{
    ADOPTED_CONFIG_HASH, Workload, config_hash, is_foreign_hash, runs_the_same, same_settings,
    with_config_hash,
};
pub use desired_nodes::{Unknown as UnknownResources, desired_nodes};
pub use foreign::{ADOPTED_PARTS, adopted_parts, note_adopted_parts};
pub use image::image;
pub use ownership::{owned_by, owned_meta, selector, soft_owner_labels, softly_owned_meta};
pub use random::{PASSWORD_LENGTH, Random, alphanumeric};
pub use settings::{IpFamily, Settings};
pub use stateful_set::stateful_set;
