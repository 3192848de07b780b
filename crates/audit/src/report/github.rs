//! GitHub's workflow commands. A step shows ten of each level, so the worst come first.

use std::io::{self, Write};

use super::counted;
use crate::audit::Audit;
use crate::rule::Severity;

pub(super) fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    for finding in counted(audit) {
        let level = match finding.severity {
            Severity::Critical | Severity::High => "error",
            Severity::Medium => "warning",
            Severity::Low | Severity::Info => "notice",
        };
        writeln!(
            out,
            "::{level} file={},line={},col={},title={}::{}",
            property(&finding.place.file),
            finding.place.span.line,
            finding.place.span.column,
            property(&format!("{} {}", finding.rule.id, finding.rule.title)),
            message(&format!("{}: {}\n{}", finding.object, finding.message, finding.rule.fix)),
        )?;
    }
    Ok(())
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
