//! Names of an APM Server's objects.

use crate::Kind;

/// The Deployment: `<owner>-apm-server`.
pub fn deployment(owner: &str) -> String {
    super::generated(Kind::ApmServer, owner, &["server"])
}

/// The Secret with `apm-server.yml`.
pub fn config(owner: &str) -> String {
    super::generated(Kind::ApmServer, owner, &["config"])
}

/// The Secret with the token of the agents, under `secret-token`.
pub fn token(owner: &str) -> String {
    super::generated(Kind::ApmServer, owner, &["token"])
}
