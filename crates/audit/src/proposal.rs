//! One finding's patch as a unified diff of its own, for people who look at the finding.
//!
//! It is made of what stands around the edits: a large file with many findings isn't compared with itself for each of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use similar::{ChangeTag, TextDiff};

use crate::fix::header;
use crate::patch::{Patch, Replacement, together};

/// Lines around a change, as `diff -u` has them.
const CONTEXT: usize = 3;

/// A file's bytes and where its lines begin: looked for once, for all patches of the file.
#[derive(Debug)]
pub struct FileText {
    bytes: Vec<u8>,
    /// The first byte of each line; the last line may be empty.
    lines: Vec<usize>,
}

impl FileText {
    /// Looks for the lines.
    pub fn new(bytes: Vec<u8>) -> Self {
        let after_newlines =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_newlines).collect();
        Self { bytes, lines }
    }

    /// The line that a byte is in, from 0.
    fn line_of(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte) - 1
    }

    /// The first byte of a line; of one behind the last the end.
    fn start_of(&self, line: usize) -> usize {
        self.lines.get(line).copied().unwrap_or(self.bytes.len())
    }
}

/// The unified diff of `patch`, all its parts, done to files as they are; `text` gives one by the name that documents have.
///
/// Nothing if a file isn't there, as of a live cluster, or can't take the patch, or if nothing in it would change.
pub fn proposal<'t>(patch: &Patch, text: &dyn Fn(&str) -> Option<&'t FileText>) -> Option<String> {
    let mut by_file: BTreeMap<Arc<str>, Vec<&Patch>> = BTreeMap::new();
    for part in patch.parts() {
        by_file.entry(part.file.clone()).or_default().push(part);
    }
    let mut diff = String::new();
    for (file, parts) in by_file {
        let text = text(&file)?;
        let (replacements, skipped) = together(&text.bytes, &parts);
        if skipped > 0 {
            return None;
        }
        let hunks = hunks(text, &replacements);
        if !hunks.is_empty() {
            let [old, new] = header(&file);
            diff += &format!("--- {old}\n+++ {new}\n{hunks}");
        }
    }
    (!diff.is_empty()).then_some(diff)
}

/// Neighbouring replacements, and the lines that they and their surroundings take.
struct Window<'r> {
    lines: Range<usize>,
    replacements: Vec<&'r Replacement>,
}

fn hunks(text: &FileText, replacements: &[Replacement]) -> String {
    let mut windows: Vec<Window<'_>> = Vec::new();
    for replacement in replacements {
        let first = text.line_of(replacement.start).saturating_sub(CONTEXT);
        let last = (text.line_of(replacement.end) + 1 + CONTEXT).min(text.lines.len());
        match windows.last_mut() {
            Some(window) if first <= window.lines.end => {
                window.lines.end = window.lines.end.max(last);
                window.replacements.push(replacement);
            }
            _ => windows.push(Window { lines: first..last, replacements: vec![replacement] }),
        }
    }
    let mut out = String::new();
    // Lines that the windows before have more after than before.
    let mut longer = 0_isize;
    for window in windows {
        let (before, after) = window.texts(text);
        let diff = TextDiff::from_lines(&*before, &*after);
        for group in diff.grouped_ops(CONTEXT) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let old = first.old_range().start..last.old_range().end;
            let new = first.new_range().start..last.new_range().end;
            let old_start = window.lines.start + old.start;
            let new_start = (window.lines.start + new.start).saturating_add_signed(longer);
            out += &format!("@@ -{} +{} @@\n", lines(old_start, old.len()), lines(new_start, new.len()));
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                out.push(match change.tag() {
                    ChangeTag::Equal => ' ',
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                });
                out += change.value();
                if change.missing_newline() {
                    out += "\n\\ No newline at end of file\n";
                }
            }
        }
        longer += diff.new_slices().len() as isize - diff.old_slices().len() as isize;
    }
    out
}

impl Window<'_> {
    /// The lines before and after.
    fn texts(&self, text: &FileText) -> (String, String) {
        let (start, end) = (text.start_of(self.lines.start), text.start_of(self.lines.end));
        let mut after = Vec::with_capacity(end - start);
        let mut copied = start;
        for Replacement { start, end, text: new } in self.replacements.iter().copied() {
            after.extend(&text.bytes[copied..(*start).max(copied)]);
            after.extend(new.as_bytes());
            copied = copied.max(*end);
        }
        after.extend(&text.bytes[copied..end]);
        let readable = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (readable(&text.bytes[start..end]), readable(&after))
    }
}

/// A hunk's lines as its head has them: none are behind the line before them, one has no length.
fn lines(start: usize, count: usize) -> String {
    match count {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        _ => format!("{},{count}", start + 1),
    }
}
