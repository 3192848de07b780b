//! GitLab's code quality.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::counted;
use crate::audit::Audit;
use crate::rule::Severity;

pub(super) fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let report: Vec<Value> = counted(audit)
        .map(|finding| {
            let severity = match finding.severity {
                Severity::Critical => "blocker",
                Severity::High => "critical",
                Severity::Medium => "major",
                Severity::Low => "minor",
                Severity::Info => "info",
            };
            json!({
                "description": format!("{}: {}", finding.object, finding.message),
                "check_name": finding.rule.id,
                "fingerprint": finding.fingerprint(),
                "severity": severity,
                "location": {
                    "path": finding.place.file.trim_start_matches("./"),
                    "lines": {"begin": finding.place.span.line},
                },
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}
