//! `parapet audit` as people and CI call it.

use std::process::{Command, Stdio};

use crate::run::Folder;

const WEAK: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: obs}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: otel
  namespace: obs
spec:
  selector: {matchLabels: {app: otel}}
  template:
    metadata:
      labels: {app: otel}
    spec:
      containers:
        - name: otel
          image: otel/opentelemetry-collector:0.130.0
          securityContext:
            privileged: true
";

fn weak() -> Folder {
    Folder::of(&[
        ("weak.yaml", WEAK),
        ("fine.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"),
    ])
}

/// Ids of what an audit found and nothing suppresses.
fn found(folder: &Folder, more: &[&str]) -> Vec<String> {
    let mut words = vec!["audit", "-o", "json", "--exit-zero"];
    words.extend(more);
    let said = folder.parapet(&words);
    assert_eq!(said.code, 0, "{}", said.err);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["schema"], "parapet.dev/audit/v1");
    let findings = report["findings"].as_array().unwrap().iter();
    let counting = findings.filter(|finding| finding["suppressed"].is_null());
    counting.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_exit_code_tells_clean_findings_and_nothing_to_say() {
    let folder = weak();
    for (words, code) in [
        (&["audit", "fine.yaml"][..], 0),
        (&["audit", "weak.yaml"], 1),
        (&["audit", "weak.yaml", "--exit-zero"], 0),
        (&["audit", "weak.yaml", "--fail-on", "critical", "--rule", "OBS-POD-03"], 0),
        (&["audit", "weak.yaml", "--fail-on", "low", "--rule", "OBS-POD-03"], 1),
        (&["audit", "missing.yaml"], 2),
        (&["audit"], 2),
        (&["audit", "weak.yaml", "--rule", "OBS-XYZ-99"], 2),
        (&["audit", "weak.yaml", "--fail-on", "awful"], 2),
        (&["audit", "--context", "no-such-context", "--kubeconfig", "weak.yaml"], 2),
        (&["audit", "--list-rules"], 0),
        (&["audit", "--explain", "OBS-RX-13"], 0),
    ] {
        let said = folder.parapet(words);
        assert_eq!(said.code, code, "{words:?}: {}", said.err);
    }
}

#[test]
fn each_form_of_the_report_is_written() {
    let folder = weak();
    for (form, expect) in [
        ("text", "weak.yaml:"),
        ("json", "\"parapet.dev/audit/v1\""),
        ("sarif", "\"2.1.0\""),
        ("junit", "<testsuite"),
        ("github", "::error "),
        ("gitlab", "\"fingerprint\""),
        ("markdown", "OBS-POD-"),
        ("html", "<!doctype html>"),
    ] {
        let said = folder.parapet(&["audit", "weak.yaml", "-o", form]);
        assert_eq!(said.code, 1, "{form}: {}", said.err);
        assert!(said.out.to_lowercase().contains(&expect.to_lowercase()), "{form}: {}", said.out);
        let file = format!("report.{form}");
        let to_file = folder.parapet(&["audit", "weak.yaml", "-o", form, "--output", &file]);
        assert_eq!((to_file.code, to_file.out.as_str()), (1, ""), "{form}");
        assert_eq!(folder.read(&file), said.out, "{form}");
    }
}

#[test]
fn what_fix_writes_is_taken_by_patch_and_the_findings_are_gone() {
    let folder = weak();
    let before = found(&folder, &["weak.yaml"]);
    let fixed = folder.parapet(&["audit", "weak.yaml", "--fix", "fixes.patch", "--exit-zero"]);
    assert_eq!(fixed.code, 0, "{}", fixed.err);
    let patch = std::fs::File::open(folder.path("fixes.patch")).unwrap();
    let mut patched = Command::new("patch");
    patched.args(["-p1", "--batch"]).current_dir(folder.path("")).stdin(Stdio::from(patch));
    let output = patched.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let after = found(&folder, &["weak.yaml"]);
    for id in ["OBS-POD-01", "OBS-POD-03"] {
        assert!(before.iter().any(|other| other == id), "{id} in {before:?}");
        assert!(!after.iter().any(|other| other == id), "{id} in {after:?}");
    }
    assert!(after.len() < before.len(), "{before:?} {after:?}");
    let again = folder.parapet(&["audit", "weak.yaml", "--fix", "-", "--exit-zero"]);
    assert_eq!(again.out, "", "nothing is left to patch: {}", again.err);
}

#[test]
fn a_patch_that_lets_something_through_is_written_only_when_asked_for() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../audit/tests/fixtures/OBS-NP-13/fail.yaml");
    let text = std::fs::read_to_string(fixture).unwrap();
    let folder = Folder::of(&[("cut.yaml", text.as_str())]);
    let fix = |more: &[&str]| {
        let words = ["audit", "cut.yaml", "--rule", "OBS-NP-13", "--exit-zero", "--fix", "-"];
        folder.parapet(&[&words[..], more].concat()).out
    };
    assert_eq!(fix(&[]), "");
    assert!(fix(&["--repair"]).contains("\n+"), "{}", fix(&["--repair"]));
    let told = folder.parapet(&["audit", "cut.yaml", "--rule", "OBS-NP-13", "--exit-zero"]).out;
    assert!(told.contains("(--fix with --repair writes the patch)"), "{told}");
    assert_eq!(folder.parapet(&["audit", "cut.yaml", "--repair"]).code, 2);
}

#[test]
fn suppressions_and_baselines_let_live_what_is_known() {
    let folder = weak();
    folder.write(
        "known.yaml",
        "suppressions: [{rule: OBS-POD-03, namespace: obs, name: ot*, reason: until the next release}]\n",
    );
    let all = found(&folder, &["weak.yaml", "--rule", "OBS-POD-03"]);
    assert!(!all.is_empty());
    assert_eq!(
        found(&folder, &["weak.yaml", "--rule", "OBS-POD-03", "--suppressions", "known.yaml"]),
        [""; 0]
    );
    folder.write("known.yaml", "suppressions: [{rul: OBS-POD-03, reason: a typo}]\n");
    let typo = folder.parapet(&["audit", "weak.yaml", "--suppressions", "known.yaml"]);
    assert_eq!(typo.code, 2);
    assert!(typo.err.contains("known.yaml:1:") && typo.err.contains("rul"), "{}", typo.err);

    let annotated = WEAK.replacen(
        "  namespace: obs\n",
        "  namespace: obs\n  annotations: {audit.parapet.dev/ignore.OBS-POD-03: \"until the next release\"}\n",
        1,
    );
    folder.write("annotated.yaml", &annotated);
    assert_eq!(found(&folder, &["annotated.yaml", "--rule", "OBS-POD-03"]), [""; 0]);

    let written = folder.parapet(&["audit", "weak.yaml", "--write-baseline", "baseline.json", "--exit-zero"]);
    assert_eq!(written.code, 0, "{}", written.err);
    let known = folder.parapet(&["audit", "weak.yaml", "--baseline", "baseline.json", "--fail-on", "info"]);
    assert_eq!(known.code, 0, "{}", known.out);
    // Lines move, nothing is new; another object is.
    folder.write("weak.yaml", &format!("# moved\n\n{WEAK}"));
    assert_eq!(found(&folder, &["weak.yaml", "--baseline", "baseline.json"]), [""; 0]);
    folder.write("weak.yaml", &WEAK.replace("name: otel\n  namespace", "name: other\n  namespace"));
    assert!(!found(&folder, &["weak.yaml", "--baseline", "baseline.json"]).is_empty());
    folder.write("baseline.json", "{");
    assert_eq!(folder.parapet(&["audit", "weak.yaml", "--baseline", "baseline.json"]).code, 2);
}

#[cfg(unix)]
#[test]
fn kubectl_finds_it_as_a_plugin() {
    let folder = weak();
    let said = folder.kubectl_parapet(&["audit", "weak.yaml"], "no-such-file");
    assert_eq!(said.code, 1, "{}", said.err);
    assert_eq!(said.out, folder.parapet(&["audit", "weak.yaml"]).out);
    // Without manifests kubectl's commands are about the current context; ours are about nothing.
    let current = folder.kubectl_parapet(&["audit"], "no-such-file");
    assert_eq!(current.code, 2);
    assert!(current.err.contains("can't use the kubeconfig"), "{}", current.err);
    let nothing = folder.parapet(&["audit"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("or a cluster with --context"), "{}", nothing.err);
}

#[test]
fn findings_of_one_namespace_rest_on_all_that_was_read() {
    let es = |namespace: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: es, namespace: {namespace}}}\nspec:\n  template:\n    \
             metadata: {{labels: {{app: es}}}}\n    spec: {{containers: [{{name: es, image: 'elasticsearch:9.0.0', \
             ports: [{{containerPort: 9300}}]}}]}}\n"
        )
    };
    let folder = Folder::of(&[("a.yaml", &es("a")), ("b.yaml", &es("b"))]);
    let of = |more: &[&str]| {
        let words = ["audit", "a.yaml", "b.yaml", "-o", "json", "--exit-zero", "--rule", "OBS-RX-13"];
        let said = folder.parapet(&[&words[..], more].concat());
        let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        findings
            .into_iter()
            .map(|finding| finding["message"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), of(&["-A"]));
    assert_eq!(of(&[]).len(), 2);
    let one = of(&["-n", "a"]);
    assert_eq!(one.len(), 1);
    assert!(one[0].contains("9300 of a/es[StatefulSet] is reached by b/es[StatefulSet]"), "{one:?}");
    assert_eq!(folder.parapet(&["audit", "a.yaml", "-n", "a", "-A"]).code, 2);
}

#[test]
fn standard_input_is_read() {
    let folder = weak();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
    let manifest = std::fs::File::open(folder.path("weak.yaml")).unwrap();
    let output = command.args(["audit", "-"]).stdin(Stdio::from(manifest)).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("-:"));
}
