//! For people at a terminal.

use std::io::{self, Write};

use super::{Style, ordered};
use crate::audit::Audit;
use crate::rule::Severity;

/// Evidence that is listed before it is only counted.
const LISTED: usize = 5;

pub(super) fn write(audit: &Audit, style: Style<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} objects, {} workloads; {}", audit.objects, audit.workloads, audit.modes.join(" "))?;
    for finding in ordered(audit) {
        let (on, off) = if style.color { (color(finding.severity), "\u{1b}[0m") } else { ("", "") };
        writeln!(out)?;
        match &finding.suppressed {
            Some(suppression) => write!(out, "suppressed ({})", suppression.reason)?,
            None => write!(out, "{on}{}{off}", finding.severity)?,
        }
        writeln!(
            out,
            " {} {}:{} {}",
            finding.rule.id, finding.place.file, finding.place.span, finding.object
        )?;
        writeln!(out, "  {}", finding.message)?;
        if finding.suppressed.is_some() {
            continue;
        }
        for evidence in finding.evidence.iter().take(LISTED) {
            writeln!(out, "    - {evidence}")?;
        }
        if finding.evidence.len() > LISTED {
            writeln!(out, "    - and {} more", finding.evidence.len() - LISTED)?;
        }
        for related in &finding.related {
            writeln!(out, "  see {}:{}: {}", related.place.file, related.place.span, related.message)?;
        }
        writeln!(out, "  why: {}", finding.rule.why)?;
        let patch = match &finding.patch {
            Some(patch) if patch.repairs => " (--fix with --repair writes the patch)",
            Some(_) => " (--fix writes the patch)",
            None => "",
        };
        writeln!(out, "  fix: {}{patch}", finding.rule.fix)?;
        if let Some(decision) = finding.rule.remedy().decision() {
            writeln!(out, "  to decide: {}", decision.decide)?;
            for line in decision.sample.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    writeln!(out, "\n{}", audit.summary())?;
    if audit.incomplete {
        writeln!(out, "incomplete: some of the input could not be read, see the problems")?;
    }
    Ok(())
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "\u{1b}[1;31m",
        Severity::High => "\u{1b}[31m",
        Severity::Medium => "\u{1b}[33m",
        Severity::Low => "\u{1b}[36m",
        Severity::Info => "\u{1b}[2m",
    }
}
