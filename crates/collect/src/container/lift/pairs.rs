//! `key=value` pairs in a line of text, as logfmt and as what follows a message.

use std::borrow::Cow;

use super::Stated;
use super::key::Key;
use super::level::is_time;

/// Ids count wherever they stand; a level only in a line that is pairs from its start, as logfmt is: in the middle of a
/// sentence, `level=error` is what the sentence is about.
pub(super) fn read(line: &str) -> Stated<'_> {
    let mut stated = Stated::default();
    if memchr::memchr(b'=', line.as_bytes()).is_none() {
        return stated;
    }
    let mut only_pairs = true;
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(SEPARATORS);
        if rest.is_empty() {
            return stated;
        }
        let name_end = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        match after.strip_prefix('=') {
            Some(after) if !name.is_empty() => {
                let (value, after) = value(after);
                match Key::of(name) {
                    Some(Key::Level(_)) if !only_pairs => {}
                    Some(key) => stated.take(key, value),
                    None => {}
                }
                rest = after;
            }
            _ => {
                let word_end = after.find(SEPARATORS).unwrap_or(after.len());
                only_pairs &= is_time(&rest[..name_end + word_end]);
                rest = &after[word_end..];
            }
        }
    }
}

/// What stands between pairs.
const SEPARATORS: [char; 11] = [' ', '\t', ',', ';', '[', ']', '(', ')', '{', '}', '|'];

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@')
}

/// The value that `text` starts with, and what follows it. A quote that is never closed reaches to the end.
fn value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(SEPARATORS).unwrap_or(text.len()));
        return (Cow::Borrowed(value), rest);
    };
    let mut escaped = false;
    let end = quoted.find(|c: char| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    // None of the values that are looked for has anything that is escaped.
    end.map_or((Cow::Borrowed(quoted), ""), |end| (Cow::Borrowed(&quoted[..end]), &quoted[end + 1..]))
}
