//! A node, as whoever runs it sees it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name; a pod's.
    pub name: String,
    /// Changes when the node is started again: the pod's UID.
    pub incarnation: String,
    /// Of Elasticsearch.
    pub version: String,
    /// `node.roles`.
    pub roles: Vec<String>,
    /// Its address.
    pub ip: String,
}

/// The roles of a node that isn't given any.
const ALL_ROLES: [&str; 11] = [
    "data",
    "data_cold",
    "data_content",
    "data_frozen",
    "data_hot",
    "data_warm",
    "ingest",
    "master",
    "ml",
    "remote_cluster_client",
    "transform",
];

impl Member {
    /// A node with all roles.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            incarnation: "1".to_owned(),
            version: version.to_owned(),
            roles: ALL_ROLES.map(str::to_owned).to_vec(),
            ip: "127.0.0.1".to_owned(),
        }
    }

    /// The same with other roles.
    #[must_use]
    pub fn with_roles(mut self, roles: &[&str]) -> Self {
        self.roles = roles.iter().map(|&role| role.to_owned()).collect();
        self
    }

    /// Its id: the same as long as its name, as if its volume kept it.
    pub fn id(&self) -> String {
        let mut hash = DefaultHasher::new();
        self.name.hash(&mut hash);
        format!("node-{:016x}", hash.finish())
    }

    /// Whether it may become master.
    pub fn is_master_eligible(&self) -> bool {
        self.has("master")
    }

    /// Whether it can hold shards.
    pub fn holds_data(&self) -> bool {
        self.roles.iter().any(|role| role == "data" || role.starts_with("data_"))
    }

    fn has(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}
