//! Names of a Kibana's objects.

use crate::Kind;

/// The Deployment: `<owner>-kb`.
pub fn deployment(owner: &str) -> String {
    super::generated(Kind::Kibana, owner, &[])
}

/// The Secret with `kibana.yml`.
pub fn config(owner: &str) -> String {
    super::generated(Kind::Kibana, owner, &["config"])
}

/// The ConfigMap with the scripts of the pods.
pub fn scripts(owner: &str) -> String {
    super::generated(Kind::Kibana, owner, &["scripts"])
}
