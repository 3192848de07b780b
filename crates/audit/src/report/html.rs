//! One HTML page that needs nothing else: no script from elsewhere, no picture, no font.

use std::io::{self, Write};

use quick_xml::escape::escape;

use super::{Style, ordered};
use crate::audit::Audit;
use crate::finding::Finding;
use crate::patch::Patch;
use crate::rule::Severity;

const HEAD: &str = include_str!("html/head.html");
const TAIL: &str = include_str!("html/tail.html");

pub(super) fn write(audit: &Audit, style: Style<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    writeln!(
        out,
        "<p class=\"sum\">{}. {} objects, {} workloads.</p>",
        escape(audit.summary()),
        audit.objects,
        audit.workloads
    )?;
    writeln!(
        out,
        "<p class=\"modes\">{} · parapet {}</p>",
        escape(audit.modes.join(" ")),
        escape(style.version)
    )?;
    if audit.incomplete {
        writeln!(out, "<p class=\"bad\">Incomplete: some of the input could not be read.</p>")?;
    }
    if !audit.problems.is_empty() {
        writeln!(out, "<details><summary>{} problems of the input</summary><ul>", audit.problems.len())?;
        for problem in &audit.problems {
            writeln!(out, "<li>{}</li>", escape(problem.to_string()))?;
        }
        writeln!(out, "</ul></details>")?;
    }
    write!(out, "<form>")?;
    for severity in Severity::ALL {
        let count = audit.count(severity);
        write!(
            out,
            "<label class=\"{severity}\"><input type=\"checkbox\" name=\"{severity}\" checked> {count} {severity}</label>"
        )?;
    }
    writeln!(
        out,
        "<input type=\"search\" name=\"text\" placeholder=\"rule, object, file\" aria-label=\"Filter\"></form><main>"
    )?;
    for finding in ordered(audit) {
        article(finding, out)?;
    }
    out.write_all(TAIL.as_bytes())
}

fn article(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let off = if finding.suppressed.is_some() { " off" } else { "" };
    writeln!(out, "<article class=\"{}{off}\" data-severity=\"{}\">", finding.severity, finding.severity)?;
    writeln!(
        out,
        "<h2><b>{}</b> {} <small>{}</small></h2><p class=\"where\">{} · {}:{} · {}</p>",
        finding.severity,
        finding.rule.id,
        escape(finding.rule.title),
        escape(finding.object.to_string()),
        escape(&*finding.place.file),
        finding.place.span,
        escape(&finding.path)
    )?;
    writeln!(out, "<p>{}</p>", escape(&finding.message))?;
    if let Some(suppression) = &finding.suppressed {
        writeln!(out, "<p>Suppressed: {}</p>", escape(&suppression.reason))?;
    }
    if !finding.evidence.is_empty() {
        write!(out, "<ul>")?;
        for evidence in &finding.evidence {
            write!(out, "<li>{}</li>", escape(evidence))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(
        out,
        "<details><summary>Why, and what to do</summary><p>{}</p><p>{}</p>",
        escape(finding.rule.why),
        escape(finding.rule.fix)
    )?;
    for part in finding.patch.iter().flat_map(Patch::parts) {
        writeln!(out, "<pre>{}</pre>", escape(part.in_words()))?;
    }
    if let Some(decision) = finding.rule.remedy().decision() {
        writeln!(out, "<p>To decide: {}</p>", escape(decision.decide))?;
        if !decision.sample.is_empty() {
            writeln!(out, "<pre>{}</pre>", escape(decision.sample))?;
        }
    }
    writeln!(out, "</details></article>")
}
