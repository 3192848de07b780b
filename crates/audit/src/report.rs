//! Findings as text and in the forms that other tools read.
//!
//! Every form has the findings in the same order: the worst first, then by place. Suppressed ones are told apart where a
//! form can, and left out where it can't.

mod github;
mod gitlab;
mod html;
mod json;
mod junit;
mod markdown;
mod sarif;
mod text;

use std::io::{self, Write};

use crate::audit::Audit;
use crate::finding::Finding;
use crate::rule::Severity;

pub use json::SCHEMA as JSON_SCHEMA;
pub use sarif::write as write_sarif;

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Text,
    /// Everything, in a form with a version.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit's XML, for CI servers.
    Junit,
    /// GitHub's workflow commands.
    Github,
    /// GitLab's code quality.
    Gitlab,
    /// Markdown, for step summaries and merge requests.
    Markdown,
    /// One HTML page that needs nothing else.
    Html,
}

impl Format {
    /// All of them with their names on the command line.
    pub const ALL: [(&'static str, Self); 8] = [
        ("text", Self::Text),
        ("json", Self::Json),
        ("sarif", Self::Sarif),
        ("junit", Self::Junit),
        ("github", Self::Github),
        ("gitlab", Self::Gitlab),
        ("markdown", Self::Markdown),
        ("html", Self::Html),
    ];
}

/// How reports are written.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// The version of the tool, which reports name.
    pub version: &'a str,
    /// Whether text has colours.
    pub color: bool,
}

/// Writes the report of an audit.
pub fn write(format: Format, audit: &Audit, style: Style<'_>, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(audit, style, out),
        Format::Json => json::write(audit, style, out),
        Format::Sarif => sarif::write(audit, style, &|_| Err(io::ErrorKind::NotFound.into()), out),
        Format::Junit => junit::write(audit, out),
        Format::Github => github::write(audit, out),
        Format::Gitlab => gitlab::write(audit, out),
        Format::Markdown => markdown::write(audit, style, out),
        Format::Html => html::write(audit, style, out),
    }
}

/// The findings, the worst first; suppressed ones at the end.
fn ordered(audit: &Audit) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = audit.findings.iter().collect();
    findings.sort_by_key(|finding| (finding.suppressed.is_some(), std::cmp::Reverse(finding.severity)));
    findings
}

/// The findings that count, the worst first.
fn counted(audit: &Audit) -> impl Iterator<Item = &Finding> {
    ordered(audit).into_iter().filter(|finding| finding.suppressed.is_none())
}

impl Audit {
    /// Findings of a severity that aren't suppressed.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.suppressed.is_none() && finding.severity == severity)
            .count()
    }

    /// Findings at or above a severity that aren't suppressed.
    pub fn count_from(&self, severity: Severity) -> usize {
        Severity::ALL.into_iter().filter(|other| *other >= severity).map(|other| self.count(other)).sum()
    }

    /// Suppressed findings.
    pub fn suppressed(&self) -> usize {
        self.findings.iter().filter(|finding| finding.suppressed.is_some()).count()
    }

    /// "3 findings (1 critical, 2 high), 4 suppressed".
    fn summary(&self) -> String {
        let parts: Vec<String> = Severity::ALL
            .into_iter()
            .filter_map(|severity| Some((self.count(severity), severity)).filter(|(count, _)| *count > 0))
            .map(|(count, severity)| format!("{count} {severity}"))
            .collect();
        let total = self.count_from(Severity::Info);
        let findings = if total == 1 { "finding" } else { "findings" };
        let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        format!("{total} {findings}{parts}, {} suppressed", self.suppressed())
    }
}
