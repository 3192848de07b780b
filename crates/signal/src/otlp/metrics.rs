//! Metric points.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric as ProtoMetric, ResourceMetrics, ScopeMetrics};

use super::{Decoded, Rejected, common};
use crate::{Batch, Grouped, Metric, Point, UnixNanos};

mod decode;
mod encode;

/// The request's points, one record each. A metric whose kind is unknown has no points that could be read.
pub fn decode(request: ExportMetricsServiceRequest, now: UnixNanos) -> Decoded {
    let mut groups = Vec::new();
    let mut rejected = Rejected::default();
    for ResourceMetrics { resource, scope_metrics, .. } in request.resource_metrics {
        let resource = common::resource(resource);
        for ScopeMetrics { scope, metrics, .. } in scope_metrics {
            let (resource, scope) = match (resource.clone(), common::scope(scope)) {
                (Ok(resource), Ok(scope)) => (resource, scope),
                (Err(defect), _) | (_, Err(defect)) => {
                    rejected.add(defect, metrics.iter().map(decode::count).sum());
                    continue;
                }
            };
            let mut records = Vec::new();
            for metric in metrics {
                decode::points(metric, now, &mut records, &mut rejected);
            }
            if !records.is_empty() {
                groups.push(Grouped { resource, scope, records });
            }
        }
    }
    Decoded { batch: Batch::Metrics(groups), rejected }
}

/// The request that exports these points; neighbouring points of one metric share its message.
pub fn encode(groups: &[Grouped<Point>]) -> ExportMetricsServiceRequest {
    let resource_metrics = common::runs(groups)
        .into_iter()
        .map(|(resource, run)| ResourceMetrics {
            resource: common::proto_resource(resource),
            scope_metrics: run
                .into_iter()
                .map(|group| ScopeMetrics {
                    scope: common::proto_scope(&group.scope),
                    metrics: metrics(&group.records),
                    ..ScopeMetrics::default()
                })
                .collect(),
            ..ResourceMetrics::default()
        })
        .collect();
    ExportMetricsServiceRequest { resource_metrics }
}

fn metrics(points: &[Point]) -> Vec<ProtoMetric> {
    fn same(a: &Arc<Metric>, b: &Arc<Metric>) -> bool {
        Arc::ptr_eq(a, b) || a == b
    }
    points.chunk_by(|a, b| same(&a.metric, &b.metric)).map(encode::metric).collect()
}
