//! Names of levels, and the level that a line of text starts with.

use std::borrow::Cow;

use parapet_signal::SeverityNumber;

/// Longer than any level's name; a sentence under such a key is no level.
const MAX_NAME_BYTES: usize = 32;

/// A level as it was written, and its number; unspecified if the name is not known.
#[derive(Debug, PartialEq)]
pub(super) struct Level<'a> {
    pub(super) number: SeverityNumber,
    pub(super) text: Cow<'a, str>,
}

impl<'a> Level<'a> {
    /// What stood where a level is expected.
    pub(super) fn named(text: Cow<'a, str>) -> Option<Self> {
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        let fits = !text.is_empty() && text.len() <= MAX_NAME_BYTES;
        fits.then(|| Self { number: known(&text).unwrap_or_default(), text })
    }

    /// A number as pino and bunyan write it.
    pub(super) fn numbered(text: &'a str) -> Option<Self> {
        let number = match text {
            "10" => SeverityNumber::TRACE,
            "20" => SeverityNumber::DEBUG,
            "30" => SeverityNumber::INFO,
            "40" => SeverityNumber::WARN,
            "50" => SeverityNumber::ERROR,
            "60" => SeverityNumber::FATAL,
            _ => return None,
        };
        Some(Self::of(number, text))
    }

    fn of(number: SeverityNumber, text: &'a str) -> Self {
        Self { number, text: Cow::Borrowed(text) }
    }
}

/// The level that a line starts with, after a time and a thread's name at most: klog's letter, a name in capitals, one in
/// brackets, one before a colon or between tabs.
pub(super) fn leading(line: &str) -> Option<Level<'_>> {
    if let Some(level) = klog(line) {
        return Some(level);
    }
    let mut rest = line;
    let mut after_time = false;
    for _ in 0..MAX_WORDS {
        rest = start_of_word(rest);
        if let Some((inner, after)) = bracketed(rest) {
            if let Some(level) = in_brackets(inner) {
                return Some(level);
            }
            after_time |= inner.split([' ', '\t']).all(is_time);
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if let Some(number) = known(name) {
            let in_capitals = name.bytes().all(|byte| byte.is_ascii_uppercase()) && ends_word(after);
            let before_colon = after.starts_with(':');
            let in_column = after_time && after.starts_with('\t');
            return (in_capitals || before_colon || in_column).then(|| Level::of(number, name));
        }
        let end = rest.find([' ', '\t', ESCAPE]).unwrap_or(rest.len());
        if !is_time(&rest[..end]) {
            return None;
        }
        after_time = true;
        rest = &rest[end..];
    }
    None
}

/// Words before a level at most: a date, a time, a zone, a thread's name, a process's id, and the level.
const MAX_WORDS: usize = 6;

/// Longer than the names of threads and dates in brackets are.
const MAX_BRACKETED_BYTES: usize = 64;

/// Whether the word is a date, a time, both, seconds since 1970, or a zone.
pub(super) fn is_time(word: &str) -> bool {
    if matches!(word, "UTC" | "GMT" | "Z") {
        return true;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let of_time = |byte: u8| byte.is_ascii_alphanumeric() || b":.,+-/".contains(&byte);
    let starts = word.starts_with(|c: char| c.is_ascii_digit() || c == '+');
    // Ten digits are seconds since 1970; a number alone may be anything.
    let separated = word.contains([':', '-', '/']) || digits >= 10;
    starts && separated && (2..=30).contains(&digits) && word.len() <= 40 && word.bytes().all(of_time)
}

/// `Lmmdd hh:mm:ss.uuuuuu threadid file:line] msg`, as Kubernetes' own components write.
fn klog(line: &str) -> Option<Level<'_>> {
    let number = match line.as_bytes().first()? {
        b'I' => SeverityNumber::INFO,
        b'W' => SeverityNumber::WARN,
        b'E' => SeverityNumber::ERROR,
        b'F' => SeverityNumber::FATAL,
        _ => return None,
    };
    let mut words = line[1..].split_ascii_whitespace();
    let (date, time, thread, place) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_klog = date.len() == 4
        && is_number(date)
        && is_time(time)
        && is_number(thread)
        && place.ends_with(']')
        && place.contains(':');
    is_klog.then(|| Level::of(number, &line[..1]))
}

/// A level alone, or the last word after a time (`[12:00:00 INF]`).
fn in_brackets(inner: &str) -> Option<Level<'_>> {
    let (before, name) = inner.trim().rsplit_once([' ', '\t']).unwrap_or(("", inner.trim()));
    let number = known(name).filter(|_| before.split_ascii_whitespace().all(is_time))?;
    Some(Level::of(number, name))
}

/// What is in the brackets that the text starts with, and what follows them.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let close = match text.as_bytes().first()? {
        b'[' => ']',
        b'<' => '>',
        _ => return None,
    };
    let (inner, rest) = text[1..].split_once(close)?;
    (inner.len() <= MAX_BRACKETED_BYTES).then_some((inner, rest))
}

/// Without blanks, the lines between columns, and what sets a terminal's colours.
fn start_of_word(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches([' ', '\t', '|', '-']);
        let Some(sequence) = text.strip_prefix("\u{1b}[") else { return text };
        text = sequence.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        text = text.strip_prefix('m').unwrap_or(text);
    }
}

const ESCAPE: char = '\u{1b}';

fn ends_word(after: &str) -> bool {
    after.is_empty() || after.starts_with([' ', '\t', ':', ',', '|', ']', ESCAPE])
}

/// The level of that name; loggers that keep their columns narrow have names of three letters.
fn known(name: &str) -> Option<SeverityNumber> {
    const MORE: [(&str, SeverityNumber); 7] = [
        ("verbose", SeverityNumber::TRACE),
        ("vrb", SeverityNumber::TRACE),
        ("trc", SeverityNumber::TRACE),
        ("dbg", SeverityNumber::DEBUG),
        ("inf", SeverityNumber::INFO),
        ("wrn", SeverityNumber::WARN),
        ("ftl", SeverityNumber::FATAL),
    ];
    let more = || MORE.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| *number);
    SeverityNumber::from_name(name).or_else(more)
}
