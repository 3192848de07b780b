//! Parameters that several routes have.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
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
