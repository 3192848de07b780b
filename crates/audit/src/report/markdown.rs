//! Markdown, for step summaries and merge requests.

use std::io::{self, Write};

use super::{Style, counted};
use crate::audit::Audit;

/// Findings listed in full: GitHub's step summaries take 1 MiB.
const LISTED: usize = 1_000;

pub(super) fn write(audit: &Audit, style: Style<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# Audit\n\n{}. {} objects, {} workloads.",
        audit.summary(),
        audit.objects,
        audit.workloads
    )?;
    writeln!(out, "Modes: `{}`. parapet {}.", audit.modes.join(" "), style.version)?;
    if audit.incomplete {
        writeln!(out, "\n**Incomplete**: some of the input could not be read.")?;
    }
    if !audit.problems.is_empty() {
        writeln!(out, "\n## Problems of the input\n")?;
        for problem in &audit.problems {
            writeln!(
                out,
                "- `{}:{}:{}` {}",
                problem.file,
                problem.line,
                problem.column,
                cell(&problem.message)
            )?;
        }
    }
    writeln!(out, "\n## Findings\n\n| severity | rule | where | object | what |\n|---|---|---|---|---|")?;
    for finding in counted(audit).take(LISTED) {
        writeln!(
            out,
            "| {} | {} | `{}:{}` | {} | {} |",
            finding.severity,
            finding.rule.id,
            finding.place.file,
            finding.place.span.line,
            cell(&finding.object.to_string()),
            cell(&finding.message)
        )?;
    }
    let more = counted(audit).count().saturating_sub(LISTED);
    if more > 0 {
        writeln!(out, "\nAnd {more} more.")?;
    }
    Ok(())
}

/// Text that neither ends a cell nor starts markup.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
