//! What a patch changes, and that it silences its finding.

use std::fs;
use std::path::Path;

use parapet_audit::{Finding, Patch, Remedy, apply, audit, fix, rules};
use parapet_manifest::{Limits, load_text};
use parapet_reach::{Cluster, DecodeOptions, Protocol, Reachability, find_endpoints};

use crate::fixtures::{look_at, options};

/// What findings offer, part by part.
pub(crate) fn parts(findings: &[Finding]) -> Vec<&Patch> {
    findings.iter().filter_map(|finding| finding.patch.as_ref()).flat_map(Patch::parts).collect()
}

/// A fixture of a rule with all of its patches applied; `decided` is a fault whose remedy the input tells, where the
/// simplest one doesn't.
fn patched(id: &str, fixture: &str) -> Option<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{id}/{fixture}.yaml"));
    let text = fs::read_to_string(path).ok()?;
    let findings = look_at(&text, id);
    let patches = parts(&findings);
    if patches.is_empty() {
        return None;
    }
    let (bytes, skipped) = apply(text.as_bytes(), &patches);
    assert_eq!(skipped, 0, "{id}");
    Some((text, String::from_utf8(bytes).unwrap()))
}

#[test]
fn every_patch_silences_its_finding() {
    let mut wrong = Vec::new();
    let mut patches = 0;
    for (rule, fixture) in rules().flat_map(|rule| ["fail", "decided"].map(|fixture| (rule, fixture))) {
        let Some((_, after)) = patched(rule.id, fixture) else { continue };
        patches += 1;
        let loaded = load_text("patched.yaml", after.as_bytes(), &Limits::default());
        let broken: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        if !broken.is_empty() {
            wrong.push(format!("{}: no longer a manifest: {broken:?}\n{after}", rule.id));
            continue;
        }
        for finding in look_at(&after, rule.id) {
            wrong.push(format!("{}: still at {}: {}\n{after}", rule.id, finding.place.span, finding.message));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(patches >= 127, "only {patches} patches");
}

#[test]
fn a_rule_has_a_patch_or_says_what_is_to_be_decided() {
    let mut wrong = Vec::new();
    for rule in rules() {
        let has_patch = ["fail", "decided"].iter().any(|fixture| patched(rule.id, fixture).is_some());
        if has_patch != (rule.remedy() == Remedy::Patch) {
            wrong.push(format!(
                "{}: says {}, a fixture has a patch: {has_patch}",
                rule.id,
                rule.remedy().name()
            ));
        }
    }
    assert_eq!(wrong, [""; 0]);
    let decided = rules().filter(|rule| rule.remedy().decision().is_some()).count();
    assert_eq!(decided, 27, "docs/audit.md says how many");
}

#[test]
fn the_edit_of_the_text_is_the_json_patch() {
    let (before, after) = patched("OBS-POD-03", "fail").unwrap();
    let changed: Vec<&str> = after.lines().filter(|line| !before.contains(line)).collect();
    assert_eq!(changed, ["            allowPrivilegeEscalation: false  # finding"]);
    let (before, after) = patched("OBS-NP-17", "fail").unwrap();
    assert_eq!(
        after.replace("  policyTypes:\n    - Ingress\n    - Egress\n", ""),
        before.replace("# nothing", "")
    );
}

#[test]
fn comments_and_everything_else_stay() {
    let text = "# head\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: otel, namespace: obs} # id\nspec:\n  template:\n    \
                metadata: {labels: {app: otel}}\n    spec:\n      containers:\n        - name: otel # the one\n          \
                image: otel/opentelemetry-collector:0.130.0\n          securityContext: {runAsUser: 0}\n";
    let loaded = load_text("m.yaml", text.as_bytes(), &Limits::default());
    let audit = audit(&loaded.documents, loaded.problems, &options());
    let again = |files: &std::collections::BTreeMap<std::sync::Arc<str>, Vec<u8>>| {
        let loaded = load_text("m.yaml", &files["m.yaml"], &Limits::default());
        assert_eq!(loaded.problems, [], "{}", String::from_utf8_lossy(&files["m.yaml"]));
        parapet_audit::audit(&loaded.documents, loaded.problems, &options())
    };
    let fix = fix(&audit, &|_| Ok(text.as_bytes().to_vec()), &again, false).unwrap();
    assert_eq!(fix.skipped, 0);
    assert!(fix.diff.starts_with("--- a/m.yaml\n+++ b/m.yaml\n"), "{}", fix.diff);
    assert!(fix.applied > 5, "{}", fix.applied);
    for line in fix.diff.lines().skip(2).filter(|line| line.starts_with('-')) {
        assert!(line.contains("securityContext"), "{line} is taken out");
    }
}

#[test]
fn an_open_elasticsearch_is_closed_to_all_but_its_own_nodes_and_its_clients() {
    let workload = |kind: &str, namespace: &str, name: &str, image: &str, port: u16| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  replicas: 2\n  \
             template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n        - name: {name}\n          \
             image: {image}\n          ports: [{{containerPort: {port}}}]\n---\n"
        )
    };
    let text = workload("StatefulSet", "obs", "es", "elasticsearch:9.0.0", 9200)
        + &workload("Deployment", "ui", "kibana", "kibana:9.0.0", 5601)
        + &workload("Deployment", "obs", "shop", "registry.example/shop:1", 8080);
    let look = |text: &str| {
        let loaded = load_text("m.yaml", text.as_bytes(), &Limits::default());
        assert_eq!(loaded.problems, [], "{text}");
        audit(&loaded.documents, loaded.problems, &options())
    };
    let again = |files: &std::collections::BTreeMap<std::sync::Arc<str>, Vec<u8>>| {
        look(&String::from_utf8_lossy(&files["m.yaml"]))
    };
    let fix = fix(&look(&text), &|_| Ok(text.clone().into_bytes()), &again, false).unwrap();
    let added: String = fix
        .diff
        .lines()
        .filter_map(|line| line.strip_prefix('+'))
        .fold(String::new(), |all, line| all + line + "\n");
    assert_eq!(added.matches("name: default-deny").count(), 2, "{added}");
    assert_eq!(
        added.matches("name: es-ingress").count(),
        1,
        "several findings ask for it, it is added once: {added}"
    );
    assert!(!added.contains("name: shop-ingress"), "the default deny says it: {added}");

    let patches = look(&text);
    let patches = parts(&patches.findings);
    let patched = String::from_utf8(apply(text.as_bytes(), &patches).0).unwrap();
    let loaded = load_text("m.yaml", patched.as_bytes(), &Limits::default());
    let objects = loaded.documents.iter().map(|document| document.root.to_json());
    let (mut cluster, _) = Cluster::from_objects(objects, &DecodeOptions::default());
    // What clients may send is their own policies' business.
    cluster
        .network_policies
        .retain(|policy| !policy.name.ends_with("-egress") && &*policy.name != "default-deny");
    let reach = Reachability::compute(&cluster, &parapet_reach::Options::default());
    let end = |name: &str| find_endpoints(&cluster, name)[0];
    // Another pod than the first: a pod always reaches itself.
    let other = *find_endpoints(&cluster, "obs/es").last().unwrap();
    assert_ne!(end("obs/es"), other);
    for (from, port, allowed) in [
        ("obs/es", 9300, true),
        ("ui/kibana", 9200, true),
        ("ui/kibana", 9300, false),
        ("obs/shop", 9200, false),
        ("obs/shop", 9300, false),
        ("203.0.113.9", 9200, false),
    ] {
        assert_eq!(reach.allowed(end(from), other, Protocol::Tcp, port), allowed, "{from} {port}\n{patched}");
    }
}

/// What fuzzing kept because it reaches something new: patches are made of it, too, and can be applied.
#[test]
fn what_fuzzing_kept_is_patched_without_a_panic() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let (mut files, mut patches) = (0, 0);
    for folder in ["audit_reports", "manifest"] {
        for entry in fs::read_dir(seeds.join(folder)).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let limits = Limits { nodes: 20_000, ..Limits::default() };
            let loaded = load_text("m.yaml", &bytes, &limits);
            let options = parapet_audit::Options { every_workload: true, ..options() };
            let audit = audit(&loaded.documents, loaded.problems, &options);
            let made = parts(&audit.findings);
            let (patched, _) = apply(&bytes, &made);
            load_text("m.yaml", &patched, &limits);
            files += 1;
            patches += made.len();
        }
    }
    assert!(files > 100 && patches > 100, "{files} files, {patches} patches");
}
