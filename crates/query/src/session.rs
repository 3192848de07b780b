//! One query's surroundings: a snapshot, a memory pool of its own, a deadline, and DataFusion set up so that no file and
//! no setting can be reached through it.

use std::future::Future;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider,
};
use datafusion::common::Result as PlanResult;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry, ObjectStoreUrl};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, cast};
use datafusion::object_store::memory::InMemory;
use datafusion::prelude::{SessionConfig, SessionContext, ident, lit};
use parapet_signal::Signal;
use parapet_store::{HourSlice, Snapshot, TS, schema};
use tokio::time::{Instant, timeout_at};

use crate::QueryError;
use crate::scan::{Footers, NOWHERE, Rows, micros};
use crate::sql::functions;
use crate::table::Table;
use crate::time::{Buckets, Micros};

/// The full names of tables are `store.public.logs` and so on.
const CATALOG: &str = "store";
const SCHEMA: &str = "public";

/// Functions, rules and settings of every query.
pub(crate) fn prototype(partitions: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions.max(1))
        .with_information_schema(true)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.time_zone = Some("UTC".into());
    let builder = SessionStateBuilder::new().with_config(config).with_default_features();
    functions::register(builder).build()
}

/// One query's surroundings.
pub(crate) struct Session {
    pub(crate) ctx: SessionContext,
    pub(crate) snapshot: Snapshot,
    pub(crate) deadline: Instant,
    footers: Footers,
}

impl Session {
    pub(crate) fn new(
        prototype: &SessionState,
        memory_bytes: usize,
        snapshot: Snapshot,
        footers: Footers,
        deadline: Instant,
    ) -> Result<Self, QueryError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_bytes)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .with_object_store_registry(nowhere().map_err(QueryError::of_ours)?)
            .build_arc()
            .map_err(QueryError::of_ours)?;
        let state = SessionStateBuilder::new_from_existing(prototype.clone())
            .with_runtime_env(runtime)
            .with_catalog_list(catalog().map_err(QueryError::of_ours)?)
            .build();
        Ok(Self { ctx: SessionContext::new_with_state(state), snapshot, deadline, footers })
    }

    /// The rows of some hours as a table.
    pub(crate) fn rows(&self, signal: Signal, hours: Vec<HourSlice>) -> Rows {
        Rows::of(hours, schema(signal), self.footers.clone())
    }

    /// A table to build a query on.
    pub(crate) fn table(&self, rows: Rows) -> Result<DataFrame, QueryError> {
        self.ctx.read_table(Arc::new(Table(rows))).map_err(QueryError::of_ours)
    }

    /// The rows of a range, and no others.
    pub(crate) fn range(&self, signal: Signal, range: Micros) -> Result<DataFrame, QueryError> {
        let hours = self.snapshot.hours(signal, &range.range());
        self.table(self.rows(signal, hours))?.filter(within(range)).map_err(QueryError::of_ours)
    }

    /// Runs a query that we built.
    pub(crate) async fn collect(&self, query: DataFrame) -> Result<Vec<RecordBatch>, QueryError> {
        self.in_time(query.collect()).await?.map_err(QueryError::of_ours)
    }

    /// Waits no longer than the deadline.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, QueryError> {
        timeout_at(self.deadline, work).await.map_err(|_| {
            QueryError::TooExpensive(
                "the query took longer than it may; narrow its time range or filter more".into(),
            )
        })
    }

    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

/// `ts` is in the range.
pub(crate) fn within(range: Micros) -> Expr {
    ident(TS).gt_eq(lit(micros(range.from))).and(ident(TS).lt(lit(micros(range.to))))
}

/// The number of the bucket that `ts` is in, as `bucket`; negative before the first.
pub(crate) fn bucket(buckets: &Buckets) -> Expr {
    // Integer division cuts towards zero: counted from a bucket that is early enough, nothing is negative.
    let early = buckets.start.saturating_sub(buckets.width.saturating_mul(EARLIER_BUCKETS));
    let since = cast(ident(TS), DataType::Int64) - lit(early);
    (since / lit(buckets.width) - lit(EARLIER_BUCKETS)).alias("bucket")
}

/// More than anyone looks back before a range, in its narrowest buckets of a second.
const EARLIER_BUCKETS: i64 = 1_000;

/// Tables of one query: the prototype's would be shared by all, and with them one query's snapshot.
fn catalog() -> PlanResult<Arc<dyn CatalogProviderList>> {
    let store = MemoryCatalogProvider::new();
    store.register_schema(SCHEMA, Arc::new(MemorySchemaProvider::new()))?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.into(), Arc::new(store));
    Ok(Arc::new(catalogs))
}

/// Where DataFusion looks for object stores: one that is empty, under a name that no file has, and no file system.
fn nowhere() -> PlanResult<Arc<dyn ObjectStoreRegistry>> {
    let registry = DefaultObjectStoreRegistry::new();
    registry.deregister_store(ObjectStoreUrl::local_filesystem().as_ref())?;
    registry.register_store(ObjectStoreUrl::parse(NOWHERE)?.as_ref(), Arc::new(InMemory::new()));
    Ok(Arc::new(registry))
}
