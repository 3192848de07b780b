//! What findings propose to change, as diffs: bounded, because a page shows them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parapet_audit::{FileText, Finding, Patch, proposal};
use parapet_server::posture::{MOST_PATCH, MOST_PATCHES};

/// Bytes of files that are held to show what changes in them; what a cluster of some thousand workloads exports.
const MOST_TEXT: usize = 64 << 20;

/// A finding's patch as the page shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Proposal {
    /// A unified diff; empty if there is none.
    pub(super) diff: String,
    /// There is one, and it is too long.
    pub(super) omitted: bool,
}

/// Makes proposals, one finding after the other, until there is enough.
pub(super) struct Proposals<'r> {
    read: &'r dyn Fn(&str) -> io::Result<Vec<u8>>,
    /// None: it can't be read.
    files: HashMap<Arc<str>, Option<FileText>>,
    text_left: usize,
    patches_left: usize,
}

impl<'r> Proposals<'r> {
    /// `read` gives a file's bytes by the name that documents have.
    pub(super) fn new(read: &'r dyn Fn(&str) -> io::Result<Vec<u8>>) -> Self {
        Self { read, files: HashMap::new(), text_left: MOST_TEXT, patches_left: MOST_PATCHES }
    }

    /// What `finding` proposes.
    pub(super) fn of(&mut self, finding: &Finding) -> Proposal {
        let Some(patch) = &finding.patch else { return Proposal::default() };
        let omitted = Proposal { diff: String::new(), omitted: true };
        for part in patch.parts() {
            if !self.look_at(part) {
                return omitted;
            }
        }
        let text = |file: &str| self.files.get(file).and_then(Option::as_ref);
        match proposal(patch, &text) {
            Some(diff) if diff.len() <= MOST_PATCH.min(self.patches_left) => {
                self.patches_left -= diff.len();
                Proposal { diff, omitted: false }
            }
            Some(_) => omitted,
            None => Proposal::default(),
        }
    }

    /// Reads the part's file, if there is room for it.
    fn look_at(&mut self, part: &Patch) -> bool {
        if self.files.contains_key(&part.file) {
            return true;
        }
        let bytes = (self.read)(&part.file).ok();
        let length = bytes.as_ref().map_or(0, Vec::len);
        if length > self.text_left {
            return false;
        }
        self.text_left -= length;
        self.files.insert(part.file.clone(), bytes.map(FileText::new));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec:\n  containers:\n    - name: a\n      image: b:1\n";

    fn findings(text: &str) -> Vec<Finding> {
        let limits = parapet_manifest::Limits::default();
        let loaded = parapet_manifest::load_text("m.yaml", text.as_bytes(), &limits);
        let mut options = parapet_audit::Options::new(jiff::civil::date(2026, 11, 22));
        options.every_workload = true;
        parapet_audit::audit(&loaded.documents, Vec::new(), &options).findings
    }

    #[test]
    fn a_patch_is_a_diff_of_the_file_and_nothing_where_it_is_gone() {
        let findings = findings(POD);
        let finding = findings.iter().find(|finding| finding.patch.is_some()).unwrap();
        let read = |_: &str| Ok(POD.as_bytes().to_vec());
        let shown = Proposals::new(&read).of(finding);
        assert!(!shown.omitted);
        assert!(shown.diff.starts_with("--- a/m.yaml\n+++ b/m.yaml\n@@ -"), "{}", shown.diff);
        let gone = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(Proposals::new(&gone).of(finding), Proposal::default());
    }

    #[test]
    fn patches_that_are_too_long_and_those_after_enough_of_them_are_left_out() {
        let findings = findings(POD);
        let finding = findings.iter().find(|finding| finding.patch.is_some()).unwrap();
        let read = |_: &str| Ok(POD.as_bytes().to_vec());
        let mut proposals = Proposals::new(&read);
        let length = proposals.of(finding).diff.len();
        let mut shown = 1;
        while !proposals.of(finding).omitted {
            shown += 1;
        }
        assert_eq!(shown, MOST_PATCHES / length);
        // A line around the change that is as long as all that is allowed.
        let long = POD.replace("image: b:1", &format!("image: b:1 # {}", "x".repeat(MOST_PATCH)));
        let read = |_: &str| Ok(long.as_bytes().to_vec());
        let long_findings = self::findings(&long);
        let is_at = |one: &&Finding| one.rule.id == finding.rule.id && one.patch.is_some();
        assert!(Proposals::new(&read).of(long_findings.iter().find(is_at).unwrap()).omitted);
    }
}
