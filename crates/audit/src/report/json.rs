//! Everything, for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Style, ordered};
use crate::audit::Audit;
use crate::finding::Finding;
use crate::rule::Severity;

/// The version of the form. Fields may be added within a version; none is removed or changed.
pub const SCHEMA: &str = "parapet.dev/audit/v1";

pub(super) fn write(audit: &Audit, style: Style<'_>, out: &mut dyn Write) -> io::Result<()> {
    let counts: serde_json::Map<String, Value> = Severity::ALL
        .into_iter()
        .map(|severity| (severity.to_string(), audit.count(severity).into()))
        .collect();
    let report = json!({
        "schema": SCHEMA,
        "tool": {"name": "parapet", "version": style.version},
        "objects": audit.objects,
        "workloads": audit.workloads,
        "modes": audit.modes,
        "incomplete": audit.incomplete,
        "problems": audit.problems,
        "counts": counts,
        "suppressed": audit.suppressed(),
        "findings": ordered(audit).into_iter().map(finding).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

fn finding(finding: &Finding) -> Value {
    let decision = finding.rule.remedy().decision();
    json!({
        "rule": finding.rule.id,
        "title": finding.rule.title,
        "group": finding.rule.group,
        "severity": finding.severity,
        "object": finding.object,
        "file": finding.place.file,
        "line": finding.place.span.line,
        "column": finding.place.span.column,
        "path": finding.path,
        "message": finding.message,
        "why": finding.rule.why,
        "fix": finding.rule.fix,
        "remedy": finding.rule.remedy().name(),
        "decide": decision.map(|decision| decision.decide),
        "sample": decision.map(|decision| decision.sample).filter(|sample| !sample.is_empty()),
        "evidence": finding.evidence,
        "related": finding.related,
        "paths": finding.paths,
        "patch": finding.patch,
        "fingerprint": finding.fingerprint(),
        "suppressed": finding.suppressed,
    })
}
