//! Parameters that several routes have.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use parapet_query::Filter;
use parapet_signal::Signal;
use parapet_store::TimeRange;
use utoipa::IntoParams;

use crate::app::Shared;
use crate::problem::{Kind, Problem};
use crate::query::Parameters;

/// Rows of a page at most, and by default.
const MAX_LIMIT: usize = 1000;
const DEFAULT_LIMIT: usize = 100;
/// Buckets at most, and by default: more than a chart has pixels for, and a readable chart.
const MAX_BUCKETS: usize = 1000;
const DEFAULT_BUCKETS: usize = 60;

/// Bytes of a filter's JSON at most: with the rest of the request's head it has to fit what clients and proxies pass on.
const MAX_FILTER: usize = 8 * 1024;
/// Characters of what the parser says about a filter; it repeats what it does not know, at any length.
const MAX_SAID: usize = 200;

/// When.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what Parameters::range takes")]
pub(super) struct Range {
    /// First instant: RFC 3339, or relative such as `now-15m`. `now-1h` if not given.
    #[param(example = "now-15m")]
    from: Option<String>,
    /// First instant after it. `now` if not given.
    #[param(example = "now")]
    to: Option<String>,
}

impl Range {
    pub(super) fn take(parameters: &mut Parameters) -> TimeRange {
        parameters.range()
    }
}

/// Which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Rows at most; 100 if not given.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000)]
    pub(super) limit: usize,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

impl Paging {
    pub(super) fn take(parameters: &mut Parameters) -> Self {
        Self {
            limit: parameters.number("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
            cursor: parameters.text("cursor"),
        }
    }
}

/// How many at most.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Limit {
    /// Values at most; 100 if not given.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000)]
    pub(super) limit: usize,
}

impl Limit {
    pub(super) fn take(parameters: &mut Parameters) -> Self {
        Self { limit: parameters.number("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT) }
    }
}

/// How fine.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Buckets {
    /// About how many intervals; 60 if not given.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000)]
    pub(super) buckets: usize,
}

impl Buckets {
    pub(super) fn take(parameters: &mut Parameters) -> Self {
        Self { buckets: parameters.number("buckets", 1..=MAX_BUCKETS).unwrap_or(DEFAULT_BUCKETS) }
    }
}

/// A segment of the path.
pub(super) struct Segment(pub(super) String);

impl FromRequestParts<Shared> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path(text) = Path::from_request_parts(parts, app)
            .await
            .map_err(|_| Kind::NotFound.because("the path is not percent-encoded UTF-8"))?;
        Ok(Self(text))
    }
}

/// `filter`: any other condition on rows of that signal.
pub(super) fn filter(parameters: &mut Parameters, signal: Signal) -> Option<Filter> {
    parameters.checked("filter", |text| parse_filter(text, signal))
}

fn parse_filter(text: &str, signal: Signal) -> Result<Filter, String> {
    if text.len() > MAX_FILTER {
        return Err(format!("expected {MAX_FILTER} bytes at most"));
    }
    let filter: Filter = serde_json::from_str(text).map_err(|error| {
        let said: String = error.to_string().chars().take(MAX_SAID).collect();
        format!(r#"expected JSON such as {{"eq":{{"field":"service_name","value":"shop"}}}}: {said}"#)
    })?;
    filter.check(signal).map_err(|error| error.to_string())?;
    Ok(filter)
}
