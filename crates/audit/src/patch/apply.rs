//! Edits done to the bytes of a file: those that clash are left out, those that several ask for are done once.

use super::{Change, Edit, Patch};

/// An edit with what it comes to in a file.
#[derive(Clone, PartialEq, Eq)]
struct Resolved {
    start: usize,
    end: usize,
    indent: usize,
    text: String,
    /// What is added up to here would be added to what is replaced.
    covers: usize,
}

/// `bytes` of a file with all of `patches` applied; those that touch what another has changed are left out and counted.
/// What several ask for is done once. Parts for other files are the caller's business, see [`Patch::parts`].
pub fn apply(bytes: &[u8], patches: &[&Patch]) -> (Vec<u8>, usize) {
    let (replacements, skipped) = together(bytes, patches);
    let mut result = bytes.to_vec();
    for Replacement { start, end, text } in replacements.into_iter().rev() {
        result.splice(start..end, text.into_bytes());
    }
    (result, skipped)
}

/// What all of `patches` that don't clash replace, in the order of the text, and how many clash.
pub(crate) fn together(bytes: &[u8], patches: &[&Patch]) -> (Vec<Replacement>, usize) {
    let mut accepted: Vec<Resolved> = Vec::new();
    let mut skipped = 0;
    for patch in patches {
        let edits: Option<Vec<Resolved>> = patch.edits.iter().map(|edit| resolve(bytes, edit)).collect();
        let Some(edits) = edits else {
            skipped += 1;
            continue;
        };
        if edits.iter().all(|edit| accepted.contains(edit)) {
            continue;
        }
        if edits.iter().any(|edit| accepted.iter().any(|other| edit.clashes(other))) {
            skipped += 1;
            continue;
        }
        accepted.extend(edits);
    }
    // Of insertions in one place the deeper ones come first: they continue what is there. Of equals the last comes first.
    accepted.sort_by(|a, b| b.start.cmp(&a.start).then(b.end.cmp(&a.end)).then(a.indent.cmp(&b.indent)));
    let in_order = accepted.into_iter().rev();
    (in_order.map(|Resolved { start, end, text, .. }| Replacement { start, end, text }).collect(), skipped)
}

/// Bytes of a file and the text that takes their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The first byte.
    pub start: usize,
    /// The byte after the last; `start` for an insertion.
    pub end: usize,
    /// The text.
    pub text: String,
}

/// What one part of a patch replaces in its file; nothing if it can't be done there.
pub fn replacements(bytes: &[u8], part: &Patch) -> Option<Vec<Replacement>> {
    let resolved = part.edits.iter().map(|edit| resolve(bytes, edit));
    resolved
        .map(|edit| edit.map(|Resolved { start, end, text, .. }| Replacement { start, end, text }))
        .collect()
}

impl Resolved {
    /// Whether both can't be done: they overlap, or add one key in one place.
    fn clashes(&self, other: &Self) -> bool {
        let key = |text: &str| text.trim_start().split(':').next().unwrap_or("").to_owned();
        let insertions = self.start == self.end && other.start == other.end && self.start == other.start;
        let one_key = insertions && self.indent == other.indent && key(&self.text) == key(&other.text);
        let is_object = self.text.trim_start().starts_with("---");
        let continues = |one: &Self, other: &Self| {
            other.start == other.end && one.start < other.start && other.start <= one.covers
        };
        let other_is_object = other.text.trim_start().starts_with("---");
        (self.start < other.end && other.start < self.end)
            || (one_key && !is_object)
            || (continues(self, other) && !other_is_object)
            || (continues(other, self) && !is_object)
    }
}

/// The last byte before `at` that isn't space, with its place.
fn before(bytes: &[u8], at: usize) -> Option<(usize, u8)> {
    let place = bytes[..at].iter().rposition(|byte| !byte.is_ascii_whitespace())?;
    Some((place, bytes[place]))
}

/// Where the edit is in the file; nothing if it is of a text that isn't written as a literal block.
fn resolve(bytes: &[u8], edit: &Edit) -> Option<Resolved> {
    let at = |offset: usize| offset.min(bytes.len());
    let block = match &edit.within {
        Some(within) => Some(within.block(bytes)?),
        None => None,
    };
    let (start, end) = match &block {
        Some(block) => (at(block.outer(edit.start)?), at(block.outer(edit.end)?)),
        None => (at(edit.start), at(edit.end)),
    };
    let end = end.max(start);
    let deeper = block.as_ref().map_or(0, |block| block.indent);
    let end_of_line = |from: usize| {
        bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| from + newline + 1)
    };
    // An anchor stays where it is: others may refer to it.
    let anchor = bytes[start..end].starts_with(b"&").then(|| {
        let name = bytes[start..end].iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        bytes[start + name..end].iter().take_while(|byte| byte.is_ascii_whitespace()).count() + name
    });
    let start = match &edit.change {
        Change::Replace(text) | Change::ReplaceBlock(text) if !text.is_empty() => start + anchor.unwrap_or(0),
        _ => start,
    };
    Some(match &edit.change {
        Change::Replace(text) => Resolved { start, end, indent: 0, text: text.clone(), covers: start },
        Change::ReplaceBlock(text) => {
            Resolved { start, end, indent: 0, text: text.clone(), covers: end_of_line(end) }
        }
        Change::InsertLines { indent, text } => {
            let indent = indent + deeper;
            // A block scalar's text ends with its line: what follows starts right there.
            let at = if start > 0 && bytes[start - 1] == b'\n' { start } else { end_of_line(start) };
            let mut lines = String::new();
            if at > 0 && bytes[at - 1] != b'\n' {
                lines.push('\n');
            }
            for line in text.lines() {
                lines.push_str(&" ".repeat(indent));
                lines.push_str(line);
                lines.push('\n');
            }
            Resolved { start: at, end: at, indent, text: lines, covers: at }
        }
        Change::InsertItem { block, inline } => match before(bytes, start) {
            Some((at, b'-')) => {
                let line =
                    bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                let text = block.clone();
                let lines = Edit {
                    start: end,
                    end,
                    within: None,
                    change: Change::InsertLines { indent: at - line, text },
                };
                return resolve(bytes, &lines);
            }
            _ => Resolved { start: end, end, indent: 0, text: format!(", {inline}"), covers: end },
        },
        Change::RemoveLines { dash: true } if before(bytes, start).is_some_and(|(_, byte)| byte != b'-') => {
            // In brackets one of the commas beside it goes, too.
            let (at, byte) = before(bytes, start)?;
            let spaces = bytes[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let comma_follows = bytes.get(end + spaces) == Some(&b',');
            let (start, end) = match byte {
                b',' => (at, end),
                _ if comma_follows => (start, end + spaces + 1),
                _ => (start, end),
            };
            Resolved { start, end, indent: 0, text: String::new(), covers: start }
        }
        Change::RemoveLines { dash } => {
            let first =
                bytes[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            let whole = bytes[first..start].iter().all(|byte| *byte == b' ' || (*dash && *byte == b'-'));
            let last = if end > start && bytes[end - 1] == b'\n' { end } else { end_of_line(end) };
            let (start, end) = if whole { (first, last) } else { (start, end) };
            Resolved { start, end, indent: 0, text: String::new(), covers: start }
        }
    })
}
