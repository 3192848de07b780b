//! From sources to documents and problems.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use crate::parse::{Fault, parse};
use crate::source::{Text, read};
use crate::split::{Chunk, split};
use crate::{Document, Limits, Node, Problem, Severity, Source, Span, Value};

/// What was read, and what was not.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The objects, in the order of sources, files and documents. Of two objects with one name the later is here, as it
    /// would be after applying them.
    pub documents: Vec<Document>,
    /// What is wrong with the input, in its order.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Whether something was not read that would have been an object.
    pub fn incomplete(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Reads all of `sources`; `stdin` is read where a source says so.
pub fn load(sources: &[Source], limits: &Limits, stdin: &mut dyn Read) -> Loaded {
    let mut loaded = Loaded::default();
    let Loaded { documents, problems } = &mut loaded;
    for source in sources {
        read(source, limits, stdin, problems, &mut |text, problems| take(&text, limits, documents, problems));
    }
    settle_names(&mut loaded);
    loaded
}

/// Reads the text of one file that goes by the name `file`.
pub fn load_text(file: &str, bytes: &[u8], limits: &Limits) -> Loaded {
    let mut loaded = Loaded::default();
    let text = Text { file: file.into(), bytes: bytes.to_vec() };
    take(&text, limits, &mut loaded.documents, &mut loaded.problems);
    settle_names(&mut loaded);
    loaded
}

/// The YAML or JSON that a text field holds, such as a file in a ConfigMap; nothing if it isn't a mapping or a list.
///
/// Lines are the file's own for a literal block (`|`); columns start at 1 in each. Byte ranges are the field's.
pub fn embedded(field: &Node, limits: &Limits) -> Option<Node> {
    let text = field.as_str()?;
    // A block's place is its first line of content.
    let root = parse(text, field.span.line, 0, limits, &mut Vec::new()).ok()??;
    matches!(root.value, Value::Map(_) | Value::List(_)).then(|| root.within(field.bytes))
}

/// The YAML or JSON of a text by itself: places and byte ranges are the text's own. Nothing if it isn't a mapping or a list.
pub fn load_value(text: &str, limits: &Limits) -> Option<Node> {
    let root = parse(text, 1, 0, limits, &mut Vec::new()).ok()??;
    matches!(root.value, Value::Map(_) | Value::List(_)).then_some(root)
}

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

fn take(text: &Text, limits: &Limits, documents: &mut Vec<Document>, problems: &mut Vec<Problem>) {
    let Text { file, bytes } = text;
    let mut say =
        |span, severity, message: String| problems.push(Problem::new(file, span, severity, message));
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return say(Span::START, Severity::Error, "UTF-16: not read; save it as UTF-8".to_owned());
    }
    let bom = if bytes.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
    if bom > 0 {
        say(Span::START, Severity::Note, "starts with a byte-order mark; it is skipped".to_owned());
    }
    if let Some(at) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let line = u32::try_from(bytes[..at].split(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX);
        say(Span::new(line, 1), Severity::Note, "lines end with CR LF; read as line ends".to_owned());
    }
    for (index, chunk) in split(&bytes[bom..]).enumerate() {
        if index == limits.documents {
            let message = format!("more than {} documents: this one and those after it are not read", index);
            return say(Span::new(chunk.line, 1), Severity::Error, message);
        }
        let chunk = Chunk { offset: chunk.offset + bom, ..chunk };
        take_document(file, index, chunk, limits, documents, &mut say);
    }
}

fn take_document(
    file: &Arc<str>,
    index: usize,
    chunk: Chunk<'_>,
    limits: &Limits,
    documents: &mut Vec<Document>,
    say: &mut dyn FnMut(Span, Severity, String),
) {
    let text = match std::str::from_utf8(chunk.bytes) {
        Ok(text) => text,
        Err(error) => {
            let span = place_of(&chunk, error.valid_up_to());
            return say(span, Severity::Error, "not UTF-8: this document is not read".to_owned());
        }
    };
    let mut faults = Vec::new();
    let root = parse(text, chunk.line, chunk.offset, limits, &mut faults);
    for Fault { span, message } in faults {
        say(span, Severity::Error, message);
    }
    match root {
        Ok(Some(root)) => expand(file, index, root, documents, say),
        Ok(None) => {}
        Err(fault) => match text.find("{{") {
            Some(at) => {
                let message = "an unrendered template (`{{`): read the output of `helm template` or of your templating instead";
                say(place_of(&chunk, at), Severity::Error, message.to_owned());
            }
            None => say(fault.span, Severity::Error, fault.message),
        },
    }
}

/// The place of a byte of a chunk.
fn place_of(chunk: &Chunk<'_>, byte: usize) -> Span {
    let before = &chunk.bytes[..byte];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Span::new(chunk.line.saturating_add(number(line)), number(column).saturating_add(1))
}

/// One document is one object, or a `List` of them.
fn expand(
    file: &Arc<str>,
    index: usize,
    root: Node,
    documents: &mut Vec<Document>,
    say: &mut dyn FnMut(Span, Severity, String),
) {
    if root.is_null() {
        return;
    }
    let kind = root.get("kind").and_then(Node::as_str).unwrap_or("");
    match root.get("items").map(|items| &items.value) {
        Some(Value::List(items)) if kind.ends_with("List") => {
            let single: Option<String> =
                kind.strip_suffix("List").filter(|kind| !kind.is_empty()).map(str::to_owned);
            for (item, node) in items.iter().enumerate() {
                add(file, index, Some((item, &root, single.as_deref())), node.clone(), documents, say);
            }
        }
        _ => add(file, index, None, root, documents, say),
    }
}

/// Adds one object of a live cluster.
#[cfg(feature = "cluster")]
pub(crate) fn add_live(file: &Arc<str>, object: serde_json::Value, loaded: &mut Loaded) {
    let Loaded { documents, problems } = loaded;
    let mut say =
        |span, severity, message: String| problems.push(Problem::new(file, span, severity, message));
    let index = documents.len();
    add(file, index, None, Node::of_json(object), documents, &mut say);
}

/// `list` is the item's number, the list, and the kind that a typed list's items may leave out.
fn add(
    file: &Arc<str>,
    index: usize,
    list: Option<(usize, &Node, Option<&str>)>,
    root: Node,
    documents: &mut Vec<Document>,
    say: &mut dyn FnMut(Span, Severity, String),
) {
    if !matches!(root.value, Value::Map(_)) {
        return say(root.span, Severity::Warning, "not a Kubernetes object: it isn't a mapping".to_owned());
    }
    let text = |pointer: &str| root.at(pointer).and_then(Node::as_str).filter(|text| !text.is_empty());
    let of_list = |field: &str| list.and_then(|(_, node, _)| node.get(field).and_then(Node::as_str));
    let single = list.and_then(|(_, _, single)| single);
    let kind: Option<Arc<str>> = text("/kind").or(single).map(Into::into);
    let api_version: Option<Arc<str>> =
        text("/apiVersion").or(single.and_then(|_| of_list("apiVersion"))).map(Into::into);
    let (Some(kind), Some(api_version)) = (kind, api_version) else {
        let missing = if text("/kind").is_none() { "kind" } else { "apiVersion" };
        return say(root.span, Severity::Warning, format!("not a Kubernetes object: no {missing}"));
    };
    if matches!((&*kind, api_version.split('/').next()), ("Kustomization", Some("kustomize.config.k8s.io"))) {
        let message = "a kustomization is not resolved: read the output of `kustomize build` instead";
        return say(root.span, Severity::Warning, message.to_owned());
    }
    let name: Arc<str> = match text("/metadata/name").or(text("/metadata/generateName")) {
        Some(name) => name.into(),
        None => {
            let place = root.place("/metadata/name");
            say(place, Severity::Warning, format!("this {kind} has no metadata.name"));
            "".into()
        }
    };
    let namespace = text("/metadata/namespace").map(Into::into);
    let item = list.map(|(item, _, _)| item);
    let origin = root.span;
    documents.push(Document {
        file: file.clone(),
        index,
        item,
        origin,
        api_version,
        kind,
        name,
        namespace,
        root,
    });
}

/// Of two objects with one name the earlier is taken out: applying them in order would replace it.
fn settle_names(loaded: &mut Loaded) {
    let mut seen = HashMap::new();
    let mut replaced = Vec::new();
    for (index, document) in loaded.documents.iter().enumerate() {
        if document.name.is_empty() || document.at("/metadata/name").is_none() {
            continue;
        }
        let key = (
            document.group().to_owned(),
            document.kind.clone(),
            document.namespace.clone(),
            document.name.clone(),
        );
        if let Some(earlier) = seen.insert(key, index) {
            let first = &loaded.documents[earlier];
            let message = format!(
                "a second {} named {:?}; the first, at {}:{}, would be replaced and is left out",
                document.kind,
                document.name,
                first.file,
                first.place("/metadata/name")
            );
            let place = document.place("/metadata/name");
            loaded.problems.push(Problem::new(&document.file, place, Severity::Error, message));
            replaced.push(earlier);
        }
    }
    replaced.sort_unstable();
    let mut index = 0;
    loaded.documents.retain(|_| {
        index += 1;
        replaced.binary_search(&(index - 1)).is_err()
    });
}
