//! Globs as Go's `path.Match` reads them, for `--krp-compat`: `*` and `?` never match a slash, `[a-c]` and `[^a-c]` are
//! classes, a backslash takes the next character as it is.
//!
//! One difference: a class never matches a slash either, so what matches here matches there, but not always the reverse.

/// A glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathMatch(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Run,
    Any,
    One(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl PathMatch {
    /// None if `path.Match` would call it a bad pattern.
    pub(super) fn parse(pattern: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = pattern.chars();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '*' => Token::Run,
                '?' => Token::Any,
                '\\' => Token::One(rest.next()?),
                '[' => class(&mut rest)?,
                other => Token::One(other),
            });
        }
        Some(Self(tokens))
    }

    /// Whether all of `text` matches. Takes at most characters × tokens steps.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // reached[n]: the tokens so far can match exactly the first n characters.
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for token in &self.0 {
            let mut next = vec![false; text.len() + 1];
            next[0] = reached[0] && *token == Token::Run;
            for (n, &character) in text.iter().enumerate() {
                next[n + 1] = match token {
                    Token::Run => reached[n + 1] || (next[n] && character != '/'),
                    one => reached[n] && one.is(character),
                };
            }
            reached = next;
        }
        reached[text.len()]
    }
}

impl Token {
    fn is(&self, character: char) -> bool {
        match self {
            Self::Run => false,
            Self::Any => character != '/',
            Self::One(one) => character == *one,
            Self::Class { negated, ranges } => {
                let within = ranges.iter().any(|&(low, high)| (low..=high).contains(&character));
                character != '/' && within != *negated
            }
        }
    }
}

/// What follows `[`.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.as_str().starts_with(']') {
            rest.next();
            return Some(Token::Class { negated, ranges });
        }
        let low = member(rest)?;
        let high = if rest.as_str().starts_with('-') {
            rest.next();
            member(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

/// One end of a range.
fn member(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        PathMatch::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn as_the_reference_reads_them() {
        for (pattern, text, expected) in [
            ("/api/v1/*", "/api/v1/x", true),
            ("/api/v1/*", "/api/v1/", true),
            ("/api/v1/*", "/api/v1", false),
            ("/api/v1/*", "/api/v1/a/b", false),
            ("/*", "/", true),
            ("/**", "/a", true),
            ("/**", "/a/b", false),
            ("/api/v1/label/*/values", "/api/v1/label/job/values", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/a/c", false),
            ("/[a-c]", "/b", true),
            ("/[^a-c]", "/b", false),
            ("/[^a-c]", "//", false),
            ("/[\\]]", "/]", true),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("/metrics", "/METRICS", false),
            ("/metrics", "/metrics/", false),
            ("*é", "ñé", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn bad_patterns() {
        for pattern in ["[]a]", "[", "[a", "[a-", "[a-]", "\\", "[-a]", "[^]", "a[b\\"] {
            assert_eq!(PathMatch::parse(pattern), None, "{pattern}");
        }
    }

    /// The oracle: tries everything, on the pattern's own text. For patterns without classes.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => {
                naive(rest, text)
                    || text.split_first().is_some_and(|(&c, left)| c != '/' && naive(pattern, left))
            }
            ['?', rest @ ..] => text.split_first().is_some_and(|(&c, left)| c != '/' && naive(rest, left)),
            ['\\', one, rest @ ..] => {
                text.split_first().is_some_and(|(c, left)| c == one && naive(rest, left))
            }
            [one, rest @ ..] => text.split_first().is_some_and(|(c, left)| c == one && naive(rest, left)),
        }
    }

    proptest! {
        #[test]
        fn matches_what_trying_everything_matches(
            pattern in prop::collection::vec(prop_oneof![Just("*"), Just("?"), Just("/"), Just("a"), Just("b"), Just("\\*")], 0..8),
            text in "[ab/*]{0,8}",
        ) {
            let pattern = pattern.concat();
            let (p, t): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), naive(&p, &t), "{} {}", pattern, text);
        }

        #[test]
        fn no_pattern_is_a_panic(pattern in "[\\[\\]^*?a\\\\/é-]{0,10}", text in "[a/é-]{0,10}") {
            if let Some(glob) = PathMatch::parse(&pattern) {
                glob.matches(&text);
            }
        }
    }
}
