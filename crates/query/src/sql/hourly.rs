//! `traffic_hourly`: the hourly rollups as a table. They are read when it is scanned, for the hours that the statement
//! asks for.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_plan::ExecutionPlan;
use parapet_signal::UnixNanos;
use parapet_store::{Snapshot, TimeRange, TrafficHour};

use crate::table::Source;

/// The table.
#[derive(Debug)]
pub(super) struct TrafficHourly {
    snapshot: Snapshot,
    schema: SchemaRef,
}

impl TrafficHourly {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, schema: columns(&[]).0 }
    }
}

#[async_trait]
impl Source for TrafficHourly {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn read(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        conditions: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (snapshot, range) = (self.snapshot.clone(), range(conditions));
        let hours = tokio::task::spawn_blocking(move || snapshot.traffic_hourly(&range)).await;
        let hours = hours.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let hours = hours.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let (schema, arrays) = columns(&hours);
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, projection.cloned())?)
    }
}

/// The hours that the conditions on `hour` leave, as far as they compare it with a constant.
fn range(filters: &[Expr]) -> TimeRange {
    let mut range = TimeRange::ALL;
    for filter in filters {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { continue };
        let (op, value) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) if column.name == "hour" => (Some(*op), value),
            (Expr::Literal(value, _), Expr::Column(column)) if column.name == "hour" => (op.swap(), value),
            _ => continue,
        };
        let ScalarValue::TimestampMicrosecond(Some(micros), _) = value else { continue };
        let (from, to) = (UnixNanos::from_micros(*micros), UnixNanos::from_micros(micros.saturating_add(1)));
        match op {
            Some(Operator::GtEq | Operator::Gt) => range.from = range.from.max(from),
            Some(Operator::LtEq | Operator::Lt) => range.to = range.to.min(to),
            Some(Operator::Eq) => range = TimeRange { from: range.from.max(from), to: range.to.min(to) },
            _ => {}
        }
    }
    range
}

fn columns(hours: &[TrafficHour]) -> (SchemaRef, Vec<ArrayRef>) {
    let text = |value: fn(&TrafficHour) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(hours.iter().map(value)))
    };
    let number = |value: fn(&TrafficHour) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(hours.iter().map(value)))
    };
    let count = |value: fn(&TrafficHour) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(hours.iter().map(value)))
    };
    let quantile = |at: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter(hours.iter().map(|hour| hour.duration_sketch.quantile(at))))
    };
    let starts = hours.iter().map(|hour| hour.key.hour.start().micros());
    let starts = TimestampMicrosecondArray::from_iter_values(starts).with_timezone("UTC");
    let statuses = Int32Array::from_iter(hours.iter().map(|hour| hour.key.http_status));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("hour", Arc::new(starts)),
        ("kind", text(|hour| Some(&hour.key.kind))),
        ("gateway_name", text(|hour| hour.key.gateway_name.as_deref())),
        ("gateway_region", text(|hour| hour.key.gateway_region.as_deref())),
        ("service", text(|hour| hour.key.service.as_deref())),
        ("operation", text(|hour| hour.key.operation.as_deref())),
        ("app", text(|hour| hour.key.app.as_deref())),
        ("app_org", text(|hour| hour.key.app_org.as_deref())),
        ("final_status", text(|hour| hour.key.final_status.as_deref())),
        ("http_status", Arc::new(statuses)),
        ("count", count(|hour| hour.count)),
        ("duration_count", count(|hour| hour.duration_count)),
        ("duration_sum_ms", number(|hour| Some(hour.duration_sum_ms))),
        ("duration_min_ms", number(|hour| hour.duration_min_ms)),
        ("duration_max_ms", number(|hour| hour.duration_max_ms)),
        ("duration_p50_ms", quantile(0.5)),
        ("duration_p95_ms", quantile(0.95)),
        ("duration_p99_ms", quantile(0.99)),
        ("bytes_sent", number(|hour| Some(hour.bytes_sent))),
        ("bytes_received", number(|hour| Some(hour.bytes_received))),
    ];
    let field = |name: &str, array: &ArrayRef| {
        let is_hour = matches!(array.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _));
        Field::new(name, array.data_type().clone(), !is_hour)
    };
    let fields: Vec<_> = columns.iter().map(|(name, array)| field(name, array)).collect();
    (Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
}
