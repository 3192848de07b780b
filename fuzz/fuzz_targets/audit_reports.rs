//! Any file audited, in every form of report: never a panic, JSON stays JSON, XML stays XML, one annotation a line. And its
//! patches, applied, and as a diff.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_audit::report::{self, Format, Style};
use parapet_audit::{FileText, Options, Patch, apply, audit, proposal};
use parapet_manifest::{Limits, load_text};
use serde_json::Value;

fuzz_target!(|file: &[u8]| {
    let limits = Limits { nodes: 20_000, ..Limits::default() };
    let loaded = load_text("m.yaml", file, &limits);
    let mut options = Options::new(jiff::civil::date(2026, 11, 21));
    options.every_workload = true;
    let audit = audit(&loaded.documents, loaded.problems, &options);
    let patches = audit.findings.iter().filter_map(|finding| finding.patch.as_ref());
    let patches: Vec<&Patch> = patches.flat_map(Patch::parts).collect();
    load_text("m.yaml", &apply(file, &patches).0, &limits);
    let text = FileText::new(file.to_vec());
    for patch in audit.findings.iter().filter_map(|finding| finding.patch.as_ref()) {
        if let Some(diff) = proposal(patch, &|_| Some(&text)) {
            assert!(diff.starts_with("--- a/m.yaml\n+++ b/m.yaml\n@@ -"));
        }
    }
    let style = Style { version: "0.0.0", color: false };
    let mut out = Vec::new();
    report::write_sarif(&audit, style, &|_| Ok(file.to_vec()), &mut out).expect("a vector takes everything");
    assert!(serde_json::from_slice::<Value>(&out).is_ok());
    for format in [
        Format::Text,
        Format::Json,
        Format::Sarif,
        Format::Junit,
        Format::Github,
        Format::Gitlab,
        Format::Markdown,
        Format::Html,
    ] {
        let mut out = Vec::new();
        report::write(format, &audit, style, &mut out).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("reports are text");
        match format {
            Format::Json | Format::Sarif | Format::Gitlab => {
                assert!(serde_json::from_str::<Value>(&text).is_ok());
            }
            Format::Html => assert_eq!(text.matches("<script").count(), 1),
            Format::Github => assert!(text.lines().all(|line| line.starts_with("::"))),
            Format::Junit => assert!(!text.contains(|c: char| c < ' ' && !matches!(c, '\n' | '\t' | '\r'))),
            _ => {}
        }
    }
});
