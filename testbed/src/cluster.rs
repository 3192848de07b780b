//! A running cluster, as tests use it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::OnceCell;

use crate::control_plane::{self, ControlPlane, Place};
use crate::process::Process;
use crate::programs::Programs;
use crate::sandbox::Sandbox;

/// An API server with its controllers. Dropped, or when its process is killed, nothing of it is left.
#[derive(Debug)]
pub struct Cluster {
    plane: ControlPlane,
    pub(crate) kwok: OnceCell<Process>,
    pub(crate) programs: Programs,
    sandbox: Sandbox,
}

impl Cluster {
    /// Starts one of the caller's own; tests share theirs, see [`Cluster::shared`].
    pub async fn start(programs: Programs) -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let plane = control_plane::start(&programs, &sandbox, Place::Loopback).await?;
        Ok(Self::of(plane, programs, sandbox))
    }

    pub(crate) fn of(plane: ControlPlane, programs: Programs, sandbox: Sandbox) -> Self {
        Self { plane, kwok: OnceCell::new(), programs, sandbox }
    }

    /// Stops everything in order and waits for it. Dropping does the same at once and by force.
    pub fn stop(self) -> Result<()> {
        let Self { plane, kwok, .. } = self;
        let kwok = kwok.into_inner();
        let in_order = [kwok, plane.scheduler, plane.controllers, Some(plane.apiserver), Some(plane.etcd)];
        for process in in_order.into_iter().flatten() {
            process.stop()?;
        }
        Ok(())
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.plane.kubeconfig
    }

    /// `https://127.0.0.1:PORT`, with a real node `https://10.250.0.1:PORT`.
    pub fn server(&self) -> &str {
        &self.plane.server
    }

    /// The CA that signed the API server's certificate and the clients' ones.
    pub fn ca(&self) -> &Path {
        &self.plane.ca
    }

    /// A folder and a watchdog for what the test itself starts.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The processes of the control plane, for tests of what is left behind.
    pub fn pids(&self) -> Vec<u32> {
        let plane = &self.plane;
        let optional = [plane.scheduler.as_ref(), plane.controllers.as_ref(), self.kwok.get()];
        let all = optional.into_iter().flatten().chain([&plane.apiserver, &plane.etcd]);
        all.map(Process::pid).collect()
    }

    /// The administrator's client. Each runtime, thus each test, needs one of its own.
    pub async fn client(&self) -> Result<Client> {
        control_plane::client(&self.plane.kubeconfig).await
    }

    /// Creates a namespace and waits for its default ServiceAccount. Each test takes a name of its own.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        let client = self.client().await?;
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("failed to create namespace {name}"))?;
        if self.plane.controllers.is_some() {
            let accounts: Api<ServiceAccount> = Api::namespaced(client, name);
            kube::runtime::wait::await_condition(accounts, "default", |account: Option<&ServiceAccount>| {
                account.is_some()
            })
            .await
            .context("failed to wait for the default ServiceAccount")?;
        }
        Ok(())
    }

    /// helm, told which cluster it is for; `None` if `KUBEBUILDER_ASSETS` is all there is.
    pub fn helm(&self) -> Option<Command> {
        let mut command = Command::new(self.programs.helm.as_ref()?);
        let home = self.sandbox.dir().join("helm");
        command.env("KUBECONFIG", self.kubeconfig());
        for (name, folder) in
            [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            command.env(name, home.join(folder));
        }
        Some(command)
    }

    /// What the API server logged, for the messages of failed tests.
    pub fn apiserver_log(&self) -> String {
        self.plane.apiserver.log()
    }

    /// The folder of helm, for `PATH`.
    pub fn tools(&self) -> Option<PathBuf> {
        Some(self.programs.helm.as_ref()?.parent()?.to_owned())
    }
}
