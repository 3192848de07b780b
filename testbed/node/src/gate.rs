//! The manifests, and source document 004 on them: metrics on loopback, and the gate as a container beside them.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Patch, PatchParams};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Report;
use crate::world::{MANAGER, SYSTEM, World, is_ready_after, last_exit};

const GATE: &str = "kube-rbac-proxy";
const SIDECAR: &str = "examples/secure-metrics/sidecar";
/// Of the operator's own, by a name that dashboards know.
const METRIC: &str = "controller_runtime_reconcile_total";

pub(crate) async fn checks(world: &World, report: &mut Report) -> Result<()> {
    world.apply("deploy/operator/crds.yaml").await?;
    world.apply("deploy/operator/operator.yaml").await?;
    world.pod_that("ready", |pod| is_ready_after(pod, MANAGER, 0)).await?;
    report.shown("the manifests install, and their probes pass");

    for file in ["config", "rbac", "service"] {
        world.apply(&format!("{SIDECAR}/{file}.yaml")).await?;
    }
    let patch: Value = serde_saphyr::from_str(&world.text(&format!("{SIDECAR}/statefulset-patch.yaml"))?)
        .context("the patch is no YAML")?;
    let sets = world.all::<StatefulSet>(SYSTEM);
    sets.patch("elastic-operator", &PatchParams::default(), &Patch::Strategic(&patch)).await?;
    let both = |pod: &Pod| is_ready_after(pod, MANAGER, 0) && is_ready_after(pod, GATE, 0);
    let pod = world.pod_that("both containers run", both).await?;
    report.shown("the gate runs beside the operator, under the name that existing manifests call it by");

    let service = world.all::<Service>(SYSTEM).get("elastic-operator-metrics").await?;
    let address = service.spec.and_then(|spec| spec.cluster_ip).context("the Service has no address")?;
    guards_metrics(world, &address).await?;
    report.shown("metrics through the Service: 401 without a token, 403 without the right, 200 with it");
    let own =
        pod.status.as_ref().and_then(|status| status.pod_ip.clone()).context("the pod has no address")?;
    let past = world.ask(&format!("http://{own}:8081/metrics"), None);
    ensure!(past.is_err(), "metrics are open past the gate: {past:?}");
    report.shown("past the gate nobody reaches them");

    let changed =
        world.text(&format!("{SIDECAR}/config.yaml"))?.replace("log-verbosity: 0", "log-verbosity: 1");
    world.cluster.apply(&changed, SYSTEM).await?;
    let pod = world.pod_that("started again", |pod| is_ready_after(pod, MANAGER, 1)).await?;
    ensure!(last_exit(&pod, MANAGER)? == 0, "it ended with {}", last_exit(&pod, MANAGER)?);
    ensure!(is_ready_after(&pod, GATE, 0), "the gate was restarted too");
    report.shown("a changed ConfigMap, as the kubelet mounts it, is a clean restart");

    let process =
        Pid::from_raw(world.process(&pod, MANAGER)?.cast_signed()).context("a process has an id")?;
    kill_process(process, Signal::KILL).context("failed to kill the operator")?;
    let pod = world.pod_that("started again", |pod| is_ready_after(pod, MANAGER, 2)).await?;
    ensure!(last_exit(&pod, MANAGER)? == 137, "it ended with {}", last_exit(&pod, MANAGER)?);
    guards_metrics(world, &address).await?;
    report.shown("killed, it is back, and so are its metrics");
    Ok(())
}

async fn guards_metrics(world: &World, address: &str) -> Result<()> {
    let url = &format!("https://{address}:8080/metrics");
    let accounts = "
apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus, namespace: monitoring}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: monitoring}
";
    world.cluster.apply(accounts, SYSTEM).await?;
    world.apply("examples/secure-metrics/prometheus/rbac.yaml").await?;
    world.served(address, 8080).await?;
    let (code, _) = world.ask(url, None)?;
    ensure!(code == 401, "without a token: {code}");
    let stranger = world.cluster.token("monitoring", "stranger", &[]).await?;
    let (code, _) = world.ask(url, Some(&stranger))?;
    ensure!(code == 403, "without the right: {code}");
    let reader = world.cluster.token("monitoring", "prometheus", &[]).await?;
    let (code, metrics) = world.ask(url, Some(&reader))?;
    ensure!(code == 200, "with the right: {code} {metrics}");
    ensure!(metrics.contains(METRIC), "these are not the operator's metrics:\n{metrics}");
    Ok(())
}
