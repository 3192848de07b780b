//! Installed by Helm where only what is locked down may run: probes, mounts, the webhook, an end that leaves what users made.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait;
use rustix::process::{Pid, Signal, kill_process};

use crate::Report;
use crate::world::{LOOK_AGAIN, MANAGER, POD, SYSTEM, World, container_of, is_ready_after};

/// Where users have their Elasticsearch.
const APPLICATIONS: &str = "applications";
/// The strictest of the Pod Security Standards, enforced by the API server.
const RESTRICTED: &str = "
apiVersion: v1
kind: Namespace
metadata:
  name: elastic-system
  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/enforce-version: latest}
";
/// A webhook that can't be asked lets nobody in, and a hanging operator is found in seconds instead of minutes.
const VALUES: [&str; 4] = [
    "--set=webhook.failurePolicy=Fail",
    "--set=probes.startup.periodSeconds=1,probes.startup.failureThreshold=120",
    "--set=probes.readiness.periodSeconds=1",
    "--set=probes.liveness.periodSeconds=2,probes.liveness.failureThreshold=3",
];

pub(crate) async fn checks(world: &World, report: &mut Report) -> Result<()> {
    world.cluster.apply(RESTRICTED, SYSTEM).await?;
    world.cluster.namespace(APPLICATIONS).await?;
    let namespace = format!("--namespace={SYSTEM}");
    let install = ["install", "elastic-operator", "charts/parapet-operator", &namespace, "--wait"];
    world.helm(&[&install[..], &["--timeout=300s"], &VALUES].concat())?;
    let pod = world.pod_that("ready", |pod| is_ready_after(pod, MANAGER, 0)).await?;
    report.shown("the chart installs, and its probes pass, under the restricted standard");

    is_locked_down(world, &pod)?;
    report.shown("the operator is nobody, may gain nothing, and writes to nothing");

    refuses_what_is_wrong(world).await?;
    report.shown("the API server asks the webhook through its Service, and it refuses");

    world.cluster.apply(&world.text("examples/elastic/elasticsearch.yaml")?, APPLICATIONS).await?;
    world.object::<StatefulSet>(APPLICATIONS, "elastic-istio-es-default").await?;
    world.object::<Secret>(APPLICATIONS, "elastic-istio-es-elastic-user").await?;
    world.object::<Service>(APPLICATIONS, "elastic-istio-es-http").await?;
    report.shown("an Elasticsearch is accepted, and its objects are made with the token of the pod");

    let process =
        Pid::from_raw(world.process(&pod, MANAGER)?.cast_signed()).context("a process has an id")?;
    kill_process(process, Signal::STOP).context("failed to stop the operator")?;
    world.pod_that("started again after it hung", |pod| is_ready_after(pod, MANAGER, 1)).await?;
    report.shown("an operator that hangs is started again, and is ready again");

    // The kubelet says how a container ended before it lets its pod go, which is soon: whoever looks later sees nothing.
    let last = tokio::spawn(wait::await_condition(world.all::<Pod>(SYSTEM), POD, |pod: Option<&Pod>| {
        pod.is_none_or(|pod| exit_code(pod).is_some())
    }));
    world.helm(&["uninstall", "elastic-operator", &namespace, "--wait", "--timeout=300s"])?;
    let last = last.await.context("nobody waited")?.context("failed to wait for the end")?;
    let code = last.as_ref().and_then(exit_code).context("nobody said how it ended")?;
    ensure!(code == 0, "it ended with {code}");
    let kept = world.all::<StatefulSet>(APPLICATIONS).get("elastic-istio-es-default").await;
    kept.context("the Elasticsearch went with its operator")?;
    ensure!(elasticsearches(world).get_opt("elastic-istio").await?.is_some(), "the definition went");
    report.shown("uninstalled, it ends when it is asked to, and what users made stays");
    Ok(())
}

/// How the operator's container ended, if it has.
fn exit_code(pod: &Pod) -> Option<i32> {
    Some(container_of(pod, MANAGER)?.state.as_ref()?.terminated.as_ref()?.exit_code)
}

/// From the kernel's own account of the process.
fn is_locked_down(world: &World, pod: &Pod) -> Result<()> {
    let process = world.process(pod, MANAGER)?;
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).context("failed to read its status")?;
    let field = |name: &str| -> Result<Vec<&str>> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("the kernel says nothing of {name}"))?.split_whitespace().collect())
    };
    ensure!(field("Uid")? == ["65532"; 4], "it runs as {:?}", field("Uid")?);
    ensure!(field("NoNewPrivs")? == ["1"], "it may gain privileges");
    ensure!(field("Seccomp")? == ["2"], "its calls are not filtered");
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        ensure!(field(set)?.concat().chars().all(|digit| digit == '0'), "it has capabilities: {set}");
    }
    let mounts =
        fs::read_to_string(format!("/proc/{process}/mounts")).context("failed to read its mounts")?;
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).context("it has no root")?;
    let options = root.split(' ').nth(3).unwrap_or_default();
    ensure!(options.split(',').any(|option| option == "ro"), "its root can be written to: {options}");
    for folder in ["/conf", "/tmp/k8s-webhook-server/serving-certs"] {
        let mount = mounts.lines().find(|line| line.split(' ').nth(1) == Some(folder));
        ensure!(mount.is_some(), "{folder} is not mounted");
    }
    Ok(())
}

/// A version of one number: no schema forbids it, only the webhook.
async fn refuses_what_is_wrong(world: &World) -> Result<()> {
    let wrong = serde_json::json!({
        "apiVersion": "elasticsearch.k8s.elastic.co/v1",
        "kind": "Elasticsearch",
        "metadata": {"name": "wrong"},
        "spec": {"version": "8", "nodeSets": [{"name": "default", "count": 1}]},
    });
    let wrong: DynamicObject = serde_json::from_value(wrong).context("an object is written so")?;
    loop {
        let error = match elasticsearches(world).create(&PostParams::default(), &wrong).await {
            Ok(_) => bail!("what is wrong was accepted"),
            Err(kube::Error::Api(error)) => error,
            Err(error) => return Err(error).context("the API server doesn't answer"),
        };
        if error.message.contains("denied the request") {
            ensure!(error.message.contains("version"), "it says something else: {}", error.message);
            return Ok(());
        }
        // kube-proxy tells nobody when it has followed a Service's endpoints; until then nobody can be asked.
        ensure!(error.message.contains("failed calling webhook"), "{}", error.message);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn elasticsearches(world: &World) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("elasticsearch.k8s.elastic.co", "v1", "Elasticsearch");
    let resource = ApiResource::from_gvk_with_plural(&kind, "elasticsearches");
    Api::namespaced_with(world.client.clone(), APPLICATIONS, &resource)
}
