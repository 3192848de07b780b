//! Explanations of everything that a view shows: outside addresses, variants and denied pairs included.

use std::collections::BTreeMap;

use parapet_reach::render::{self, ExplainedPair};
use parapet_reach::{
    Cluster, DecodeOptions, Listing, Options, PortSet, Protocol, Reachability, View, explain_pairs,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::random;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_explanations_allow_is_what_is_listed(cluster in random::cluster(2), options in random::options()) {
        let reachability = Reachability::compute(&cluster, &options);
        let view = View::default();
        let listing = Listing::of_computed(&reachability, &view);
        let mut listed: BTreeMap<(String, String), PortSet> = BTreeMap::new();
        for line in &listing.lines {
            let ends = [line.source, line.destination].map(|end| listing.peer(end).name.clone());
            listed.insert(ends.into(), (*line.ports).clone());
        }
        let mut explained: BTreeMap<(String, String), PortSet> = BTreeMap::new();
        for ExplainedPair { source, destination, parts } in explain_pairs(&reachability, &view).unwrap() {
            let everything = parts.iter().fold(PortSet::none(), |all, (ports, _)| all.union(ports));
            prop_assert!(everything.is_all(), "every port has a reason");
            let open = parts.iter().filter(|(_, one)| one.allowed);
            let open = open.fold(PortSet::none(), |all, (ports, _)| all.union(ports));
            if !open.is_empty() {
                explained.insert((source, destination), open);
            }
        }
        prop_assert_eq!(explained, listed);
    }
}

fn shop() -> Cluster {
    let deployment = |name: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
               "spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": []}}}})
    };
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
                 "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}]}});
    let objects: [Value; 3] = [deployment("web"), deployment("db"), policy];
    let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
    assert!(!cluster.incomplete, "{problems:?}");
    cluster
}

/// The block of one pair.
fn block(text: &str, pair: &str) -> String {
    let start = format!("Connections between {pair}:");
    let block = text.split(&"-".repeat(160)).find(|block| block.trim_start().starts_with(&start));
    block.unwrap_or_else(|| panic!("{pair} is missing in {text}")).to_owned()
}

#[test]
fn each_pair_says_what_would_change_it() {
    let cluster = shop();
    let reachability = Reachability::compute(&cluster, &Options::default());
    let pairs = explain_pairs(&reachability, &View::default()).unwrap();
    let text = render::explanations(&pairs, (true, true));
    let inside = block(&text, "shop/web[Deployment] => shop/db[Deployment]");
    for expected in [
        "\tTCP 5432:\n",
        "Ingress (allowed): a NetworkPolicy allows it\n",
        "what would change it: it is denied once none allows it any more: rule 1 of shop/db\n",
        "what would change it: add this port to rule 1 of shop/db, which has this peer already\n",
    ] {
        assert!(inside.contains(expected), "{expected:?}: {inside}");
    }
    let outside = block(&text, "0.0.0.0-255.255.255.255[External] => shop/db[Deployment]");
    assert!(outside.contains("add this peer to rule 1 of shop/db, which has this port already"), "{outside}");
    // The client's side has nothing to change about a refusal at the server's.
    assert!(
        !outside.contains("Allowed connections") && !outside.contains("policyTypes: [Egress]"),
        "{outside}"
    );
    assert!(
        text.ends_with("shop/web[Deployment] => ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff[External]\n"),
        "{text}"
    );

    let denied = render::explanations(&pairs, (false, true));
    assert!(!denied.contains("Allowed") && denied.contains("Denied connections:"), "{denied}");
    let view = View { focus_connection: Some((Protocol::Tcp, 22)), external: false, ..View::default() };
    let ssh = explain_pairs(&reachability, &view).unwrap();
    let ssh = ssh.iter().find(|pair| pair.destination == "shop/db[Deployment]").unwrap();
    assert!(ssh.parts.iter().all(|(ports, _)| ports.contains(Protocol::Tcp, 22)) && ssh.parts.len() == 1);
}
