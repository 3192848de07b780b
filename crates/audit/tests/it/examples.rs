//! The committed examples: what is wrong with the documents' manifests, and nothing with the hardened ones.

use std::fs;
use std::path::Path;

use parapet_audit::report::{Format, Style, write};
use parapet_audit::{Audit, Options, audit};
use parapet_manifest::{Limits, Loaded, load_text};

use crate::fixtures::options;

fn looked_at(folder: &str) -> Audit {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut names: Vec<String> = fs::read_dir(path.clone())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort_unstable();
    let mut all = Loaded::default();
    for name in names {
        let bytes = fs::read(path.join(&name)).unwrap();
        let mut loaded = load_text(&format!("{folder}/{name}"), &bytes, &Limits::default());
        all.documents.append(&mut loaded.documents);
        all.problems.append(&mut loaded.problems);
    }
    audit(&all.documents, all.problems, &Options { cni: Some("calico".to_owned()), ..options() })
}

#[test]
fn the_report_of_the_documents_is_the_committed_one() {
    let mut report = Vec::new();
    let found = looked_at("examples/source-documents");
    write(Format::Markdown, &found, Style { version: "0.0.0", color: false }, &mut report).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/source-documents/report.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, &report).unwrap();
    }
    let committed = fs::read(path).unwrap_or_default();
    assert!(committed == report, "the report is another: UPDATE_REFERENCE=1 cargo test -p parapet-audit");
}

#[test]
fn each_document_yields_what_it_leaves_open() {
    let found = looked_at("examples/source-documents");
    let check = |file: &str, ids: &[&str]| {
        for id in ids {
            let hit = found.findings.iter().any(|f| f.rule.id == *id && f.place.file.contains(file));
            assert!(hit, "{id} in {file}");
        }
    };
    check(
        "000",
        &["OBS-NP-01", "OBS-SEC-01", "OBS-SEC-07", "OBS-SEC-11", "OBS-ES-01", "OBS-ES-10", "OBS-RX-13"],
    );
    check("001", &["OBS-NP-23"]);
    check("002", &["OBS-MESH-05", "OBS-MESH-14", "OBS-MESH-16", "OBS-ES-05"]);
    let logs_and_traces = [
        "OBS-NP-05",
        "OBS-NP-07",
        "OBS-NP-08",
        "OBS-NP-10",
        "OBS-EG-01",
        "OBS-RX-09",
        "OBS-RX-01",
        "OBS-RX-04",
        "OBS-RX-05",
    ];
    check("003", &logs_and_traces);
    check(
        "003",
        &[
            "OBS-EG-02",
            "OBS-EG-06",
            "OBS-RX-10",
            "OBS-NP-09",
            "OBS-CA-01",
            "OBS-CA-04",
            "OBS-IMG-01",
            "OBS-IMG-02",
        ],
    );
    check(
        "004",
        &[
            "OBS-MET-05",
            "OBS-MET-09",
            "OBS-MET-13",
            "OBS-MET-14",
            "OBS-MET-16",
            "OBS-MET-18",
            "OBS-SEC-08",
            "OBS-SEC-09",
        ],
    );
    let misspelt = found.findings.iter().any(|f| f.rule.id == "OBS-MESH-11");
    assert!(!misspelt, "the DestinationRule's host is right");
}

#[test]
fn the_hardened_example_has_no_finding() {
    let found = looked_at("examples/hardened");
    let said: Vec<String> =
        found.findings.iter().map(|f| format!("{} {}: {}", f.rule.id, f.place.span, f.message)).collect();
    assert_eq!(said, [] as [&str; 0]);
    assert!(!found.incomplete && found.workloads == 2, "{:?}", found.problems);
}
