//! Sumo Logic's collection for Kubernetes: three pipelines that need nothing of each other, and what they take with them.
//!
//! Labels and ports are those of its chart since version 4 (`cluster` is the Helm release, `collection` if none is named):
//! telemetry goes on by OTLP over HTTP, and the metrics of each part are on 8888. The policies that its documentation
//! prints are of an earlier version and open other ports.

use super::{HTTPS, Kit, OTLP, OTLP_HTTP};
use crate::flows::{Flow, Party, WorkloadName};

/// The collectors' own metrics.
const OWN_METRICS: u16 = 8888;
/// Where Prometheus may write to, instead of being collected from.
const REMOTE_WRITE: u16 = 9888;

/// The release that the documentation installs.
const RELEASE: &str = "collection";

struct Collection<'k> {
    kit: &'k Kit<'k>,
    release: &'k str,
}

impl Collection<'_> {
    /// `app: RELEASE-sumologic-NAME`.
    fn app(&self, name: &str) -> Party {
        self.kit.here(&[("app", &format!("{}-sumologic-{name}", self.release))])
    }

    fn log_collector(&self) -> Party {
        let name = format!("{}-sumologic-otelcol-logs-collector", self.release);
        self.kit.here(&[("app.kubernetes.io/name", &name)])
    }

    fn metrics_collector(&self) -> Party {
        self.kit.here(&[("sumologic.com/app", "otelcol"), ("sumologic.com/component", "metrics")])
    }

    /// What adds metadata asks the API server, and sends on to the backend.
    fn enriches(&self, who: &Party, flows: &mut Vec<Flow>) {
        flows.push(self.kit.flow(who.clone(), Party::ApiServer, &[], "asks for metadata"));
        flows.push(self.kit.flow(who.clone(), Party::World, &[HTTPS], "sends to the backend"));
        self.is_watched(who, flows);
    }

    fn is_watched(&self, who: &Party, flows: &mut Vec<Flow>) {
        let reason = "its own metrics are collected";
        flows.push(self.kit.flow(self.metrics_collector(), who.clone(), &[OWN_METRICS], reason));
    }
}

fn collection<'k>(kit: &'k Kit<'k>) -> Collection<'k> {
    Collection { kit, release: kit.cluster.unwrap_or(RELEASE) }
}

pub(super) fn logs(kit: &Kit<'_>) -> Vec<Flow> {
    let this = collection(kit);
    let (agent, enrichment) = (this.log_collector(), this.app("otelcol-logs"));
    let mut flows = vec![kit.flow(agent.clone(), enrichment.clone(), &[OTLP_HTTP], "logs of the nodes")];
    this.is_watched(&agent, &mut flows);
    this.enriches(&enrichment, &mut flows);
    flows
}

pub(super) fn metrics(kit: &Kit<'_>) -> Vec<Flow> {
    let this = collection(kit);
    let (collector, enrichment) = (this.metrics_collector(), this.app("otelcol-metrics"));
    let allocator = kit.here(&[("app.kubernetes.io/component", "opentelemetry-targetallocator")]);
    let mut flows = vec![
        kit.flow(collector.clone(), allocator.clone(), &[8080], "which targets to collect from"),
        kit.flow(allocator, Party::ApiServer, &[], "finds the targets"),
        kit.flow(collector.clone(), enrichment.clone(), &[OTLP_HTTP], "metrics go on"),
        kit.flow(
            collector.clone(),
            kit.here(&[("app.kubernetes.io/name", "kube-state-metrics")]),
            &[8080],
            "the state of the cluster",
        ),
        kit.flow(collector, Party::Nodes, &[9100, 10250], "the nodes' exporters and kubelets"),
        kit.flow(kit.users_app("prometheus"), enrichment.clone(), &[REMOTE_WRITE], "remote write"),
    ];
    this.enriches(&enrichment, &mut flows);
    flows
}

pub(super) fn traces(kit: &Kit<'_>) -> Vec<Flow> {
    let this = collection(kit);
    let (receiver, gateway, sampler) =
        (this.app("otelcol-instrumentation"), this.app("traces-gateway"), this.app("traces-sampler"));
    let mut flows = vec![
        kit.flow(kit.users(&[]), receiver.clone(), &OTLP, "applications send spans"),
        kit.flow(receiver.clone(), gateway.clone(), &[OTLP_HTTP], "spans go on"),
        kit.flow(gateway.clone(), sampler.clone(), &[OTLP[0]], "all spans of a trace to one sampler"),
        kit.flow(sampler.clone(), Party::World, &[HTTPS], "sends to the backend"),
    ];
    this.enriches(&receiver, &mut flows);
    this.is_watched(&gateway, &mut flows);
    this.is_watched(&sampler, &mut flows);
    flows
}

pub(super) fn events(kit: &Kit<'_>) -> Vec<Flow> {
    let this = collection(kit);
    let mut flows = Vec::new();
    this.enriches(&this.app("otelcol-events"), &mut flows);
    flows
}

pub(super) fn setup(kit: &Kit<'_>) -> Vec<Flow> {
    let release = collection(kit).release;
    let job = Party::Workload(WorkloadName {
        namespace: kit.namespace.to_owned(),
        name: format!("{release}-sumologic-setup"),
        kind: Some("Job".to_owned()),
    });
    vec![
        kit.flow(job.clone(), Party::ApiServer, &[], "keeps the backend's credentials in a Secret"),
        kit.flow(job, Party::World, &[HTTPS], "makes the backend's collector and sources"),
    ]
}
