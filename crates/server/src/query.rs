//! The parameters of a request's query string: each known, given once, and of the form that is expected.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use jiff::Timestamp;
use parapet_signal::UnixNanos;
use parapet_store::TimeRange;

use crate::app::Shared;
use crate::problem::{FieldError, Kind, Problem};
use crate::time;

/// What `from` is if it is not given, like the console's own default.
const DEFAULT_FROM: &str = "now-1h";

/// The parameters that nobody has asked for yet. A handler takes those it knows, then calls [`Parameters::finish`], which
/// refuses what is left: a misspelt filter must not answer with more rows than were meant.
#[derive(Debug)]
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
    now: Timestamp,
}

impl Parameters {
    fn new(given: Vec<(String, String)>, now: Timestamp) -> Self {
        Self { given, known: Vec::new(), errors: Vec::new(), now }
    }

    /// A text that is not empty. `service=` is as good as no `service`, so that forms can be submitted as they are.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut values = self.given.extract_if(.., |(given, _)| given == name);
        let first = values.next().map(|(_, value)| value);
        if values.count() > 0 {
            self.error(name, "given more than once");
        }
        first.filter(|value| !value.is_empty())
    }

    /// A value with a form of its own.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.checked(name, |text| parse(text).ok_or_else(|| format!("expected {expected}")))
    }

    /// A value that says itself what is wrong with it.
    pub(crate) fn checked<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|detail| self.error(name, detail)).ok()
    }

    /// A whole number in `range`.
    pub(crate) fn number<T>(&mut self, name: &'static str, range: std::ops::RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        self.parsed(name, &expected, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    /// `from` and `to`; the last hour if they are not given.
    pub(crate) fn range(&mut self) -> TimeRange {
        let now = self.now;
        let from = self.instant("from").or_else(|| time::parse(DEFAULT_FROM, now));
        let to = self.instant("to").or_else(|| time::parse("now", now));
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        if from >= to && self.errors.is_empty() {
            self.error("from", "expected to be before `to`");
        }
        TimeRange { from, to }
    }

    /// An instant.
    pub(crate) fn instant(&mut self, name: &'static str) -> Option<UnixNanos> {
        let now = self.now;
        self.parsed(name, time::EXPECTED, |text| time::parse(text, now))
    }

    /// Notes that `name` is wrong.
    pub(crate) fn error(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldError { name: name.to_owned(), detail: detail.into() });
    }

    /// Whether `name` was given and is wrong.
    pub(crate) fn is_wrong(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.name == name)
    }

    /// Whether everything that was given was known and well-formed.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let unknown = std::mem::take(&mut self.given);
        let expected = if self.known.is_empty() {
            String::from("unknown parameter; this takes none")
        } else {
            format!("unknown parameter; expected one of {}", self.known.join(", "))
        };
        for (name, _) in unknown.into_iter().take(MAX_ERRORS) {
            // Names come from strangers: shown, but not at any length.
            self.error(&name.chars().take(64).collect::<String>(), expected.clone());
        }
        let Some(first) = self.errors.first() else { return Ok(()) };
        let detail = format!("parameter `{}`: {}", first.name, first.detail);
        Err(Kind::InvalidParameter.because(detail).with_errors(self.errors))
    }
}

/// Unknown parameters that are named in one answer.
const MAX_ERRORS: usize = 8;

impl FromRequestParts<Shared> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Query(given) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Kind::InvalidParameter.because("the query string is not form-encoded"))?;
        Ok(Self::new(given, app.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        let uri: http::Uri = format!("/x?{query}").parse().unwrap();
        let Query(given) = Query::try_from_uri(&uri).unwrap();
        Parameters::new(given, "2026-11-21T12:00:00Z".parse().unwrap())
    }

    /// What a handler with a text `q`, a number `limit` and a range makes of `query`.
    fn check(query: &str, expect: &str) {
        let mut parameters = parameters(query);
        let range = parameters.range();
        let q = parameters.text("q");
        let limit = parameters.number("limit", 1..=1000);
        let got = match parameters.finish() {
            Ok(()) => format!("{}..{} {q:?} {limit:?}", range.from, range.to),
            Err(problem) => {
                let body = serde_json::to_value(format!("{problem:?}")).unwrap();
                body.as_str().unwrap().to_owned()
            }
        };
        assert!(got.contains(expect), "{query}: {got}");
    }

    #[test]
    fn known_parameters_are_taken() {
        check("", "2026-11-21T11:00:00Z..2026-11-21T12:00:00Z None None");
        check(
            "from=now-2h&to=now-1h&q=a+b%20c&limit=7",
            "10:00:00Z..2026-11-21T11:00:00Z Some(\"a b c\") Some(7)",
        );
        check("q=", "None None");
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        check("qq=1", "parameter `qq`: unknown parameter; expected one of from, to, q, limit");
        check("limit=0", "parameter `limit`: expected a number from 1 to 1000");
        check("limit=ten", "parameter `limit`: expected a number from 1 to 1000");
        check("q=1&q=2", "parameter `q`: given more than once");
        check("from=yesterday", "parameter `from`: expected an RFC 3339 time");
        check("from=now&to=now-1h", "parameter `from`: expected to be before `to`");
    }
}
