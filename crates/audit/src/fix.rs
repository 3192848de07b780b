//! All patches of an audit as one unified diff, which `patch -p1` and `git apply` take.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::audit::Audit;
use crate::patch::{Patch, apply};

/// What a diff holds, and what it had to leave out.
#[derive(Debug, Default)]
pub struct Fix {
    /// The diff; empty if nothing can be changed.
    pub diff: String,
    /// Findings whose patch is in it.
    pub applied: usize,
    /// Patches left out because another changes the same text: a second run fixes those.
    pub skipped: usize,
}

/// The unified diff of every patch of findings that count. `read` gives a file's bytes by the name that documents have.
pub fn fix(audit: &Audit, read: &dyn Fn(&str) -> io::Result<Vec<u8>>) -> io::Result<Fix> {
    let mut by_file: BTreeMap<Arc<str>, Vec<&Patch>> = BTreeMap::new();
    for finding in audit.findings.iter().filter(|finding| finding.suppressed.is_none()) {
        if let Some(patch) =
            finding.patch.as_ref().filter(|patch| &*patch.file != "-" && &*patch.file != "cluster")
        {
            by_file.entry(patch.file.clone()).or_default().push(patch);
        }
    }
    let mut fix = Fix::default();
    for (file, patches) in by_file {
        let bytes = read(&file)?;
        let (changed, skipped) = apply(&bytes, &patches);
        fix.skipped += skipped;
        fix.applied += patches.len() - skipped;
        let (before, after) = (String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&changed));
        let name = file.trim_start_matches("./").trim_start_matches('/');
        let diff = similar::TextDiff::from_lines(&*before, &*after);
        fix.diff
            .push_str(&diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string());
    }
    Ok(fix)
}
