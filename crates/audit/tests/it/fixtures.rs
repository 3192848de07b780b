//! Every rule finds what it is for at the marked line, and nothing in the near miss beside it.

use std::fs;
use std::path::{Path, PathBuf};

use parapet_audit::{Finding, Options, audit, rules};
use parapet_manifest::{Limits, Severity, load_text};

/// The day on which the fixtures are looked at.
pub(crate) fn options() -> Options {
    Options::new(jiff::civil::date(2026, 11, 21))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Options that a fixture names in `# option: key=value` lines.
pub(crate) fn options_of(text: &str) -> Options {
    let mut options = options();
    for option in text.lines().filter_map(|line| line.strip_prefix("# option: ")) {
        match option.split_once('=').unwrap() {
            ("tenant-label", label) => options.tenant_label = Some(label.to_owned()),
            ("cni", name) => options.cni = Some(name.to_owned()),
            ("cluster-network", network) => options.cluster_networks.push(network.parse().unwrap()),
            ("api-server", address) => options.api_server.push(address.parse().unwrap()),
            ("fips", value) => options.fips = value.parse().unwrap(),
            ("third-party-tokens", value) => options.third_party_tokens = value.parse().unwrap(),
            (other, _) => panic!("unknown option {other}"),
        }
    }
    options
}

pub(crate) fn look_at(text: &str, id: &str) -> Vec<Finding> {
    let loaded = load_text("fixture.yaml", text.as_bytes(), &Limits::default());
    let broken: Vec<_> =
        loaded.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(broken.is_empty(), "{id}: {broken:?}");
    let mut findings = audit(&loaded.documents, loaded.problems, &options_of(text)).findings;
    findings.retain(|finding| finding.rule.id == id);
    findings
}

#[test]
fn every_rule_finds_its_fault_where_it_stands_and_only_there() {
    let mut wrong = Vec::new();
    for rule in rules() {
        let read = |name: &str| fs::read_to_string(folder().join(rule.id).join(name));
        let (Ok(fail), Ok(pass)) = (read("fail.yaml"), read("pass.yaml")) else {
            wrong.push(format!("{}: no fixtures", rule.id));
            continue;
        };
        let marked: Vec<usize> =
            (1..).zip(fail.lines()).filter(|(_, line)| line.contains("# finding")).map(|(n, _)| n).collect();
        assert!(!marked.is_empty(), "{}: nothing is marked", rule.id);
        let found = look_at(&fail, rule.id);
        let mut lines: Vec<usize> = found.iter().map(|finding| finding.place.span.line as usize).collect();
        lines.sort_unstable();
        if lines != marked {
            let said: Vec<_> =
                found.iter().map(|finding| format!("{}: {}", finding.place.span, finding.message)).collect();
            wrong.push(format!("{}: found at {lines:?}, marked at {marked:?}: {said:?}", rule.id));
        }
        // A fault whose remedy the input tells is marked as well.
        if let Ok(decided) = read("decided.yaml") {
            let marked = (1..).zip(decided.lines()).filter(|(_, line)| line.contains("# finding"));
            let marked: Vec<u32> = marked.map(|(number, _)| number).collect();
            let mut lines: Vec<u32> =
                look_at(&decided, rule.id).iter().map(|finding| finding.place.span.line).collect();
            lines.sort_unstable();
            if lines != marked || marked.is_empty() {
                wrong.push(format!("{}: decided.yaml: found at {lines:?}, marked at {marked:?}", rule.id));
            }
        }
        for finding in look_at(&pass, rule.id) {
            wrong.push(format!(
                "{}: in the near miss at {}: {}",
                rule.id, finding.place.span, finding.message
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn there_are_154_rules_with_an_id_each_and_no_fixture_without_a_rule() {
    let mut ids: Vec<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), 154);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 154);
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(ids.contains(&name.to_str().unwrap()), "{name:?} is the folder of no rule");
    }
}

#[test]
fn a_whole_policy_that_others_imply_is_found_and_a_default_deny_is_not() {
    let policy = |name: &str, selector: &str, rules: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: obs}}\nspec:\n  \
             podSelector: {selector}\n  policyTypes: [Ingress]\n  ingress: [{rules}]\n---\n"
        )
    };
    let one = policy("one", "{matchLabels: {app: es}}", "{from: [{podSelector: {}}]}");
    let two =
        policy("two", "{matchLabels: {app: es}}", "{from: [{podSelector: {matchLabels: {app: kibana}}}]}");
    let deny = policy("deny", "{}", "");
    let messages = |text: &str| -> Vec<String> {
        look_at(text, "OBS-NP-18").into_iter().map(|finding| finding.message).collect()
    };
    assert_eq!(
        messages(&format!("{one}{two}{deny}")),
        ["the policy two changes nothing: deny, one say all that it does"]
    );
    assert_eq!(messages(&format!("{one}{deny}")), [""; 0]);
}
