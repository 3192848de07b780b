//! A real node: containerd, the kubelet and kube-proxy, with pods that run, are probed and talk to each other.

mod archive;
mod files;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::Api;
use kube::runtime::wait;
use tokio::time::sleep;

use crate::authority::Leaf;
use crate::cluster::Cluster;
use crate::control_plane::{self, Place};
use crate::kwok::is_ready;
use crate::machine::{self, machine};
use crate::process::Process;
use crate::programs::Programs;
use crate::sandbox::Sandbox;

/// The node's name in the cluster.
pub const NODE: &str = "node-0";
/// The node's address, and the API server's; it means something inside of the machine only.
pub(crate) const ADDRESS: &str = "10.250.0.1";
/// containerd offers nothing to wait on before it listens.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The running programs of the node, in the order in which they are stopped.
#[derive(Debug)]
pub struct Node {
    kubelet: Process,
    kube_proxy: Process,
    containerd: Process,
    socket: PathBuf,
    sandbox: Sandbox,
}

impl Cluster {
    /// Starts a control plane and a node of its own; returns when the node is ready. Containers have no network but that of
    /// their cluster, and no names of Services: nobody answers questions about names.
    ///
    /// # Errors
    /// Not called in a machine ([`crate::run_in_machine`]); a program is missing or ended, with its last words.
    pub async fn start_with_node(programs: Programs) -> Result<(Self, Node)> {
        let Some(name) = machine() else { bail!("a node is started inside of its machine only") };
        machine::prepare(&name, ADDRESS)?;
        let sandbox = Sandbox::new()?;
        let plane = control_plane::start(&programs, &sandbox, Place::Machine).await?;
        let node = Node::start(&programs, &sandbox, &plane, &name).await?;
        let cluster = Self::of(plane, programs, sandbox);
        node.wait_until_ready(&cluster).await.map(|node| (cluster, node))
    }
}

impl Node {
    async fn start(
        programs: &Programs,
        sandbox: &Sandbox,
        plane: &control_plane::ControlPlane,
        machine: &str,
    ) -> Result<Self> {
        let (Some(kubelet), Some(kube_proxy), Some(pause)) =
            (&programs.kubelet, &programs.kube_proxy, &programs.pause)
        else {
            bail!("the kubelet was not built; KUBEBUILDER_ASSETS alone makes no node")
        };
        let files = files::Files::write(sandbox)?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&files.containerd);
        let containerd = sandbox.start("containerd", command)?;
        // The kubelet gives up at once where nobody answers its calls.
        wait_for_containerd(&files.socket).await?;
        load(&files.socket, sandbox, &archive::of_program(sandbox, files::PAUSE, pause)?, None)?;

        let serving = Leaf { common_name: NODE, organization: None, names: &[ADDRESS, NODE] };
        let (certificate, key) = plane.files.sign(serving)?.write(sandbox, "kubelet-serving")?;
        let user = format!("system:node:{NODE}");
        let identity = Leaf { common_name: &user, organization: Some("system:nodes"), names: &[] };
        let kubeconfig = plane.files.kubeconfig_for(sandbox, &plane.server, "kubelet", identity)?;
        let config = files::kubelet(sandbox, machine, &files.socket, &plane.ca, &certificate, &key)?;
        let mut command = kubelet.command();
        command
            .arg(format!("--config={}", config.display()))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--hostname-override={NODE}"))
            .arg(format!("--node-ip={ADDRESS}"));
        let kubelet = sandbox.start("kubelet", command)?;

        let identity = Leaf { common_name: "system:kube-proxy", ..Leaf::default() };
        let kubeconfig = plane.files.kubeconfig_for(sandbox, &plane.server, "kube-proxy", identity)?;
        let mut command = kube_proxy.command();
        command.arg(format!("--config={}", files::kube_proxy(sandbox, &kubeconfig)?.display()));
        let kube_proxy = sandbox.start("kube-proxy", command)?;

        let mut node =
            Self { kubelet, kube_proxy, containerd, socket: files.socket, sandbox: sandbox.clone() };
        node.all_run()?;
        Ok(node)
    }

    /// Gives the node an image from an OCI layout; `name` is what pods call it, without a tag: the tag is the layout's.
    pub fn load_layout(&self, name: &str, layout: &Path) -> Result<()> {
        load(&self.socket, &self.sandbox, &archive::of_layout(&self.sandbox, layout)?, Some(name))
    }

    /// The process of a container that runs, by containerd's id of it.
    pub fn process_of(&self, container: &str) -> Result<u32> {
        let output = ctr(&self.socket)
            .args(["--namespace=k8s.io", "tasks", "list"])
            .output()
            .context("failed to start ctr")?;
        // TASK PID STATUS
        let tasks = String::from_utf8_lossy(&output.stdout);
        let task = tasks
            .lines()
            .map(str::split_whitespace)
            .find_map(|mut words| (words.next() == Some(container)).then(|| words.next())?);
        task.and_then(|pid| pid.parse().ok()).with_context(|| format!("{container} doesn't run"))
    }

    /// What the kubelet logged, for the messages of failed checks.
    pub fn kubelet_log(&self) -> String {
        self.kubelet.log()
    }

    /// Stops the node's programs and waits for them. Containers go with the machine.
    pub fn stop(self) -> Result<()> {
        for process in [self.kubelet, self.kube_proxy, self.containerd] {
            process.stop()?;
        }
        Ok(())
    }

    async fn wait_until_ready(mut self, cluster: &Cluster) -> Result<Self> {
        let nodes: Api<NodeObject> = Api::all(cluster.client().await?);
        let ready =
            wait::await_condition(nodes, NODE, |node: Option<&NodeObject>| node.is_some_and(is_ready));
        tokio::pin!(ready);
        loop {
            tokio::select! {
                outcome = &mut ready => {
                    outcome.context("failed to wait for the node")?;
                    return Ok(self);
                }
                () = sleep(LOOK_AGAIN) => self.all_run()?,
            }
        }
    }

    fn all_run(&mut self) -> Result<()> {
        for (name, process) in [
            ("containerd", &mut self.containerd),
            ("kubelet", &mut self.kubelet),
            ("kube-proxy", &mut self.kube_proxy),
        ] {
            if let Some(status) = process.ended()? {
                bail!("{name} ended ({status}):\n{}", process.last_words());
            }
        }
        Ok(())
    }
}

/// How often containerd is asked whether it listens: ten seconds' worth.
const LOOKS: u32 = 200;

async fn wait_for_containerd(socket: &Path) -> Result<()> {
    for _ in 0..LOOKS {
        if ctr(socket).arg("version").output().is_ok_and(|output| output.status.success()) {
            return Ok(());
        }
        sleep(LOOK_AGAIN).await;
    }
    bail!("containerd doesn't answer")
}

fn load(socket: &Path, sandbox: &Sandbox, archive: &Path, name: Option<&str>) -> Result<()> {
    let mut command = ctr(socket);
    command.args(["--namespace=k8s.io", "images", "import", "--all-platforms"]);
    if let Some(name) = name {
        // What pods call `parapet-operator` is this in full.
        command.arg(format!("--base-name=docker.io/library/{name}"));
    }
    let output = command.arg(archive).current_dir(sandbox.dir()).output().context("failed to start ctr")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "an image could not be loaded: {}", said.trim());
    std::fs::remove_file(archive).context("failed to remove an archive")
}

fn ctr(socket: &Path) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket);
    command
}
