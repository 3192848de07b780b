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
    /// Patches left out because they still touch what others change.
    pub skipped: usize,
}

/// The bytes of changed files, by the name that documents have.
pub type Files = BTreeMap<Arc<str>, Vec<u8>>;

/// Rounds of patching and looking again: a container's securityContext alone takes five patches in one place.
const ROUNDS: usize = 10;

/// The unified diff of every patch of findings that count; `repairs` takes in those that let something through, see
/// [`Rule::repairs`](crate::Rule::repairs).
///
/// `read` gives a file's bytes by the name that documents have; `again` audits with the files changed so far, because a
/// patch that touches what another has changed must be made anew.
pub fn fix(
    audit: &Audit,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    again: &dyn Fn(&Files) -> Audit,
    repairs: bool,
) -> io::Result<Fix> {
    let mut files = Files::new();
    let mut fix = Fix::default();
    let mut latest = None;
    for _ in 0..ROUNDS {
        let findings = latest.as_ref().unwrap_or(audit).findings.iter();
        let mut by_file: BTreeMap<Arc<str>, Vec<&Patch>> = BTreeMap::new();
        for finding in findings.filter(|finding| finding.suppressed.is_none()) {
            let wanted = finding.patch.as_ref().filter(|patch| repairs || !patch.repairs);
            if let Some(patch) = wanted.filter(|patch| !matches!(&*patch.file, "-" | "cluster")) {
                by_file.entry(patch.file.clone()).or_default().push(patch);
            }
        }
        fix.skipped = 0;
        let before = fix.applied;
        for (file, patches) in by_file {
            let bytes = match files.get(&file) {
                Some(bytes) => bytes.clone(),
                None => read(&file)?,
            };
            let (changed, skipped) = apply(&bytes, &patches);
            fix.skipped += skipped;
            fix.applied += patches.len() - skipped;
            files.insert(file, changed);
        }
        // A patch can call for another: a policy that is added needs its way to the name servers.
        if fix.applied == before {
            break;
        }
        latest = Some(again(&files));
    }
    for (file, changed) in files {
        let bytes = read(&file)?;
        let (before, after) = (String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&changed));
        let name = file.trim_start_matches("./").trim_start_matches('/');
        let diff = similar::TextDiff::from_lines(&*before, &*after);
        fix.diff
            .push_str(&diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string());
    }
    Ok(fix)
}
