//! Each form is what its readers take.

use parapet_audit::report::{Format, JSON_SCHEMA, Style, write, write_sarif};
use parapet_audit::{Audit, audit, rules};
use parapet_manifest::{Limits, load_text};
use serde_json::Value;

use crate::fixtures::options;

const TEXT: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: es, namespace: obs}\nspec:\n  template:\n    \
                    metadata: {labels: {app: es}}\n    spec:\n      containers:\n        - name: \"a<b>|&\\u0007\"\n          \
                    image: elasticsearch:8.15.3\n          env: [{name: X_PASSWORD, value: \"s3cret, value\"}]\n---\nkind: {{ x }}\n";

fn looked_at() -> Audit {
    let loaded = load_text("dir/a file.yaml", TEXT.as_bytes(), &Limits::default());
    audit(&loaded.documents, loaded.problems, &options())
}

fn written(format: Format) -> String {
    let mut out = Vec::new();
    write(format, &looked_at(), Style { version: "1.2.3", color: false }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn no_form_repeats_a_secret() {
    for (name, format) in Format::ALL {
        assert!(!written(format).contains("s3cret"), "{name}");
    }
}

#[test]
fn json_has_a_version_and_everything() {
    let report: Value = serde_json::from_str(&written(Format::Json)).unwrap();
    assert_eq!(report["schema"], JSON_SCHEMA);
    assert_eq!(report["incomplete"], true);
    assert_eq!(report["problems"][0]["line"], 13);
    let audit = looked_at();
    assert_eq!(report["findings"].as_array().unwrap().len(), audit.findings.len());
    for finding in report["findings"].as_array().unwrap() {
        for field in
            ["rule", "severity", "file", "line", "column", "path", "message", "why", "fix", "fingerprint"]
        {
            assert!(!finding[field].is_null(), "{field} of {finding}");
        }
    }
}

/// The parts of the published schema that code scanning depends on; the schema itself is not among our dependencies.
#[test]
fn sarif_has_the_structure_of_its_schema() {
    let report: Value = serde_json::from_str(&written(Format::Sarif)).unwrap();
    assert_eq!(report["version"], "2.1.0");
    let run = &report["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(
        (&driver["name"], &driver["semanticVersion"]),
        (&Value::from("parapet"), &Value::from("1.2.3"))
    );
    let described = driver["rules"].as_array().unwrap();
    assert_eq!(described.len(), rules().count());
    for rule in described {
        let score: f64 = rule["properties"]["security-severity"].as_str().unwrap().parse().unwrap();
        assert!((0.0..=10.0).contains(&score));
        assert!(
            ["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap())
        );
        assert!(rule["help"]["text"].is_string() && rule["help"]["markdown"].is_string());
        assert!(rule["properties"]["tags"].as_array().unwrap().len() <= 20);
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let notification = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(notification["level"], "error");
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    let mut last = 0;
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(described[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "dir/a%20file.yaml");
        assert!(
            place["region"]["startLine"].as_u64().unwrap() >= 1
                && place["region"]["startColumn"].as_u64().unwrap() >= 1
        );
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert_eq!(result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap().len(), 32);
        let order = ["error", "warning", "note"].iter().position(|level| *level == result["level"]).unwrap();
        assert!(order >= last, "the worst come first");
        last = order;
    }
}

#[test]
fn sarif_shows_the_way_of_a_connection_and_what_to_replace() {
    let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: es\n  namespace: obs\nspec:\n  template:\n    \
                metadata: {labels: {app: es}}\n    spec:\n      containers:\n        - name: es # größe\n          \
                image: elasticsearch:9.0.0\n          securityContext: {privileged: true}\n---\napiVersion: apps/v1\nkind: Deployment\n\
                metadata: {name: shop, namespace: obs}\nspec:\n  template:\n    metadata: {labels: {app: shop}}\n    \
                spec: {containers: [{name: shop, image: 'registry.example/shop:1'}]}\n---\napiVersion: networking.k8s.io/v1\n\
                kind: NetworkPolicy\nmetadata: {name: p, namespace: obs}\nspec:\n  podSelector: {matchLabels: {app: es}}\n  ingress:\n    \
                - from: [{podSelector: {matchLabels: {app: kibana}}}]\n    - from: [{podSelector: {matchLabels: {app: shop}}}]\n";
    let loaded = load_text("m.yaml", text.as_bytes(), &Limits::default());
    let audit = audit(&loaded.documents, loaded.problems, &options());
    let mut out = Vec::new();
    let style = Style { version: "1.2.3", color: false };
    write_sarif(&audit, style, &|_| Ok(text.as_bytes().to_vec()), &mut out).unwrap();
    let report: Value = serde_json::from_slice(&out).unwrap();
    let results = report["runs"][0]["results"].as_array().unwrap();
    let of = |id: &str| results.iter().find(|result| result["ruleId"] == id).unwrap();

    let steps = of("OBS-RX-13")["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap();
    let said: Vec<(u64, &str)> = steps
        .iter()
        .map(|step| {
            let place = &step["location"];
            let line = place["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
            (line, place["message"]["text"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        said,
        [
            (17, "obs/shop[Deployment] connects"),
            (30, "the policy p lets obs/shop[Deployment] in"),
            (4, "port 9300 of obs/es[StatefulSet]"),
        ]
    );

    let change = &of("OBS-POD-04")["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], "m.yaml");
    let replaced = &change["replacements"][0];
    let region = |field: &str| usize::try_from(replaced["deletedRegion"][field].as_u64().unwrap()).unwrap();
    let line = text.lines().nth(region("startLine") - 1).unwrap();
    assert_eq!(&line[region("startColumn") - 1..region("endColumn") - 1], "true");
    assert_eq!(replaced["insertedContent"]["text"], "false");
    assert!(
        results.iter().all(
            |result| result["fixes"][0].is_null() || result["fixes"][0]["artifactChanges"][0].is_object()
        )
    );
    // Without the files there are none.
    let mut out = Vec::new();
    write(Format::Sarif, &audit, style, &mut out).unwrap();
    assert!(!String::from_utf8(out).unwrap().contains("artifactChanges"));
}

#[test]
fn junit_is_xml_without_control_characters_and_counts() {
    let report = written(Format::Junit);
    assert!(!report.chars().any(|character| character.is_control() && character != '\n'));
    assert!(report.contains("a&lt;b&gt;|&amp;"), "{report}");
    let cases = report.matches("<testcase ").count();
    assert!(report.contains(&format!(
        "<testsuites name=\"parapet audit\" tests=\"{cases}\" failures=\"{cases}\" skipped=\"0\">"
    )));
    assert_eq!(report.matches("<failure ").count(), cases);
    let mut reader = quick_xml::Reader::from_str(&report);
    while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
}

#[test]
fn github_escapes_and_has_a_line_for_each() {
    let report = written(Format::Github);
    let audit = looked_at();
    assert_eq!(report.lines().count(), audit.findings.len());
    for line in report.lines() {
        assert!(
            ["::error ", "::warning ", "::notice "].iter().any(|level| line.starts_with(level)),
            "{line}"
        );
        let (properties, _) = line[2..].split_once("::").unwrap();
        assert!(properties.contains("file=dir/a file.yaml,line="), "{line}");
        assert_eq!(properties.matches(',').count(), 3, "{line}");
    }
    assert!(report.starts_with("::error "), "the worst come first");
}

#[test]
fn gitlab_has_its_fields() {
    let report: Value = serde_json::from_str(&written(Format::Gitlab)).unwrap();
    for finding in report.as_array().unwrap() {
        assert!(
            finding["description"].is_string()
                && finding["check_name"].is_string()
                && finding["fingerprint"].is_string()
        );
        assert!(
            ["info", "minor", "major", "critical", "blocker"]
                .contains(&finding["severity"].as_str().unwrap())
        );
        assert!(finding["location"]["lines"]["begin"].as_u64().unwrap() >= 1);
        assert_eq!(finding["location"]["path"], "dir/a file.yaml");
    }
}

#[test]
fn html_and_markdown_carry_no_markup_of_the_input() {
    let html = written(Format::Html);
    assert!(html.contains("a&lt;b&gt;|&amp;") && !html.contains("a<b>"));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("src="));
    let markdown = written(Format::Markdown);
    assert!(markdown.contains("a&lt;b>\\|&") && markdown.contains("**Incomplete**"), "{markdown}");
}
