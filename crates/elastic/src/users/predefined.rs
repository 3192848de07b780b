//! The roles that every cluster gets.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::config::{Node, Yml};

/// Written as people write roles; what it leaves out is added.
const WRITTEN: &str = include_str!("roles.yml");
/// The beats that have roles.
const BEATS: [&str; 6] = ["auditbeat", "filebeat", "heartbeat", "journalbeat", "metricbeat", "packetbeat"];

/// All predefined roles by name, each with all of its four parts. Every pass over every cluster asks for them, so they are read
/// once; they never change.
pub fn predefined_roles() -> Yml {
    static ROLES: LazyLock<Yml> = LazyLock::new(read);
    ROLES.clone()
}

fn read() -> Yml {
    let mut roles = Yml::parse_plain(WRITTEN).expect("a file of this crate that its test reads");
    for beat in BEATS {
        for (version, privileges) in ELASTICSEARCH {
            let indices =
                object([("names", list(&[&format!("{beat}-*")])), ("privileges", list(privileges))]);
            let parts = [("cluster", list(CLUSTER)), ("indices", Node::List(vec![indices]))];
            roles.settings.insert(format!("eck_beat_es_{beat}_role_{version}"), object(parts));
        }
        for (version, privileges) in KIBANA {
            let application = object([
                ("application", Node::from("kibana-.kibana")),
                ("privileges", list(privileges)),
                ("resources", list(&["*"])),
            ]);
            let parts = [("applications", Node::List(vec![application]))];
            roles.settings.insert(format!("eck_beat_kibana_{beat}_role_{version}"), object(parts));
        }
    }
    for role in roles.settings.values_mut() {
        let Node::Object(parts) = role else { continue };
        for part in ["cluster", "indices", "applications"] {
            parts.entry(part.to_owned()).or_insert_with(|| Node::List(Vec::new()));
        }
        parts.entry("metadata".to_owned()).or_insert_with(|| Node::Object(BTreeMap::new()));
    }
    roles
}

/// What a Beat does to the cluster when it sets itself up: its lifecycle policy, index template and pipelines.
const CLUSTER: &[&str] =
    &["manage_ilm", "manage_index_templates", "manage_ingest_pipelines", "monitor", "read_ilm"];

/// What it does in its own indices. Documents can be created without the right to change others since 7.5; since 7.7 it looks
/// at its alias's metadata first.
const ELASTICSEARCH: &[(&str, &[&str])] = &[
    ("v70", &["create_index", "index", "manage"]),
    ("v73", &["create_index", "index", "manage"]),
    ("v75", &["create_doc", "create_index", "manage"]),
    ("v77", &["create_doc", "create_index", "manage", "view_index_metadata"]),
];

/// What it does in Kibana: imports dashboards. Before 7.3 there were no privileges of single features that allow it.
const KIBANA: &[(&str, &[&str])] = &[
    ("v70", &["all"]),
    ("v73", &["feature_dashboard.all", "feature_indexPatterns.all", "feature_visualize.all"]),
    (
        "v77",
        &[
            "feature_dashboard.all",
            "feature_indexPatterns.all",
            "feature_savedObjectsManagement.all",
            "feature_visualize.all",
        ],
    ),
];

fn list(items: &[&str]) -> Node {
    Node::List(items.iter().map(|item| Node::from(*item)).collect())
}

fn object<const N: usize>(parts: [(&str, Node); N]) -> Node {
    Node::Object(parts.map(|(key, value)| (key.to_owned(), value)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_five_with_four_parts_each() {
        let roles = predefined_roles();
        assert_eq!(roles.settings.len(), 55);
        for (name, role) in &roles.settings {
            let Node::Object(parts) = role else { panic!("{name}") };
            let parts: Vec<&str> = parts.keys().map(String::as_str).collect();
            assert_eq!(parts, ["applications", "cluster", "indices", "metadata"], "{name}");
        }
    }

    #[test]
    fn what_the_interface_says() {
        let roles = predefined_roles();
        let has = |role: &str, part: &str, text: &str| {
            let found = roles.settings[role].clone();
            let Node::Object(parts) = found else { panic!("{role}") };
            let mut alone = Yml::default();
            alone.settings.insert(part.to_owned(), parts[part].clone());
            assert_eq!(alone.text(), text, "{role}");
        };
        has("elastic-internal_cluster_manage", "cluster", "cluster:\n    - manage\n");
        has("elastic_internal_probe_user", "cluster", "cluster:\n    - monitor\n");
        has(
            "eck_apm_user_role_v80",
            "cluster",
            "cluster:\n    - cluster:monitor/main\n    - manage_index_templates\n",
        );
        has("eck_apm_agent_user_role", "indices", "indices: []\n");
        has("eck_apm_agent_user_role", "metadata", "metadata: {}\n");
        let Node::Object(diagnostics) = &roles.settings["elastic_internal_diagnostics_v85"] else { panic!() };
        let Node::List(applications) = &diagnostics["applications"] else { panic!() };
        let Node::Object(kibana) = &applications[0] else { panic!() };
        let Node::List(privileges) = &kibana["privileges"] else { panic!() };
        assert_eq!(privileges.len(), 22);
    }
}
