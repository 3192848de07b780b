//! Questions to the store: newest-first pages, histograms, overviews, series, and SQL, each within limits.
//!
//! It does not know HTTP, users or how rows came into the store; DataFusion is behind this crate and nowhere else.

mod cells;
mod cursor;
mod engine;
mod error;
mod filter;
mod logs;
mod metrics;
mod page;
mod scan;
mod series;
mod session;
mod sql;
mod table;
mod time;
mod traces;
mod traffic;

pub use engine::{Config, Engine};
pub use error::{Blame, QueryError};
pub use filter::{Filter, Literal};
pub use logs::{FieldValue, FieldValues, FollowPage, Histogram, HistogramBucket, LogField, LogQuery, LogRow};
pub use metrics::Metrics;
pub use page::Page;
pub use parapet_store::TimeRange;
pub use series::{MetricName, MetricNames, MetricNamesQuery, MetricSeries, MetricSeriesQuery, Series};
pub use sql::{SqlColumn, SqlLimits, SqlResult};
pub use traces::{SpanRow, Trace, TraceQuery, TraceRow};
pub use traffic::{
    StatusCount, TopRow, TrafficBucket, TrafficLeg, TrafficOverview, TrafficOverviewQuery,
    TrafficPercentiles, TrafficQuery, TrafficRow, TrafficSource, TrafficSummary, TrafficTotals,
    TrafficTransaction,
};
