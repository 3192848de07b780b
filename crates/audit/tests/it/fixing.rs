//! `--fix` as a whole: rounds of patches until nothing is left to patch, in files as people write them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use parapet_audit::{Audit, Fix, Options, audit, fix, rules};
use parapet_manifest::{Limits, load_text};

use crate::fixtures::options_of;

/// A text as `--fix` (with `--repair`) leaves it, and the audits before and after.
fn fixed(text: &str) -> (Fix, String, Audit, Audit) {
    let options = options_of(text);
    let look = |bytes: &[u8]| look(bytes, &options);
    let last = std::cell::RefCell::new(text.as_bytes().to_vec());
    let again = |files: &BTreeMap<Arc<str>, Vec<u8>>| {
        last.replace(files["m.yaml"].clone());
        look(&files["m.yaml"])
    };
    let before = look(text.as_bytes());
    let fix = fix(&before, &|_| Ok(text.as_bytes().to_vec()), &again, true).unwrap();
    let text = String::from_utf8(last.into_inner()).unwrap();
    let after = look(text.as_bytes());
    (fix, text, before, after)
}

fn look(bytes: &[u8], options: &Options) -> Audit {
    let loaded = load_text("m.yaml", bytes, &Limits::default());
    audit(&loaded.documents, loaded.problems, options)
}

/// What is found.
fn found(audit: &Audit) -> BTreeSet<&'static str> {
    audit.findings.iter().map(|finding| finding.rule.id).collect()
}

/// What follows from putting something right, and that nothing in the input decides.
const FOLLOWS: &[&str] = &[
    // There are policies now, and it isn't known that they are enforced.
    "OBS-NP-20",
    // The pod is isolated now, and the API server's addresses aren't known.
    "OBS-EG-04",
    // The receiver is closed now, and nothing shows who sends to it.
    "OBS-RX-03",
    // What stood in the manifest is to come from a Secret that people make.
    "OBS-SEC-03",
    "OBS-SEC-05",
    "OBS-SEC-09",
    // The scrape verifies now, and nothing shows with which CA.
    "OBS-MET-07",
    // The custom CA is mounted here, too.
    "OBS-CA-06",
];

#[test]
fn fixing_all_of_a_fixture_takes_its_finding_away_and_makes_no_other() {
    let mut wrong = Vec::new();
    for (rule, name) in rules().flat_map(|rule| ["fail", "decided"].map(|name| (rule, name))) {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{}/{name}.yaml", rule.id));
        let Ok(text) = fs::read_to_string(path) else { continue };
        let (fix, patched, before, after) = fixed(&text);
        let problems: Vec<String> = after.problems.iter().map(ToString::to_string).collect();
        let new_problems = after.problems.len() > before.problems.len();
        let known = found(&before);
        let mut new = found(&after);
        new.retain(|id| !known.contains(id) && !FOLLOWS.contains(id));
        let left: Vec<String> = after
            .findings
            .iter()
            .filter(|finding| finding.patch.is_some())
            .map(|finding| format!("{} {}", finding.rule.id, finding.place.span))
            .collect();
        if new_problems || !new.is_empty() || !left.is_empty() || fix.skipped > 0 {
            wrong.push(format!(
                "{}/{name}: new {new:?}, left {left:?}, skipped {}, problems {problems:?}\n{patched}",
                rule.id, fix.skipped
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// The lines that `--fix` takes out and adds.
fn lines(fix: &Fix, sign: char) -> Vec<&str> {
    let changed = fix.diff.lines().skip(2).filter_map(|line| line.strip_prefix(sign));
    changed.collect()
}

const POD: &str = "    spec:\n      containers:\n        - name: otel\n          image: otel/opentelemetry-collector:0.130.0\n";

fn deployment(name: &str, template: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: obs}}\nspec:\n  template:\n    \
         metadata: {{labels: {{app: {name}}}}}\n{template}"
    )
}

#[test]
fn what_an_anchor_shares_changes_only_where_it_is_wrong() {
    // Two containers share an environment; one of them names a credential of its own.
    let text = deployment(
        "otel",
        "    spec:\n      containers:\n        - name: otel\n          image: otel/opentelemetry-collector:0.130.0\n          \
         securityContext: &hardened\n            privileged: true # for now\n            runAsUser: 10001\n        - name: second\n          \
         image: otel/opentelemetry-collector:0.130.0\n          securityContext: *hardened\n        - name: third\n          \
         image: otel/opentelemetry-collector:0.130.0\n          securityContext:\n            <<: *hardened\n            \
         runAsUser: 10002\n",
    );
    let (fix, patched, _, after) = fixed(&text);
    assert_eq!(fix.skipped, 0);
    assert!(!after.findings.iter().any(|finding| finding.rule.id.starts_with("OBS-POD-")), "{patched}");
    assert!(patched.contains("# for now"), "{patched}");
    let loaded = load_text("m.yaml", patched.as_bytes(), &Limits::default());
    assert_eq!(loaded.problems, [], "{patched}");
    let user = |container: usize| {
        let at = format!("/spec/template/spec/containers/{container}/securityContext/runAsUser");
        loaded.documents[0].at(&at).and_then(parapet_manifest::Node::as_i64)
    };
    assert_eq!([user(0), user(1), user(2)], [Some(10001), Some(10001), Some(10002)], "{patched}");
}

#[test]
fn an_alias_becomes_a_value_of_its_own_and_the_anchor_stays() {
    let text = format!(
        "{}---\n{}",
        deployment(
            "shop",
            "    spec: {containers: [{name: shop, image: registry.example/shop:1, env: &env [{name: A, value: b}]}]}\n"
        ),
        deployment(
            "otel",
            "    spec:\n      hostNetwork: &yes true\n      hostPID: *yes\n      containers:\n        - name: otel\n          \
             image: otel/opentelemetry-collector:0.130.0\n"
        ),
    );
    let (fix, patched, _, after) = fixed(&text);
    assert!(patched.contains("env: &env [{name: A, value: b}]"), "{patched}");
    assert!(!after.findings.iter().any(|finding| finding.rule.id == "OBS-HOST-04"), "{patched}");
    assert_eq!(fix.skipped, 0, "{patched}");
}

#[test]
fn an_anchor_in_front_of_brackets_stays_and_its_alias_gets_a_value_of_its_own() {
    let text = deployment(
        "otel",
        "    spec:\n      containers:\n        - name: otel # keep me\n          image: otel/opentelemetry-collector:0.130.0\n          \
         securityContext: &sc {privileged: true}\n          args: &args [--config=/c]\n        - name: second\n          \
         image: otel/opentelemetry-collector:0.130.0\n          securityContext: *sc\n          args: *args\n",
    );
    let (fix, patched, _, after) = fixed(&text);
    assert_eq!(fix.skipped, 0, "{patched}");
    let errors =
        after.problems.iter().filter(|problem| problem.severity == parapet_manifest::Severity::Error);
    assert_eq!(errors.count(), 0, "{:?}\n{patched}", after.problems);
    assert!(!after.findings.iter().any(|finding| finding.rule.id.starts_with("OBS-POD-")), "{patched}");
    assert!(
        patched.contains("securityContext: &sc {privileged: false, ") && patched.contains("# keep me"),
        "{patched}"
    );
    assert!(patched.contains("args: &args [--config=/c]") && patched.contains("args: *args"), "{patched}");
}

#[test]
fn what_helm_writes_is_patched_in_the_document_that_is_meant() {
    let chart = |name: &str| format!("# Source: chart/templates/{name}.yaml\n{}", deployment(name, POD));
    let text = format!("---\n{}---\n\n---\n# only a comment\n---\n{}", chart("one"), chart("two"));
    let (fix, patched, before, _) = fixed(&text);
    let documents: BTreeSet<usize> =
        before.findings.iter().filter_map(|finding| Some(finding.patch.as_ref()?.document)).collect();
    assert_eq!(documents.len(), 2, "{documents:?}");
    assert_eq!(lines(&fix, '-'), [""; 0], "nothing is taken out");
    let at = |text: &str| patched.find(text).unwrap();
    assert_eq!(patched.matches("readOnlyRootFilesystem: true").count(), 2, "{patched}");
    assert!(
        at("templates/one") < at("readOnlyRootFilesystem")
            && at("readOnlyRootFilesystem") < at("# only a comment")
    );
}

#[test]
fn items_of_a_list_and_lines_that_end_with_cr_lf_are_patched_in_place() {
    let item = |name: &str| {
        format!(
            "- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {{name: {name}, namespace: obs}}\n  spec:\n    template:\n      \
             metadata: {{labels: {{app: {name}}}}}\n      spec:\n        containers:\n        - name: otel\n          \
             image: otel/opentelemetry-collector:0.130.0\n          securityContext: {{privileged: true}}\n"
        )
    };
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item("one"), item("two"));
    for text in [text.replace('\n', "\r\n"), text] {
        let (fix, patched, before, after) = fixed(&text);
        let patches = before.findings.iter().filter_map(|finding| finding.patch.as_ref());
        let items: BTreeSet<Option<usize>> = patches.map(|patch| patch.item).collect();
        assert!(items.contains(&Some(0)) && items.contains(&Some(1)), "{items:?}");
        assert_eq!(fix.skipped, 0, "{patched}");
        assert!(!after.findings.iter().any(|finding| finding.rule.id == "OBS-POD-04"), "{patched}");
        let errors =
            after.problems.iter().filter(|problem| problem.severity == parapet_manifest::Severity::Error);
        assert_eq!(errors.count(), 0, "{:?}\n{patched}", after.problems);
        assert_eq!(patched.matches("privileged: false").count(), 2, "{patched}");
    }
}

#[test]
fn a_list_in_json_stays_json() {
    let item = |name: &str| {
        serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "obs"},
            "spec": {"template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "otel", "image": "otel/opentelemetry-collector:0.130.0"}]},
            }},
        })
    };
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [item("one"), item("two")]});
    let (fix, patched, ..) = fixed(&serde_json::to_string_pretty(&list).unwrap());
    let list: serde_json::Value = serde_json::from_str(&patched).unwrap();
    let kinds: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"NetworkPolicy") && kinds.len() > 2, "{kinds:?}");
    assert_eq!(fix.skipped, 0, "{patched}");
}

#[test]
fn a_configuration_in_a_configmap_is_changed_line_by_line() {
    let pod = "    spec:\n      volumes: [{name: c, configMap: {name: otel}}]\n      containers:\n        - name: otel\n          \
               image: otel/opentelemetry-collector:0.130.0\n";
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: otel, namespace: obs}\ndata:\n  other: kept\n  config.yaml: |\n    \
                  # profiling, for the last release\n    extensions:\n\n      pprof: {endpoint: \"0.0.0.0:1777\"} # open\n      zpages:\n        \
                  endpoint: 0.0.0.0:55679\n    receivers: {}\n    service: {}\n";
    let (fix, patched, before, after) = fixed(&format!("{}---\n{config}", deployment("otel", pod)));
    let of = |audit: &Audit| audit.findings.iter().filter(|finding| finding.rule.id == "OBS-RX-07").count();
    assert_eq!((of(&before), of(&after)), (2, 0), "{patched}");
    let taken: Vec<&str> = lines(&fix, '-').into_iter().filter(|line| line.contains("0.0.0.0")).collect();
    assert_eq!(taken.len(), 2, "{}", fix.diff);
    assert_eq!(lines(&fix, '-').len(), 2, "{}", fix.diff);
    assert!(patched.contains("\n      pprof: {endpoint: \"localhost:1777\"} # open\n"), "{patched}");
}

#[test]
fn a_switch_in_a_script_goes_and_the_rest_of_it_stays() {
    let pod = "    spec:\n      containers:\n        - name: otel\n          image: otel/opentelemetry-collector:0.130.0\n          \
               command:\n            - sh\n            - -c\n            - |\n              set -e # stop\n              \
               curl -k https://backend/ready\n              exec otelcol\n";
    let (fix, patched, ..) = fixed(&deployment("otel", pod));
    assert_eq!(lines(&fix, '-'), ["              curl -k https://backend/ready"], "{}", fix.diff);
    assert!(
        patched.contains("              curl https://backend/ready\n              exec otelcol\n"),
        "{patched}"
    );
}
