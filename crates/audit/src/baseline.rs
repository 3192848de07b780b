//! What was wrong before: a baseline keeps old findings quiet, so that new ones stand out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Suppression};

/// The version of the baseline's form.
const VERSION: u32 = 1;

/// Findings that are known, by fingerprint.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    /// Fingerprint → rule and object, for people.
    findings: BTreeMap<String, String>,
}

/// Why a baseline can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Not its form.
    #[error("the baseline can't be read")]
    Form(#[from] serde_json::Error),
    /// Written by a newer release.
    #[error("the baseline has version {0}, this release reads {VERSION}")]
    Version(u32),
}

impl Baseline {
    /// All findings that count today.
    pub fn of(findings: &[Finding]) -> Self {
        let counted = findings.iter().filter(|finding| finding.suppressed.is_none());
        let findings = counted
            .map(|finding| (finding.fingerprint(), format!("{} {}", finding.rule.id, finding.object)))
            .collect();
        Self { version: VERSION, findings }
    }

    /// Reads what [`Baseline::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_str(text)?;
        if baseline.version == VERSION { Ok(baseline) } else { Err(BaselineError::Version(baseline.version)) }
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Suppresses the findings that the baseline knows.
    pub fn apply(&self, findings: &mut [Finding]) {
        for finding in
            findings.iter_mut().filter(|finding| self.findings.contains_key(&finding.fingerprint()))
        {
            finding.suppressed.get_or_insert_with(|| Suppression {
                by: "baseline",
                reason: "known before".to_owned(),
                until: None,
            });
        }
    }
}
