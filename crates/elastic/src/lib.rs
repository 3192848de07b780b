//! What Elasticsearch, Kibana and APM Server need as Kubernetes objects: a pure function of the custom resource and of what
//! was read. It doesn't know a client, a clock, or how certificates are made.

pub mod claims;
pub mod compare;
pub mod deployment;
mod image;
mod ownership;
pub mod pod;
mod settings;
mod stateful_set;
pub mod template;

pub use image::image;
pub use ownership::{owned_by, owned_meta, selector, soft_owner_labels, softly_owned_meta};
pub use settings::{IpFamily, Settings};
pub use stateful_set::stateful_set;
