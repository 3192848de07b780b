//! SQL: one read-only statement over the store's tables, within limits.
//!
//! It cannot write or read files, by four locks: the statement's kind is checked after parsing ([`guard`]), the plan is
//! checked for the same, no function that opens anything is registered, and the only object store is an empty one.

pub(crate) mod functions;
mod growth;
mod guard;
mod hourly;
mod values;

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use parapet_signal::Signal;
use parapet_store::TimeRange;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::metrics::Operation;
use crate::session::Session;
use crate::table::Table;
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

/// Rows unless more are asked for: what a screen scrolls through.
const DEFAULT_ROWS: usize = 1_000;

/// Bytes of rows that one result holds; beyond it is cut like at the row limit.
const MAX_RESULT_BYTES: usize = 64 << 20;

/// Nodes of a plan. A table expression that refers twice to one before doubles the plan; thirty of them would double it
/// past any memory before anything runs.
const MAX_PLAN_NODES: usize = 1_000;

impl Engine {
    /// Runs one `SELECT`, `WITH` or `EXPLAIN` over `logs`, `spans`, `metrics`, `traffic` and `traffic_hourly`.
    pub async fn sql(&self, query: &str, limits: SqlLimits) -> Result<SqlResult, QueryError> {
        let started = Instant::now();
        let most = limits.max_rows.unwrap_or(DEFAULT_ROWS).min(self.config().max_rows);
        let timeout = limits.timeout.unwrap_or(self.config().timeout);
        self.run_within(Operation::Sql, timeout, async |session| {
            let query = query.to_owned();
            let (batches, schema) = session.in_time(run(&session, query, most)).await??;
            let mut rows = Vec::new();
            for batch in &batches {
                values::append(batch, &mut rows).map_err(QueryError::of_theirs)?;
            }
            let columns = schema.fields().iter().map(|field| SqlColumn {
                name: field.name().clone(),
                data_type: field.data_type().to_string(),
            });
            let truncated = rows.len() > most || bytes(&batches) > MAX_RESULT_BYTES;
            rows.truncate(most);
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(SqlResult { columns: columns.collect(), rows, truncated, elapsed_ms })
        })
        .await
    }
}

/// The rows, one more than `most` if there are more.
async fn run(
    session: &Session,
    query: String,
    most: usize,
) -> Result<(Vec<RecordBatch>, arrow::datatypes::SchemaRef), QueryError> {
    let statement = guard::parse(&query)?;
    register(session)?;
    let pool = Arc::clone(&session.ctx.runtime_env().memory_pool);
    session.ctx.add_analyzer_rule(Arc::new(growth::CountGrowth::new(pool)));
    let state = session.ctx.state();
    let plan = state.statement_to_plan(statement).await.map_err(QueryError::of_theirs)?;
    check(&plan)?;
    let is_explanation = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let mut query = DataFrame::new(state, plan);
    if !is_explanation {
        query = query.limit(0, Some(most + 1)).map_err(QueryError::of_theirs)?;
    }
    let mut stream = query.execute_stream().await.map_err(QueryError::of_theirs)?;
    let mut batches = Vec::new();
    let mut rows = 0;
    while rows <= most
        && bytes(&batches) <= MAX_RESULT_BYTES
        && let Some(batch) = stream.next().await
    {
        let batch = batch.map_err(QueryError::of_theirs)?;
        rows += batch.num_rows();
        batches.push(batch);
    }
    Ok((batches, stream.schema()))
}

/// Makes the tables known by name.
fn register(session: &Session) -> Result<(), QueryError> {
    for signal in Signal::ALL {
        let rows = session.rows(signal, session.snapshot.hours(signal, &TimeRange::ALL));
        session.ctx.register_table(signal.name(), Arc::new(Table(rows))).map_err(QueryError::of_ours)?;
    }
    let hourly = hourly::TrafficHourly::new(session.snapshot.clone());
    session.ctx.register_table("traffic_hourly", Arc::new(Table(hourly))).map_err(QueryError::of_ours)?;
    Ok(())
}

fn check(plan: &LogicalPlan) -> Result<(), QueryError> {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(plan)
        .map_err(|error| QueryError::Forbidden(error.strip_backtrace()))?;
    let mut nodes = 0;
    let counted = plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > MAX_PLAN_NODES { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    counted.map_err(QueryError::of_ours)?;
    if nodes > MAX_PLAN_NODES {
        return Err(QueryError::TooExpensive(
            "the statement is too large once its table expressions are filled in".into(),
        ));
    }
    Ok(())
}

fn bytes(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::get_array_memory_size).sum()
}
