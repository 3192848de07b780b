//! The canonical query: ordered, decoded pairs, and the one way to write them.
//!
//! What is forwarded is written from the pairs that were authorised, so the upstream can't read a parameter that the
//! gate didn't see. What could be read in two ways (`;` between pairs, bad escapes, one name in two spellings) is refused.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use thiserror::Error;

/// More parameters are refused. Go's parser stops at 10,000, PHP's at 1,000; nobody's dashboard sends 256.
const MAX_PARAMETERS: usize = 256;

/// Longer queries are refused: what Prometheus' own interface sends by GET stays below this.
const MAX_QUERY: usize = 32 * 1024;

/// The parameters of a request in order.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CanonicalQuery {
    pairs: Vec<Pair>,
    /// Whether there was a `?` at all.
    present: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Pair {
    key: Box<str>,
    /// None: a name without `=`, which some servers tell apart from an empty value.
    value: Option<Box<str>>,
}

/// Why a query was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum QueryFault {
    /// It is longer than 32 KiB.
    #[error("query is too long")]
    TooLong,
    /// It has more than 256 parameters.
    #[error("query has too many parameters")]
    TooMany,
    /// A semicolon, which some parsers take for a separator.
    #[error("query has a semicolon")]
    Semicolon,
    /// A percent sign without two hex digits.
    #[error("query has a malformed escape")]
    Escape,
    /// A byte that must be escaped and isn't.
    #[error("query has a byte that isn't allowed unescaped")]
    RawByte,
    /// A control character in a name, NUL anywhere, or invalid UTF-8.
    #[error("query has a control character or isn't UTF-8")]
    NotText,
    /// A parameter without a name.
    #[error("query has a parameter without a name")]
    NoName,
    /// One name in two spellings, for example `a` and `A`, `a[]` or `%61`.
    #[error("query spells one name in two ways")]
    TwoSpellings,
}

impl CanonicalQuery {
    /// Reads what stands behind the `?`; None if there is none.
    ///
    /// # Errors
    ///
    /// The first fault found. The request must be refused, not repaired.
    pub fn parse(wire: Option<&str>) -> Result<Self, QueryFault> {
        let Some(wire) = wire else { return Ok(Self::default()) };
        if wire.len() > MAX_QUERY {
            return Err(QueryFault::TooLong);
        }
        if wire.contains(';') {
            return Err(QueryFault::Semicolon);
        }
        let mut pairs = Vec::new();
        // Normalised name → the spelling it came in.
        let mut spellings: HashMap<String, &str> = HashMap::new();
        for part in wire.split('&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(QueryFault::TooMany);
            }
            let (raw_key, raw_value) = match part.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (part, None),
            };
            let key = decode(raw_key)?;
            if key.is_empty() {
                return Err(QueryFault::NoName);
            }
            if key.chars().any(char::is_control) {
                return Err(QueryFault::NotText);
            }
            if *spellings.entry(normalised(&key)).or_insert(raw_key) != raw_key {
                return Err(QueryFault::TwoSpellings);
            }
            pairs.push(Pair { key: key.into(), value: raw_value.map(decode).transpose()?.map(Into::into) });
        }
        Ok(Self { pairs, present: true })
    }

    /// The decoded pairs in order; a parameter without `=` has an empty value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|pair| (&*pair.key, pair.value.as_deref().unwrap_or_default()))
    }

    /// The decoded values of all parameters with exactly this name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Whether another name than `name` itself would be taken for it by a parser that ignores case, brackets or dots.
    /// Such a request may not be authorised by the value of `name`.
    pub fn has_lookalike(&self, name: &str) -> bool {
        let wanted = normalised(name);
        self.iter().any(|(key, _)| key != name && normalised(key) == wanted)
    }

    /// How many parameters there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True if there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Writes `?` and the pairs, or nothing if the request had no query.
    pub(crate) fn write(&self, target: &mut String) {
        if !self.present {
            return;
        }
        target.push('?');
        for (index, pair) in self.pairs.iter().enumerate() {
            if index > 0 {
                target.push('&');
            }
            encode(&pair.key, target);
            if let Some(value) = &pair.value {
                target.push('=');
                encode(value, target);
            }
        }
    }
}

/// As it is forwarded, with its `?`.
impl fmt::Display for CanonicalQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        formatter.write_str(&text)
    }
}

/// Names only: values may be secret.
impl fmt::Debug for CanonicalQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.pairs.iter().map(|pair| &pair.key)).finish()
    }
}

/// What a lax parser makes of a name: PHP and Rails drop brackets, PHP turns dots and spaces into `_`, some ignore case.
fn normalised(key: &str) -> String {
    let bare = key.split_once('[').map_or(key, |(name, _)| name).trim();
    bare.chars()
        .map(|letter| if matches!(letter, '.' | ' ' | '-') { '_' } else { letter.to_ascii_lowercase() })
        .collect()
}

/// Bytes that a query may have unescaped: RFC 3986's, and those that browsers send raw (WHATWG URL's query set).
const fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'`' | b'%' | b'+')
}

fn decode(raw: &str) -> Result<String, QueryFault> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match *byte {
            b'%' => {
                let [high, low, tail @ ..] = rest else { return Err(QueryFault::Escape) };
                rest = tail;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                    return Err(QueryFault::Escape);
                };
                decoded.push((high << 4 | low) as u8);
            }
            b'+' => decoded.push(b' '),
            byte if is_query_byte(byte) => decoded.push(byte),
            byte if byte.is_ascii_control() => return Err(QueryFault::NotText),
            _ => return Err(QueryFault::RawByte),
        }
    }
    let decoded = String::from_utf8(decoded).map_err(|_| QueryFault::NotText)?;
    if decoded.contains('\0') {
        return Err(QueryFault::NotText);
    }
    Ok(decoded)
}

/// Everything but RFC 3986's `unreserved` and a few marks that no parser splits at is escaped.
fn encode(text: &str, target: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' | b'@' | b'*')
        {
            target.push(char::from(byte));
        } else {
            write!(target, "%{byte:02X}").expect("writing to a string succeeds");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(wire: &str, expect: Result<&str, QueryFault>) {
        let written = CanonicalQuery::parse(Some(wire)).map(|query| query.to_string());
        assert_eq!(written.as_deref().map_err(|fault| *fault), expect, "{wire}");
    }

    #[test]
    fn written_from_what_was_read() {
        check("a=1&b=2", Ok("?a=1&b=2"));
        check("a=x+y%2Bz&b", Ok("?a=x%20y%2Bz&b"));
        check("a=&&b=%e4%b8%ad", Ok("?a=&b=%E4%B8%AD"));
        check("match[]=up&match[]=down", Ok("?match%5B%5D=up&match%5B%5D=down"));
        check("", Ok("?"));
        assert_eq!(CanonicalQuery::parse(None).unwrap().to_string(), "");
    }

    #[test]
    fn what_two_parsers_read_differently_is_refused() {
        check("namespace=ok&x=1;namespace=bad", Err(QueryFault::Semicolon));
        check("namespace=ok&%6eamespace=bad", Err(QueryFault::TwoSpellings));
        check("namespace=ok&Namespace=bad", Err(QueryFault::TwoSpellings));
        check("namespace=ok&namespace[]=bad", Err(QueryFault::TwoSpellings));
        check("namespace=ok&namespace[0]=bad", Err(QueryFault::TwoSpellings));
        check("namespace%00=bad", Err(QueryFault::NotText));
        check("a=%00", Err(QueryFault::NotText));
        check("a=%zz", Err(QueryFault::Escape));
        check("a=%ff", Err(QueryFault::NotText));
        check("=x", Err(QueryFault::NoName));
        check("a=\"", Err(QueryFault::RawByte));
        check(&vec!["a=1"; 257].join("&"), Err(QueryFault::TooMany));
        check(&"a".repeat(MAX_QUERY + 1), Err(QueryFault::TooLong));
    }

    #[test]
    fn lookalikes_of_a_name_are_seen() {
        for (wire, expect) in
            [("Namespace=x", true), ("namespace[]=x", true), ("name.space=x", false), ("namespace=x", false)]
        {
            let query = CanonicalQuery::parse(Some(wire)).unwrap();
            assert_eq!(query.has_lookalike("namespace"), expect, "{wire}");
        }
    }

    proptest! {
        /// What is forwarded reads back as what was authorised, by an independent parser too.
        #[test]
        fn forwarded_pairs_are_the_authorised_pairs(wire in "[a-z%0-9A-F=&+;\\[\\].é]{0,60}") {
            if let Ok(query) = CanonicalQuery::parse(Some(&wire)) {
                let written = query.to_string();
                let again = CanonicalQuery::parse(written.strip_prefix('?')).unwrap();
                prop_assert_eq!(&again, &query);
                let theirs: Vec<_> = form_urlencoded::parse(&written.as_bytes()[1..]).into_owned().collect();
                let ours: Vec<_> = query.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
                prop_assert_eq!(theirs, ours);
            }
        }
    }
}
