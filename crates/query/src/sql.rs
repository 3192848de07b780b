//! SQL: one read-only statement, within limits.

pub(crate) mod functions;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Engine, QueryError};

/// Limits of one statement; those of the engine's `Config` hold as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqlLimits {
    /// The most rows to return; the rest is cut and `truncated` set.
    pub max_rows: Option<usize>,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// What a statement returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlResult {
    /// The columns.
    pub columns: Vec<SqlColumn>,
    /// The rows: a value a column. Times are RFC 3339 texts.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Whether there were more rows.
    pub truncated: bool,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    pub data_type: String,
}

impl Engine {
    /// Runs one `SELECT`, `WITH` or `EXPLAIN` over `logs`, `spans`, `metrics`, `traffic` and `traffic_hourly`.
    pub async fn sql(&self, query: &str, limits: SqlLimits) -> Result<SqlResult, QueryError> {
        let _ = (query, limits);
        Err(QueryError::BadRequest("not answered yet".into()))
    }
}
