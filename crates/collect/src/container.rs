//! Container logs (CRI and Docker's JSON, told apart line by line) and plain text files, to log records.
//!
//! | part of the record | comes from |
//! |---|---|
//! | resource `k8s.*`, `service.name` | the path `<namespace>_<pod>_<uid>/<container>/<restart count>.log` it was first found under |
//! | time | the runtime's time stamp of the record's first line; for plain text, when it was read |
//! | body | the message as written: partial lines joined, then lines joined by the first-line pattern if there is one |
//! | severity, trace and span id | well-known keys of a body that is a JSON object or `key=value` pairs; the level that a text starts with |
//! | `log.iostream`, `log.file.path` | the runtime's stream; the file |
//! | `log.truncated` | the line or record was longer than its bound, and cut there |
//! | `log.utf8_invalid`, `log.body.bytes` | the body is not UTF-8: the text has replacement characters, the bytes are beside it (up to 256 KiB) |
//!
//! A record that the runtime split across a rotation becomes two: files are not joined.

mod join;
mod lift;
mod line;
mod pod;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use parapet_signal::{Attributes, Batch, Grouped, LogRecord, Resource, Scope, UnixNanos, Value};
use regex::bytes::Regex;

use crate::files::{Decoder, Input, Pattern, Taken};
use join::{Joiner, Message};
use line::Stream;

/// Where the kubelet keeps the logs of pods.
pub const POD_LOGS: &str = "/var/log/pods/*/*/*.log";

/// How logs are read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Resource attributes of every record (`host.name`, …).
    pub resource: Attributes,
    /// Matches the first line of a record; lines that do not match belong to the record before. `None`: a line is a
    /// record.
    pub first_line: Option<Regex>,
}

/// Logs that the kubelet writes for containers, rotated ones included.
pub fn pods(patterns: Vec<Pattern>, options: Options) -> Input {
    input("container", patterns, options, true)
}

/// Any other log files; container formats are recognised here too.
pub fn text_files(patterns: Vec<Pattern>, options: Options) -> Input {
    input("file", patterns, options, false)
}

/// The records in `bytes`, a whole file found at `path`. Takes anything; for fuzzing and for tools.
pub fn decode(path: &Path, bytes: &[u8], options: &Options, now: UnixNanos) -> Batch {
    let mut decoder = LogDecoder::new(path, options);
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let span = at as u64..(at + line.len()) as u64;
        at += line.len();
        decoder.line(line.strip_suffix(b"\n").unwrap_or(line), span, false, now);
    }
    decoder.flush();
    decoder.take(at as u64).batch
}

fn input(kind: &'static str, patterns: Vec<Pattern>, options: Options, rotated_siblings: bool) -> Input {
    let decoder =
        Arc::new(move |path: &Path| -> Box<dyn Decoder> { Box::new(LogDecoder::new(path, &options)) });
    Input { kind, patterns, rotated_siblings, decoder }
}

/// Bytes of an undecodable body that are kept beside its text.
const MAX_KEPT_BYTES: usize = 256 << 10;

struct LogDecoder {
    resource: Arc<Resource>,
    scope: Arc<Scope>,
    joiner: Joiner,
    records: Records,
}

struct Records {
    /// Of each stream.
    attributes: [Attributes; Stream::COUNT],
    records: Vec<LogRecord>,
    spans: Vec<Range<u64>>,
}

impl LogDecoder {
    fn new(path: &Path, options: &Options) -> Self {
        let mut resource = options.resource.clone();
        pod::describe(path, &mut resource);
        let attributes = Stream::ALL.map(|stream| {
            let mut attributes = Attributes::new();
            if let Some(name) = stream.name() {
                attributes.set("log.iostream", name);
            }
            attributes.with("log.file.path", path.to_string_lossy().into_owned())
        });
        Self {
            resource: Arc::new(Resource { attributes: resource }),
            scope: Arc::new(Scope::default()),
            joiner: Joiner::new(options.first_line.clone()),
            records: Records { attributes, records: Vec::new(), spans: Vec::new() },
        }
    }
}

impl Decoder for LogDecoder {
    fn line(&mut self, line: &[u8], span: Range<u64>, truncated: bool, now: UnixNanos) {
        let line = line::parse(line);
        if line.stream == Stream::None && line.message.is_empty() && !self.joiner.joins_lines() {
            // Blank lines of plain text separate, and say nothing.
            return;
        }
        let records = &mut self.records;
        self.joiner.push(line, span, truncated, now, &mut |message| records.push(message));
    }

    fn flush(&mut self) {
        let records = &mut self.records;
        self.joiner.flush(&mut |message| records.push(message));
    }

    fn pending(&self) -> Option<u64> {
        self.joiner.pending()
    }

    fn spans(&self) -> &[Range<u64>] {
        &self.records.spans
    }

    fn take(&mut self, offset: u64) -> Taken {
        self.joiner.clear();
        let mut spans = std::mem::take(&mut self.records.spans).into_iter();
        let mut records = std::mem::take(&mut self.records.records);
        records.retain(|_| spans.next().is_some_and(|span| span.start < offset));
        let groups = if records.is_empty() {
            Vec::new()
        } else {
            vec![Grouped { resource: self.resource.clone(), scope: self.scope.clone(), records }]
        };
        Taken { batch: Batch::Logs(groups), bad: Vec::new() }
    }
}

impl Records {
    fn push(&mut self, message: Message<'_>) {
        let Message { time, observed, stream, span, bytes, truncated } = message;
        let mut attributes = self.attributes[stream as usize].clone();
        if truncated {
            attributes.set("log.truncated", true);
        }
        let body = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                attributes.set("log.utf8_invalid", true);
                if bytes.len() <= MAX_KEPT_BYTES {
                    attributes.set("log.body.bytes", Value::Bytes(bytes.to_vec()));
                }
                String::from_utf8_lossy(bytes).into_owned()
            }
        };
        let lifted = lift::lift(&body);
        self.records.push(LogRecord {
            time,
            observed_time: observed,
            severity_number: lifted.severity_number,
            severity_text: lifted.severity_text,
            body: Value::Str(body),
            event_name: String::new(),
            attributes,
            trace_id: lifted.trace_id,
            span_id: lifted.span_id,
        });
        self.spans.push(span);
    }
}

#[cfg(test)]
mod tests;
