//! One document's text to nodes: anchors, merge keys and duplicate keys are settled here.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span as Extent};

use crate::node::{ByteRange, Entry, Key, Node, Value};
use crate::{Limits, Span, scalar};

/// Why a document was not read, or what is wrong in it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub span: Span,
    pub message: String,
}

/// Reads one document whose text starts at `line` and byte `offset` of its file. Duplicate keys go to `faults`; the
/// last of them counts, as it does for the API server.
pub(crate) fn parse(
    text: &str,
    line: u32,
    offset: usize,
    limits: &Limits,
    faults: &mut Vec<Fault>,
) -> Result<Option<Node>, Fault> {
    let mut builder = Builder {
        places: Places::new(text, line, offset),
        limits,
        frames: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        faults,
        root: None,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, extent)) => builder.take(event, extent)?,
            Err(error) => return Err(explain(text, &builder.places, *error.marker(), error.info())),
        }
    }
    Ok(builder.root)
}

/// The parser's words, or better ones where the cause is a common one.
fn explain(text: &str, places: &Places<'_>, at: Marker, info: &str) -> Fault {
    let first = at.line().saturating_sub(1);
    let tab = text.lines().enumerate().skip(first).take(2).find(|(_, line)| {
        let indentation = &line[..line.len() - line.trim_start().len()];
        indentation.contains('\t')
    });
    if let Some((line, _)) = tab {
        let span = places.span(Marker::new(0, line + 1, 0));
        return Fault { span, message: "a tab in the indentation: YAML takes only spaces there".to_owned() };
    }
    let has_tab = text.lines().nth(first).is_some_and(|line| line.contains('\t'));
    let message = match info {
        "recursion limit exceeded" => "brackets nested too deep".to_owned(),
        // Where YAML takes a tab, not every parser does.
        _ if has_tab => format!("not YAML: {info}; there is a tab in this line, write spaces"),
        _ => format!("not YAML: {info}"),
    };
    Fault { span: places.span(at), message }
}

struct Places<'a> {
    line: u32,
    offset: usize,
    /// Byte of each character, if some character has more than one.
    bytes: Option<Vec<u32>>,
    text: &'a str,
}

impl<'a> Places<'a> {
    fn new(text: &'a str, line: u32, offset: usize) -> Self {
        let bytes = (!text.is_ascii())
            .then(|| text.char_indices().map(|(byte, _)| u32::try_from(byte).unwrap_or(u32::MAX)).collect());
        Self { line, offset, bytes, text }
    }

    fn span(&self, at: Marker) -> Span {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Span::new(
            self.line.saturating_add(count(at.line().saturating_sub(1))),
            count(at.col()).saturating_add(1),
        )
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).map_or(self.text.len(), |byte| *byte as usize),
            None => character.min(self.text.len()),
        }
    }

    fn range(&self, extent: Extent) -> ByteRange {
        let (start, end) = (self.byte(extent.start.index()), self.byte(extent.end.index()));
        self.absolute(start, end.max(start))
    }

    fn absolute(&self, start: usize, end: usize) -> ByteRange {
        let file = |byte: usize| u32::try_from(self.offset + byte).unwrap_or(u32::MAX);
        ByteRange { start: file(start), end: file(end) }
    }

    fn is_flow(&self, bytes: ByteRange) -> bool {
        let mut rest =
            (bytes.start as usize).checked_sub(self.offset).and_then(|at| self.text.get(at..)).unwrap_or("");
        // An anchor or a tag may stand before it.
        while rest.starts_with(['&', '!']) {
            rest = rest.find(char::is_whitespace).map_or("", |end| rest[end..].trim_start());
        }
        rest.starts_with(['{', '['])
    }
}

enum Frame {
    List {
        start: ByteRange,
        span: Span,
        anchor: usize,
        before: usize,
        items: Vec<Node>,
    },
    Map {
        start: ByteRange,
        span: Span,
        anchor: usize,
        before: usize,
        entries: Vec<Entry>,
        key: Option<(Key, bool)>,
    },
}

struct Builder<'a> {
    places: Places<'a>,
    limits: &'a Limits,
    frames: Vec<Frame>,
    /// By anchor: what it names and how many nodes that is.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    faults: &'a mut Vec<Fault>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, extent: Extent) -> Result<(), Fault> {
        let span = self.places.span(extent.start);
        let bytes = self.places.range(extent);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                if let Some(Frame::Map { key: key @ None, .. }) = self.frames.last_mut() {
                    *key = Some((Key { name: text.as_ref().into(), span, bytes }, plain && text == "<<"));
                    return Ok(());
                }
                let kept_text = tag.is_some_and(|tag| tag.suffix == "str" || !tag.is_yaml_core_schema());
                let value = match style {
                    ScalarStyle::Plain if !kept_text => scalar::plain(&text),
                    _ => Value::String(text.as_ref().into()),
                };
                self.count(1, span)?;
                self.put(Node { value, span, bytes }, anchor, 1)
            }
            Event::Alias(anchor) => {
                let Some((node, weight)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault { span, message: "this alias refers to what holds it".to_owned() });
                };
                self.count(weight, span)?;
                self.put(Node { span, bytes, ..node }, 0, weight)
            }
            Event::SequenceStart(anchor, _) => {
                self.open(span)?;
                let before = self.nodes;
                self.frames.push(Frame::List { start: bytes, span, anchor, before, items: Vec::new() });
                self.count(1, span)
            }
            Event::MappingStart(anchor, _) => {
                self.open(span)?;
                let before = self.nodes;
                self.frames.push(Frame::Map {
                    start: bytes,
                    span,
                    anchor,
                    before,
                    entries: Vec::new(),
                    key: None,
                });
                self.count(1, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(bytes),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn count(&mut self, weight: usize, span: Span) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(weight);
        if self.nodes > self.limits.nodes {
            let message = format!("more than {} values in one document, aliases expanded", self.limits.nodes);
            return Err(Fault { span, message });
        }
        Ok(())
    }

    fn open(&self, span: Span) -> Result<(), Fault> {
        if let Some(Frame::Map { key: None, .. }) = self.frames.last() {
            let message =
                "a key that is itself a mapping or a list; an unrendered template `{{ … }}` looks like this";
            return Err(Fault { span, message: message.to_owned() });
        }
        if self.frames.len() >= self.limits.depth {
            return Err(Fault { span, message: format!("nested more than {} deep", self.limits.depth) });
        }
        Ok(())
    }

    fn close(&mut self, end: ByteRange) -> Result<(), Fault> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let (node, anchor, before) = match frame {
            Frame::List { start, span, anchor, before, items } => {
                let last = items.last().map(|item| item.bytes.end);
                let bytes = self.whole(start, end, last);
                (Node { value: Value::List(items.into()), span, bytes }, anchor, before)
            }
            Frame::Map { start, span, anchor, before, entries, .. } => {
                let last = entries.last().map(|entry| entry.value.bytes.end.max(entry.key.bytes.end));
                let bytes = self.whole(start, end, last);
                let entries = self.settle(entries);
                (Node { value: Value::Map(entries.into()), span, bytes }, anchor, before)
            }
        };
        let weight = self.nodes - before;
        self.put(node, anchor, weight)
    }

    /// A flow collection ends at its bracket; a block one where its last part does, not where the next token starts.
    fn whole(&self, start: ByteRange, end: ByteRange, last: Option<u32>) -> ByteRange {
        let end = if self.places.is_flow(start) { end.end } else { last.unwrap_or(start.end) };
        ByteRange { start: start.start, end: end.max(start.start) }
    }

    fn put(&mut self, node: Node, anchor: usize, weight: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                Some((key, false)) => entries.push(Entry { key, value: node }),
                Some((key, true)) => merge(entries, key, &node)?,
                None => {
                    let message = "a key that is an alias".to_owned();
                    return Err(Fault { span: node.span, message });
                }
            },
        }
        Ok(())
    }

    /// Removes all but the last of entries with one name, and says so. Merged entries give way silently.
    fn settle(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].key.name.cmp(&entries[*b].key.name).then(a.cmp(b)));
        let mut dropped = Vec::new();
        for pair in order.windows(2) {
            let (first, second) = (&entries[pair[0]].key, &entries[pair[1]].key);
            if first.name != second.name {
                continue;
            }
            let merged = [first, second].iter().position(|key| is_merged(key));
            match merged {
                Some(1) if !is_merged(first) => dropped.push(pair[1]),
                Some(_) => dropped.push(pair[0]),
                None => {
                    dropped.push(pair[0]);
                    self.faults.push(Fault {
                        span: second.span,
                        message: format!("the key {:?} is given twice, first at {}", second.name, first.span),
                    });
                }
            }
        }
        if !dropped.is_empty() {
            dropped.sort_unstable();
            let mut index = 0;
            entries.retain(|_| {
                index += 1;
                dropped.binary_search(&(index - 1)).is_err()
            });
        }
        entries
    }
}

/// An entry that came in by `<<` has the key's name but no text of its own.
fn is_merged(key: &Key) -> bool {
    key.bytes.start == key.bytes.end && !key.name.is_empty()
}

fn merge(entries: &mut Vec<Entry>, key: Key, node: &Node) -> Result<(), Fault> {
    let nowhere = ByteRange { start: key.bytes.start, end: key.bytes.start };
    let maps: &[Node] = match &node.value {
        Value::Map(_) => std::slice::from_ref(node),
        Value::List(items) => items,
        _ => &[],
    };
    if maps.is_empty() || maps.iter().any(|map| !matches!(map.value, Value::Map(_))) {
        return Err(Fault { span: key.span, message: "`<<` takes a mapping, or a list of them".to_owned() });
    }
    // The first of several mappings counts: they are added from the last, so that the earlier ones replace it.
    for map in maps.iter().rev() {
        for entry in map.entries() {
            let key = Key { name: Arc::clone(&entry.key.name), span: entry.key.span, bytes: nowhere };
            entries.push(Entry { key, value: entry.value.clone() });
        }
    }
    Ok(())
}
