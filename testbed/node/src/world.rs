//! The node with its images, and how its pods are awaited and looked into.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{ListParams, LogParams};
use kube::runtime::wait;
use kube::{Api, Client, ResourceExt as _};
use parapet_testbed::{Cluster, Node, Programs};
use tokio::net::TcpStream;

use crate::Arguments;

/// Where the operator is installed.
pub(crate) const SYSTEM: &str = "elastic-system";
/// The pod, by the name that documentation has for it.
pub(crate) const POD: &str = "elastic-operator-0";
/// The container of the operator in it.
pub(crate) const MANAGER: &str = "manager";
/// Nothing that is awaited here takes a tenth of it on a quiet machine; then the run ends and says what it waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks at what tells nobody.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A cluster with one real node, and the checkout.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    node: Node,
    root: PathBuf,
}

impl World {
    pub(crate) async fn start(programs: Programs, arguments: &Arguments) -> Result<Self> {
        let (cluster, node) = Cluster::start_with_node(programs).await?;
        node.load_layout("parapet-operator", &arguments.operator)?;
        node.load_layout("parapet-guard", &arguments.guard)?;
        let client = cluster.client().await?;
        Ok(Self { cluster, client, node, root: arguments.root.clone() })
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.node.stop()?;
        self.cluster.stop()
    }

    /// The text of a file of the checkout.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        let path = self.root.join(path);
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    }

    /// Applies a file of the checkout as it is.
    pub(crate) async fn apply(&self, path: &str) -> Result<()> {
        let text = self.text(path)?;
        self.cluster.apply(&text, SYSTEM).await.with_context(|| format!("failed to apply {path}"))?;
        Ok(())
    }

    /// Runs helm; what it says is an error unless it ends well.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Result<()> {
        let mut helm = self.cluster.helm().context("helm was not built")?;
        let output = helm.args(arguments).current_dir(&self.root).output().context("failed to start helm")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "helm {}: {}", arguments.join(" "), said.trim());
        Ok(())
    }

    /// The API for objects of a namespace.
    pub(crate) fn all<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Waits until the operator's pod is as wanted.
    pub(crate) async fn pod_that(&self, what: &str, wanted: impl Fn(&Pod) -> bool) -> Result<Pod> {
        let pods: Api<Pod> = self.all(SYSTEM);
        let condition = |pod: Option<&Pod>| pod.is_some_and(&wanted);
        let waited = tokio::time::timeout(PATIENCE, wait::await_condition(pods, POD, condition)).await;
        let pod = waited.with_context(|| format!("{POD} did not come so far: {what}"))?;
        pod.context("failed to wait for the pod")?.context("the pod is gone")
    }

    /// Waits for an object that somebody else makes.
    pub(crate) async fn object<K>(&self, namespace: &str, name: &str) -> Result<()>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + Send
            + 'static,
    {
        let there = |found: Option<&K>| found.is_some();
        tokio::time::timeout(PATIENCE, wait::await_condition(self.all::<K>(namespace), name, there))
            .await
            .with_context(|| format!("{name} was not made"))?
            .context("failed to wait for an object")?;
        Ok(())
    }

    /// The process of a container of the operator's pod.
    pub(crate) fn process(&self, pod: &Pod, container: &str) -> Result<u32> {
        let status = container_of(pod, container).context("the container has no status")?;
        let id = status.container_id.as_deref().and_then(|id| id.strip_prefix("containerd://"));
        self.node.process_of(id.context("the container has no id")?)
    }

    /// What a server inside of the cluster answers: the status code and the body. Its certificate isn't looked at, the
    /// header comes from a file, so that no list of processes shows it.
    pub(crate) fn ask(&self, url: &str, token: Option<&str>) -> Result<(u16, String)> {
        let body = self.cluster.sandbox().dir().join("answer");
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--insecure",
            "--max-time",
            "30",
            "--write-out",
            "%{http_code}",
        ]);
        curl.arg("--output").arg(&body);
        if let Some(token) = token {
            let header = format!("Authorization: Bearer {token}\n");
            let header = self.cluster.sandbox().write("header", header)?;
            curl.arg("--header").arg(format!("@{}", header.display()));
        }
        let output = curl.arg(url).output().context("failed to start curl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{url}: {}", said.trim());
        let code = String::from_utf8_lossy(&output.stdout).trim().parse().context("curl names no status")?;
        Ok((code, fs::read_to_string(&body).unwrap_or_default()))
    }

    /// Waits until a Service passes connections on to its pod: kube-proxy, which tells nobody, follows a pod that is ready.
    pub(crate) async fn served(&self, address: &str, port: u16) -> Result<()> {
        let reached = async {
            while TcpStream::connect((address, port)).await.is_err() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        waited.with_context(|| format!("nobody is reached at {address}:{port}"))
    }

    /// What there is to know about a run that failed.
    pub(crate) async fn last_words(&self) -> String {
        let mut words = String::new();
        for pod in
            Api::<Pod>::all(self.client.clone()).list(&ListParams::default()).await.into_iter().flatten()
        {
            let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
            for status in statuses {
                words.push_str(&format!("{} {}: {:?}\n", pod.name_any(), status.name, status.state));
                let params = LogParams {
                    container: Some(status.name.clone()),
                    tail_lines: Some(20),
                    ..LogParams::default()
                };
                let namespace = pod.namespace().unwrap_or_default();
                words.push_str(
                    &self.all::<Pod>(&namespace).logs(&pod.name_any(), &params).await.unwrap_or_default(),
                );
            }
        }
        let log = self.node.kubelet_log();
        let errors: Vec<&str> = log.lines().filter(|line| line.starts_with('E')).collect();
        words.push_str(&errors[errors.len().saturating_sub(20)..].join("\n"));
        words
    }
}

/// The status of a container of a pod.
pub(crate) fn container_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == name)
}

/// Whether a container has passed its probes and was started again so often.
pub(crate) fn is_ready_after(pod: &Pod, container: &str, restarts: i32) -> bool {
    container_of(pod, container).is_some_and(|status| status.ready && status.restart_count == restarts)
}

/// How a container ended the last time.
pub(crate) fn last_exit(pod: &Pod, container: &str) -> Result<i32> {
    let ended =
        container_of(pod, container).and_then(|status| status.last_state.as_ref()?.terminated.as_ref());
    let Some(ended) = ended else { bail!("{container} never ended") };
    Ok(ended.exit_code)
}
