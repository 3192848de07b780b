//! The search box: words that must all be there, `"phrases"`, and `-words` that must not.

use datafusion::logical_expr::Expr;

use super::{all, bounded, contains};
use crate::QueryError;

/// More words than anyone types; each is a pass over the text.
const MAX_WORDS: usize = 20;

/// One condition of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    text: String,
    wanted: bool,
}

/// What the text asks for of `expr`: each word or phrase somewhere in it, in any case, and no word with a minus before it.
pub(crate) fn words(text: &str, expr: &Expr) -> Result<Expr, QueryError> {
    let words = parse(bounded(text)?);
    if words.len() > MAX_WORDS {
        return Err(QueryError::BadRequest(format!("a search has at most {MAX_WORDS} words")));
    }
    Ok(all(words.into_iter().map(|word| {
        let found = contains(expr.clone(), &word.text);
        if word.wanted { found } else { found.is_not_true() }
    })))
}

/// A quote that is never closed reaches to the end; a lone minus and empty quotes ask for nothing.
fn parse(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (wanted, after_sign) = match rest.strip_prefix('-') {
            Some(after) => (false, after),
            None => (true, rest),
        };
        let (word, after) = match after_sign.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after_sign.split_at(after_sign.find(char::is_whitespace).unwrap_or(after_sign.len())),
        };
        if !word.is_empty() {
            words.push(Word { text: word.to_owned(), wanted });
        }
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::ident;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_phrases_and_negations() {
        #[track_caller]
        fn check(text: &str, expect: &[&str]) {
            let words: Vec<_> = parse(text)
                .into_iter()
                .map(|word| (if word.wanted { "+" } else { "-" }).to_owned() + &word.text)
                .collect();
            assert_eq!(words, expect, "{text}");
        }
        check("  time  out ", &["+time", "+out"]);
        check(r#""time out" x"#, &["+time out", "+x"]);
        check(r#"-debug -"health check""#, &["-debug", "-health check"]);
        check(r#"a-b "open end"#, &["+a-b", "+open end"]);
        check(r#"- "" -"" x"y"#, &[r#"+x"y"#]);
        check(r#""a""b""#, &["+a", "+b"]);
        check("", &[]);
    }

    #[test]
    fn a_search_is_bounded() {
        assert!(words(&"w ".repeat(21), &ident("body")).is_err());
        assert!(words(&"x".repeat(5_000), &ident("body")).is_err());
    }

    proptest! {
        #[test]
        fn no_search_makes_it_panic(text in ".{0,60}") {
            let _ = words(&text, &ident("body"));
        }
    }
}
