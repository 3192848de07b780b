//! Elasticsearch's configuration, a user's over ours: never a panic; what is laid on top is what a naive merge makes; what is
//! written is read again as the same; and what says the same is not written anew.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use parapet_api::StackVersion;
use parapet_elastic::config::{Node, Yml, node_roles};
use parapet_elastic::same_settings;

/// Between the two configurations.
const BETWEEN: &str = "\n---\n";

/// Later wins, lists are appended to, objects merge.
fn merged(under: Option<&Node>, over: Option<&Node>) -> Option<Node> {
    match (under, over) {
        (Some(Node::Object(under)), Some(Node::Object(over))) => {
            let keys: BTreeMap<&String, ()> = under.keys().chain(over.keys()).map(|key| (key, ())).collect();
            let both = keys
                .into_keys()
                .filter_map(|key| Some((key.clone(), merged(under.get(key), over.get(key))?)));
            Some(Node::Object(both.collect()))
        }
        (Some(Node::List(under)), Some(Node::List(over))) => {
            Some(Node::List(under.iter().chain(over).cloned().collect()))
        }
        (under, over) => over.or(under).cloned(),
    }
}

/// The first parts of the keys.
fn heads(text: &str) -> Vec<String> {
    let map: Option<serde_json::Map<String, serde_json::Value>> =
        serde_saphyr::from_str(text).unwrap_or_default();
    let keys = map.into_iter().flat_map(|map| map.into_iter().map(|(key, _)| key));
    keys.filter_map(|key| key.split('.').next().map(str::to_owned)).collect()
}

fuzz_target!(|text: &str| {
    let (ours, theirs) = text.split_once(BETWEEN).unwrap_or((text, ""));
    assert_eq!(same_settings(ours, theirs), same_settings(theirs, ours));
    let (Ok(under), Ok(over)) = (Yml::parse(ours), Yml::parse(theirs)) else { return };
    let both = under.clone().merged(over.clone());
    for head in heads(ours).into_iter().chain(heads(theirs)) {
        assert!(both.get(&head) == merged(under.get(&head), over.get(&head)).as_ref(), "{head}");
    }
    let written = both.text();
    assert!(both.same_as(&written), "{written}");
    assert!(same_settings(&written, &written));
    assert_eq!(under.text_keeping(Some(ours)), ours);
    assert_eq!(both.text_keeping(None), written);
    for version in ["7.6.0", "8.15.3"] {
        let version: StackVersion = version.parse().unwrap();
        let roles = node_roles(&both, &version);
        // A role that the version hasn't has no label either.
        assert!(roles.labels(&version).len() <= 12);
    }
    let started = both.with_initial_masters(&["a".to_owned(), "b".to_owned()]);
    assert!(started.same_as(&started.text()));
});
