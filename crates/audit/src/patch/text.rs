//! Texts inside of fields, such as a configuration in a ConfigMap: where their bytes are in the file.

use parapet_manifest::{ByteRange, Document, Limits, Node, Span, load_value};

/// A field's text: edits of it have offsets in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// The field's bytes in the file.
    bytes: ByteRange,
    /// The text.
    text: String,
}

/// A literal block (`|`) in a file.
pub(super) struct Block {
    /// Spaces before each of its lines.
    pub indent: usize,
    /// Of each line of the text: its first byte in the text, and its first byte in the file.
    lines: Vec<(usize, usize)>,
}

/// What a field's text holds as a document of its own, with offsets in the text.
pub(super) fn document(outer: &Document, field: &Node) -> Option<(Within, Document)> {
    let text = field.as_str()?;
    let root = load_value(text, &Limits::default())?;
    Some((within(field, text), Document { origin: Span::START, root, ..outer.clone() }))
}

/// A field with its text.
pub(super) fn within(field: &Node, text: &str) -> Within {
    Within { bytes: field.bytes, text: text.to_owned() }
}

impl Within {
    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The block that holds the text; nothing if the field is written in another way.
    pub(super) fn block(&self, bytes: &[u8]) -> Option<Block> {
        let before = &bytes[..(self.bytes.start as usize).min(bytes.len())];
        let mut first = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let line_at = |at: usize| {
            let rest = bytes.get(at..).unwrap_or_default();
            &rest[..rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())]
        };
        // The place of a block is its header in some cases, its first line in others.
        let header = String::from_utf8_lossy(line_at(first)).into_owned();
        if header.trim_end().trim_end_matches(['-', '+']).ends_with('|') {
            first += line_at(first).len() + 1;
        }
        let indent = line_at(first).iter().take_while(|byte| **byte == b' ').count();
        let mut block = Block { indent, lines: Vec::new() };
        let (mut inner, mut outer) = (0, first);
        for line in self.text.lines() {
            let written = line_at(outer);
            let written = written.strip_suffix(b"\r").unwrap_or(written);
            // An empty line may have fewer spaces than the others.
            if written.get(indent..).unwrap_or_default() != line.as_bytes() {
                return None;
            }
            block.lines.push((inner, outer));
            inner += line.len() + 1;
            outer += line_at(outer).len() + 1;
        }
        block.lines.push((inner, outer.min(bytes.len())));
        Some(block)
    }
}

impl Block {
    /// The place in the file of an offset in the text.
    pub(super) fn outer(&self, offset: usize) -> Option<usize> {
        let index = self.lines.iter().rposition(|(inner, _)| *inner <= offset)?;
        let (inner, outer) = self.lines[index];
        // The start of a line is that of the file's line: whatever ends there ends before its indentation.
        Some(if offset == inner { outer } else { outer + self.indent + (offset - inner) })
    }
}
