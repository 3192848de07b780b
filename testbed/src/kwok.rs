//! Nodes and pods without containers: kwok plays the kubelet, so that workloads become ready.

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::wait;

use crate::cluster::Cluster;
use crate::ports::free_port;
use crate::process::Process;

const NODE: &str = "kwok-0";

impl Cluster {
    /// Makes a node whose pods run at once, though nothing runs in them: no logs, no probes, no traffic, and nothing
    /// binds PersistentVolumeClaims. Returns when the node is ready; the second call does nothing.
    ///
    /// # Errors
    /// kwok was not built (`KUBEBUILDER_ASSETS` is all there is), or it ended.
    pub async fn kwok(&self) -> Result<()> {
        self.kwok.get_or_try_init(|| self.start_kwok()).await.map(drop)
    }

    async fn start_kwok(&self) -> Result<Process> {
        let Some(kwok) = &self.programs.kwok else { bail!("kwok was not built") };
        let nodes: Api<Node> = Api::all(self.client().await?);
        let node = serde_json::json!({
            "metadata": {
                "name": NODE,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"},
            },
        });
        let node: Node = serde_json::from_value(node).context("a node is written so")?;
        nodes.create(&PostParams::default(), &node).await.context("failed to create a node")?;
        let mut command = kwok.command();
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig().display()))
            .args(["--manage-all-nodes=true", "--node-ip=127.0.0.1", "--cidr=10.200.0.0/24"])
            .arg("--node-lease-duration-seconds=40")
            .arg(format!("--server-address=127.0.0.1:{}", free_port()?))
            // It would read ~/.kwok otherwise.
            .env("HOME", self.sandbox().dir());
        let process = self.sandbox().start("kwok", command)?;
        wait::await_condition(nodes, NODE, |node: Option<&Node>| node.is_some_and(is_ready))
            .await
            .with_context(|| format!("the node did not become ready:\n{}", process.last_words()))?;
        Ok(process)
    }
}

/// Whether the kubelet, or who plays it, says so.
pub(crate) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
