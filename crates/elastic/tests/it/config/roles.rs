//! Roles of nodes, and the labels that say them.

use parapet_elastic::config::{Roles, Yml, node_roles};
use serde_json::{Value, json};

fn roles(version: &str, config: &Value) -> Roles {
    node_roles(&Yml::from_user(config.as_object()).unwrap(), &version.parse().unwrap())
}

fn check(version: &str, config: &Value, expected: &str) {
    let names: Vec<&str> = roles(version, config).iter().map(|role| role.name()).collect();
    assert_eq!(names.join(" "), expected, "{version} {config}");
}

#[test]
fn roles_follow_configuration_and_version() {
    let all = "master data ingest ml transform remote_cluster_client data_content data_hot data_warm data_cold data_frozen";
    check("8.15.3", &json!({}), all);
    check("8.15.3", &json!({ "node.roles": [] }), "");
    check("8.15.3", &json!({ "node.roles": ["data", "ingest", "transform"] }), "data ingest transform");
    check("8.15.3", &json!({ "node": { "roles": "master, voting_only" } }), "master voting_only");
    check("8.15.3", &json!({ "node.roles": null }), all);
    check("8.15.3", &json!({ "node.roles": ["master", "unheard_of"] }), "master");
    check("8.15.3", &json!({ "node.master": false }), all);
    check("7.9.0", &json!({}), "master data ingest ml transform remote_cluster_client");
    check("7.6.0", &json!({}), "master data ingest ml");
    check("7.6.0", &json!({ "node.master": "false", "node.ml": false }), "data ingest");
    check(
        "7.17.0",
        &json!({ "node.data": false }),
        "master ingest ml remote_cluster_client data_content data_hot data_warm data_cold data_frozen",
    );
    check(
        "7.9.0",
        &json!({ "node.data": false, "node.transform": true }),
        "master ingest ml transform remote_cluster_client",
    );
    check(
        "7.9.0",
        &json!({ "node.voting_only": true }),
        "master data ingest ml transform remote_cluster_client voting_only",
    );
}

#[test]
fn labels_are_complete_with_those_that_say_false() {
    let version = "8.15.3".parse().unwrap();
    let labels = roles("8.15.3", &json!({ "node.roles": ["master", "data_hot"] })).labels(&version);
    let said: Vec<String> = labels
        .iter()
        .map(|(key, value)| {
            format!("{}={value}", key.strip_prefix("elasticsearch.k8s.elastic.co/node-").unwrap())
        })
        .collect();
    assert_eq!(
        said.join(" "),
        "data=false data_cold=false data_content=false data_frozen=false data_hot=true data_warm=false ingest=false \
         master=true ml=false remote_cluster_client=false transform=false voting_only=false"
    );
    let count = |version: &str| Roles::default().labels(&version.parse().unwrap()).len();
    assert_eq!(["7.2.0", "7.3.0", "7.7.0", "7.10.0", "7.12.0"].map(count), [4, 5, 7, 11, 12]);
}
