//! Read-only SQL.

use std::time::Duration;

use axum::extract::State;
use parapet_query::{SqlLimits, SqlResult};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::Json;
use crate::openapi::{BodyRefusals, Refusals};
use crate::problem::{FieldError, Kind, Problem};
use crate::query::Parameters;

/// Rows at most, and by default.
const MAX_ROWS: usize = 10_000;
const DEFAULT_ROWS: usize = 1000;
/// The engine's own limit is lower; past this a client has confused its units.
const MAX_TIMEOUT_MS: u64 = 60_000;

/// A statement.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement {
    /// One SELECT, WITH or EXPLAIN over logs, spans, metrics, traffic and traffic_hourly.
    #[schema(example = "SELECT service_name, count(*) FROM logs GROUP BY 1 ORDER BY 2 DESC LIMIT 10")]
    query: String,
    /// Rows at most; 1000 if not given. The rest is cut and `truncated` set.
    #[schema(minimum = 1, maximum = 10_000)]
    max_rows: Option<usize>,
    /// How long it may take; the server has a limit of its own.
    #[schema(minimum = 1, maximum = 60_000)]
    timeout_ms: Option<u64>,
}

/// Run a query
#[utoipa::path(
    post, path = "/sql", tag = "sql", request_body = Statement, security(("session" = []), ("token" = ["read"])),
    responses(
        (status = 200, body = SqlResult),
        (status = 422, description = "The statement exceeds its limits of time, memory or size.", body = crate::problem::Document, content_type = "application/problem+json"),
        Refusals, BodyRefusals
    )
)]
pub(super) async fn run(
    State(app): State<Shared>,
    parameters: Parameters,
    Json(Statement { query, max_rows, timeout_ms }): Json<Statement>,
) -> Result<axum::Json<SqlResult>, Problem> {
    parameters.finish()?;
    let mut errors = Vec::new();
    if max_rows.is_some_and(|rows| !(1..=MAX_ROWS).contains(&rows)) {
        errors.push(wrong("max_rows", format!("expected a number from 1 to {MAX_ROWS}")));
    }
    if timeout_ms.is_some_and(|timeout| !(1..=MAX_TIMEOUT_MS).contains(&timeout)) {
        errors.push(wrong("timeout_ms", format!("expected a number from 1 to {MAX_TIMEOUT_MS}")));
    }
    if let Some(first) = errors.first() {
        return Err(Kind::InvalidBody
            .because(format!("`{}`: {}", first.name, first.detail))
            .with_errors(errors));
    }
    let limits = SqlLimits {
        max_rows: Some(max_rows.unwrap_or(DEFAULT_ROWS)),
        timeout: timeout_ms.map(Duration::from_millis),
    };
    Ok(axum::Json(app.state.engine.sql(&query, limits).await?))
}

fn wrong(name: &str, detail: String) -> FieldError {
    FieldError { name: name.to_owned(), detail }
}
