//! What the operator is told and its objects depend on.

use regex::Regex;

use crate::random::PASSWORD_LENGTH;

/// The part of the operator's configuration that decides what objects contain.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where images come from, without a slash at the end.
    pub container_registry: String,
    /// The path in the registry, in place of each image's own; empty for that one.
    pub container_repository: String,
    /// What each image's name ends with; empty for nothing.
    pub container_suffix: String,
    /// Only images of the Universal Base Image.
    pub ubi_only: bool,
    /// Whether pods get a security context that they don't bring themselves.
    pub default_security_context: bool,
    /// The family of addresses, if Kubernetes is not to choose it.
    pub ip_family: Option<IpFamily>,
    /// Which labels of nodes pods may ask for.
    pub exposed_node_labels: Vec<Regex>,
    /// Where the operator runs.
    pub operator_namespace: String,
    /// How many letters and digits a password has that is made from now on.
    pub password_length: usize,
}

impl Default for Settings {
    /// The documented defaults of the operator's keys.
    fn default() -> Self {
        Self {
            container_registry: "docker.elastic.co".to_owned(),
            container_repository: String::new(),
            container_suffix: String::new(),
            ubi_only: false,
            default_security_context: true,
            ip_family: None,
            exposed_node_labels: Vec::new(),
            operator_namespace: "elastic-system".to_owned(),
            password_length: PASSWORD_LENGTH,
        }
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpFamily {
    /// `IPv4`.
    V4,
    /// `IPv6`.
    V6,
}

impl IpFamily {
    /// As Services spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}
