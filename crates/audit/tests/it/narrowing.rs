//! A patch never lets through what was closed before.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use parapet_audit::{apply, rules};
use parapet_manifest::{Limits, load_text};
use parapet_reach::model::{Cluster, Direction};
use parapet_reach::{DecodeOptions, Endpoint, Options, PodId, Reachability};
use serde_json::{Value, json};

use crate::fixtures::look_at;
use crate::patches::parts;

/// Their patches add the way to the name servers and to istiod, which a default deny that another patch adds would
/// otherwise cut; and nothing else.
const INFRASTRUCTURE: [(&str, &str, &str); 2] = [
    ("OBS-NP-10", "=> kube-system/", "UDP 53 after"),
    ("OBS-MESH-19", "=> istio-system/", "TCP 15012 after"),
];

fn objects(text: &str) -> Vec<Value> {
    let loaded = load_text("fixture.yaml", text.as_bytes(), &Limits::default());
    loaded.documents.iter().map(|document| document.root.to_json()).collect()
}

/// Every set of labels that something in `value` selects by.
fn selected(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for key in ["matchLabels", "selector"] {
                if let Some(labels) = fields.get(key).and_then(Value::as_object)
                    && labels.values().all(Value::is_string)
                {
                    into.insert(Value::Object(labels.clone()).to_string());
                }
            }
            fields.values().for_each(|field| selected(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| selected(item, into)),
        _ => {}
    }
}

/// Every namespace that something in `value` selects by name.
fn places(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("kubernetes.io/metadata.name").and_then(Value::as_str);
            into.extend(name.map(str::to_owned));
            fields.values().for_each(|field| places(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| places(item, into)),
        _ => {}
    }
}

/// The fixture's workloads are few: a pod for each set of labels that is selected by, in each namespace, joins them.
fn strangers(before: &[Value], after: &[Value]) -> Vec<Value> {
    let mut labels = BTreeSet::from(["{}".to_owned()]);
    let mut namespaces = BTreeSet::from(["default".to_owned(), "elsewhere".to_owned()]);
    for object in before.iter().chain(after) {
        selected(object, &mut labels);
        places(object, &mut namespaces);
        let named = object.pointer("/metadata/namespace").and_then(Value::as_str);
        namespaces.extend(named.map(str::to_owned));
    }
    let mut pods = Vec::new();
    for namespace in &namespaces {
        for labels in &labels {
            let labels: Value = serde_json::from_str(labels).unwrap();
            pods.push(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": format!("stranger-{}", pods.len()), "namespace": namespace, "labels": labels},
                "spec": {"containers": [{"name": "main", "image": "x", "ports": [
                    {"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8888},
                ]}]},
            }));
        }
    }
    pods
}

fn ends(cluster: &Cluster, both: [&Reachability<'_>; 2]) -> Vec<(String, Endpoint)> {
    let pods = cluster
        .pods
        .iter()
        .enumerate()
        .map(|(index, pod)| (format!("{}/{}", pod.namespace, pod.name), Endpoint::Pod(PodId(index))));
    let ranges = both.into_iter().flat_map(|one| {
        [Direction::Ingress, Direction::Egress]
            .into_iter()
            .flat_map(|direction| one.external_ranges(direction))
    });
    let addresses: BTreeSet<IpAddr> = ranges.map(|range| range.first).collect();
    pods.chain(addresses.into_iter().map(|one| (one.to_string(), Endpoint::Address(one)))).collect()
}

/// The connections that `after` has and `before` hasn't.
fn widened(before: &str, after: &str) -> (Vec<String>, usize) {
    let (before, after) = (objects(before), objects(after));
    let strangers = strangers(&before, &after);
    let cluster = |objects: Vec<Value>| {
        Cluster::from_objects(objects.into_iter().chain(strangers.clone()), &DecodeOptions::default()).0
    };
    let (old, new) = (cluster(before), cluster(after));
    let names = |cluster: &Cluster| -> Vec<String> {
        cluster.pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect()
    };
    assert_eq!(names(&old), names(&new), "a patch makes or takes no pods");
    let options = Options::default();
    let (was, is) = (Reachability::compute(&old, &options), Reachability::compute(&new, &options));
    let ends = ends(&old, [&was, &is]);
    let mut wider = Vec::new();
    let mut narrower = 0;
    for (source, from) in &ends {
        for (destination, to) in &ends {
            if matches!((from, to), (Endpoint::Address(_), Endpoint::Address(_))) {
                continue;
            }
            let (then, now) = (was.connections(*from, *to), is.connections(*from, *to));
            if !now.is_subset(&then) {
                wider.push(format!("{source} => {destination}: {then} before, {now} after"));
            }
            narrower += usize::from(!then.is_subset(&now));
        }
    }
    (wider, narrower)
}

#[test]
fn no_patch_widens_what_can_be_reached_but_those_that_repair_what_is_cut() {
    let mut wrong = Vec::new();
    let (mut policies, mut narrower) = (0, 0);
    for (rule, fixture) in rules().flat_map(|rule| ["fail", "decided"].map(|fixture| (rule, fixture))) {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{}/{fixture}.yaml", rule.id));
        let Ok(before) = fs::read_to_string(path) else { continue };
        let findings = look_at(&before, rule.id);
        let patches = parts(&findings);
        if patches.is_empty() {
            continue;
        }
        let after = String::from_utf8(apply(before.as_bytes(), &patches).0).unwrap();
        let (wider, fewer) = widened(&before, &after);
        policies += usize::from(findings.iter().any(|finding| finding.object.kind.contains("Policy")));
        narrower += usize::from(fewer > 0);
        assert!(patches.iter().all(|patch| patch.repairs == rule.repairs()), "{}", rule.id);
        if let Some((_, to, ports)) = INFRASTRUCTURE.iter().find(|(id, ..)| *id == rule.id) {
            let beyond: Vec<&String> =
                wider.iter().filter(|one| !(one.contains(to) && one.ends_with(ports))).collect();
            assert_eq!((beyond.len(), wider.is_empty()), (0, false), "{beyond:?}");
            continue;
        }
        if rule.repairs() {
            assert!(!wider.is_empty(), "{} repairs nothing", rule.id);
            continue;
        }
        wrong.extend(wider.first().map(|one| format!("{}: {} more: {one}\n{after}", rule.id, wider.len())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        policies >= 3 && narrower >= 2,
        "{policies} patches of policies, {narrower} that close something"
    );
}

#[test]
fn closing_the_last_port_of_a_rule_closes_the_rule() {
    let fixture = "tests/fixtures/OBS-RX-05/fail.yaml";
    let one = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
    let two =
        one.replace("        - port: 55680  # finding\n", "        - port: 55680\n        - port: 55681\n");
    assert_ne!(one, two);
    for before in [one, two] {
        let findings = look_at(&before, "OBS-RX-05");
        let patches = parts(&findings);
        let after = String::from_utf8(apply(before.as_bytes(), &patches).0).unwrap();
        let (wider, fewer) = widened(&before, &after);
        assert_eq!(wider, [""; 0], "{after}");
        assert!(fewer > 0, "{after}");
        assert_eq!(look_at(&after, "OBS-RX-05").len(), 0, "{after}");
    }
}

#[test]
fn a_patch_that_widens_would_be_seen() {
    let policy = |from: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: a}}\nspec:\n  \
             podSelector: {{}}\n  ingress: [{from}]\n"
        )
    };
    let (narrow, open) = (policy("{from: [{podSelector: {matchLabels: {app: x}}}]}"), policy("{}"));
    assert!(!widened(&narrow, &open).0.is_empty());
    assert_eq!(widened(&open, &narrow).0, [""; 0]);
}
