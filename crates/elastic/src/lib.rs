//! What Elasticsearch, Kibana and APM Server need as Kubernetes objects: a pure function of the custom resource and of what
//! was read. It doesn't know a client, a clock, or how certificates are made.

mod image;
mod ownership;
mod settings;

pub use image::image;
pub use ownership::{owned_by, owned_meta, selector, soft_owner_labels, softly_owned_meta};
pub use settings::{IpFamily, Settings};
