//! What each of our tables is to DataFusion: rows to read and nothing else. Conditions help it to leave out what cannot
//! match; DataFusion checks every row that is left, so a table never has to be exact.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// Rows that can be read.
#[async_trait]
pub(crate) trait Source: Debug + Send + Sync + 'static {
    fn schema(&self) -> SchemaRef;

    /// The columns of `projection`, of at least the rows that meet the conditions.
    async fn read(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        conditions: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>>;
}

/// A source as a table.
#[derive(Debug)]
pub(crate) struct Table<S>(pub(crate) S);

#[async_trait]
impl<S: Source> TableProvider for Table<S> {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.read(state, projection, filters, limit).await
    }
}
