//! A table for DataFusion made of a snapshot's segments and memory: no listing, no inference, and whatever the manifest
//! knows of a segment is used before its file is opened.

mod reader;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use parapet_store::{HourSlice, SEQ, Segment, TS};

use crate::table::Source;

pub(crate) use reader::Footers;

/// Names the object store that DataFusion insists on. It is empty: segments are read through [`Footers`] alone, so that no
/// path that a user can write ever reaches a file.
pub(crate) const NOWHERE: &str = "segments://store";

/// Some rows of one table: the segments and the memory of one or more hours.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    schema: SchemaRef,
    segments: Vec<Arc<Segment>>,
    memory: Vec<RecordBatch>,
    footers: Footers,
}

impl Rows {
    /// The rows of these hours, newest first.
    pub(crate) fn of(hours: Vec<HourSlice>, schema: SchemaRef, footers: Footers) -> Self {
        let mut rows = Self { schema, segments: Vec::new(), memory: Vec::new(), footers };
        for hour in hours {
            rows.segments.extend(hour.segments);
            rows.memory.extend(hour.memory);
        }
        // The newest file first: it tightens the threshold of a newest-first page for those after it.
        rows.segments.sort_unstable_by_key(|segment| std::cmp::Reverse((segment.ts_max, segment.seq_hi)));
        rows
    }

    /// Leaves out what holds no row above `seq`.
    pub(crate) fn above(mut self, seq: u64) -> Self {
        self.segments.retain(|segment| segment.seq_hi > seq);
        self.memory.retain(|batch| last_seq(batch) > seq);
        self
    }

    /// The highest row number in it; 0 if there are no rows.
    pub(crate) fn max_seq(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| segment.seq_hi);
        segments.chain(self.memory.iter().map(last_seq)).max().unwrap_or(0)
    }

    /// The segments that the filters leave possible by what the manifest says of them.
    fn prune(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<Arc<Segment>>> {
        let Some(predicate) = conjunction(filters.iter().cloned()) else { return Ok(self.segments.clone()) };
        let schema = DFSchema::try_from(self.schema.as_ref().clone())?;
        let predicate = state.create_physical_expr(predicate, &schema)?;
        let predicate =
            PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.schema)).try_build(predicate)?;
        let keep = predicate.prune(&Manifest(&self.segments))?;
        Ok(self
            .segments
            .iter()
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|(segment, _)| Arc::clone(segment))
            .collect())
    }

    fn scan_segments(
        &self,
        segments: Vec<Arc<Segment>>,
        partitions: usize,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_parquet_file_reader_factory(Arc::new(self.footers.clone()))
            .with_pushdown_filters(true)
            .with_reorder_filters(true);
        let groups = deal(segments.iter().map(|segment| self.file(segment)), partitions);
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(NOWHERE)?, Arc::new(source))
            .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn scan_memory(
        &self,
        partitions: usize,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = deal(self.memory.iter().cloned(), partitions);
        Ok(MemorySourceConfig::try_new_exec(&partitions, Arc::clone(&self.schema), projection.cloned())?)
    }

    fn file(&self, segment: &Arc<Segment>) -> PartitionedFile {
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = usize::try_from(segment.rows).map_or(Precision::Absent, Precision::Exact);
        for (column, min, max) in [
            (TS, micros(segment.ts_min), micros(segment.ts_max)),
            (SEQ, ScalarValue::UInt64(Some(segment.seq_lo)), ScalarValue::UInt64(Some(segment.seq_hi))),
        ] {
            if let Some((index, _)) = self.schema.column_with_name(column) {
                let column = &mut statistics.column_statistics[index];
                column.null_count = Precision::Exact(0);
                column.min_value = Precision::Exact(min);
                column.max_value = Precision::Exact(max);
            }
        }
        PartitionedFile::new(segment.id.to_string(), segment.bytes)
            .with_statistics(Arc::new(statistics))
            .with_extension(Arc::clone(segment))
    }
}

#[async_trait]
impl Source for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Leaves out segments here; the physical optimizer moves the conditions into the Parquet scan itself.
    async fn read(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        conditions: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = state.config_options().execution.target_partitions.max(1);
        let segments = self.prune(state, conditions)?;
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(2);
        if !segments.is_empty() {
            parts.push(self.scan_segments(segments, partitions, projection, limit)?);
        }
        if !self.memory.is_empty() {
            parts.push(self.scan_memory(partitions, projection)?);
        }
        match parts.len() {
            0 => {
                let schema = match projection {
                    Some(columns) => Arc::new(self.schema.project(columns)?),
                    None => Arc::clone(&self.schema),
                };
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            1 => Ok(parts.remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}

/// What the manifest knows of segments, as DataFusion asks for it.
struct Manifest<'a>(&'a [Arc<Segment>]);

impl Manifest<'_> {
    fn column(
        &self,
        column: &Column,
        ts: impl Fn(&Segment) -> i64,
        seq: impl Fn(&Segment) -> u64,
    ) -> Option<ArrayRef> {
        match column.name.as_str() {
            TS => {
                let values =
                    TimestampMicrosecondArray::from_iter_values(self.0.iter().map(|segment| ts(segment)));
                Some(Arc::new(values.with_timezone("UTC")))
            }
            SEQ => Some(Arc::new(UInt64Array::from_iter_values(self.0.iter().map(|segment| seq(segment))))),
            _ => None,
        }
    }
}

impl PruningStatistics for Manifest<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, |segment| segment.ts_min, |segment| segment.seq_lo)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, |segment| segment.ts_max, |segment| segment.seq_hi)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from_iter_values(self.0.iter().map(|segment| segment.rows))))
    }

    fn contained(
        &self,
        _column: &Column,
        _values: &std::collections::HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}

/// An instant as a value of a `ts` column.
pub(crate) fn micros(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}

/// Memory is in order of `seq`.
fn last_seq(batch: &RecordBatch) -> u64 {
    let column = batch.column_by_name(SEQ).and_then(|column| column.as_any().downcast_ref::<UInt64Array>());
    column.and_then(|column| column.iter().next_back().flatten()).unwrap_or(0)
}

/// Into at most `hands` lists in turn, none of them empty.
fn deal<T>(items: impl Iterator<Item = T>, hands: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<Vec<T>> = Vec::new();
    for (index, item) in items.enumerate() {
        match dealt.get_mut(index % hands) {
            Some(hand) => hand.push(item),
            None => dealt.push(vec![item]),
        }
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dealing_keeps_order_and_leaves_no_hand_empty() {
        assert_eq!(deal([1, 2, 3, 4, 5].into_iter(), 2), [vec![1, 3, 5], vec![2, 4]]);
        assert_eq!(deal([1].into_iter(), 4), [vec![1]]);
        assert!(deal(std::iter::empty::<u8>(), 4).is_empty());
    }
}
