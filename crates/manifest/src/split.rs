//! A file's bytes, cut into documents before anything is parsed, so that none can spoil another.

/// A document's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    /// The text from one `---` line to before the next, in whatever encoding it is.
    pub bytes: &'a [u8],
    /// Where it starts in the file.
    pub offset: usize,
    /// The line of its first byte, from 1.
    pub line: u32,
}

/// The documents of a file; ones of only blanks, comments and directives are left out.
///
/// A line that starts with `---` or `...` followed by a blank or the line's end is a document marker wherever it
/// stands: YAML forbids such lines inside of any scalar.
pub(crate) fn split(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    Chunks { bytes, at: 0, line: 1, start: 0, start_line: 1, done: false }
        .filter(|chunk| chunk.bytes.split(|byte| *byte == b'\n').any(has_content))
}

struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
    start: usize,
    start_line: u32,
    done: bool,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let length =
                rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |newline| newline + 1);
            let line = &rest[..length];
            let (at, number) = (self.at, self.line);
            self.at += length;
            self.line = self.line.saturating_add(1);
            if is_marker(line) {
                let chunk = self.cut(at);
                // A `---` line belongs to the document that it opens: `--- {a: b}` is one.
                let opens = line.starts_with(b"---");
                (self.start, self.start_line) = if opens { (at, number) } else { (self.at, self.line) };
                return Some(chunk);
            }
        }
        (!std::mem::replace(&mut self.done, true)).then(|| self.cut(self.bytes.len()))
    }
}

impl<'a> Chunks<'a> {
    fn cut(&self, end: usize) -> Chunk<'a> {
        Chunk { bytes: &self.bytes[self.start..end], offset: self.start, line: self.start_line }
    }
}

fn is_marker(line: &[u8]) -> bool {
    (line.starts_with(b"---") || line.starts_with(b"..."))
        && line.get(3).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn has_content(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"---").unwrap_or(line).trim_ascii();
    !(line.is_empty() || line.starts_with(b"#") || line.starts_with(b"%"))
}
