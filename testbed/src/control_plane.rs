//! Starting etcd, kube-apiserver, the controllers and the scheduler, and waiting until each is of use.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use tokio::time::sleep;

use crate::authority::{Authority, Leaf, Pair, kubeconfig, token_keys};
use crate::node;
use crate::ports::free_port;
use crate::process::Process;
use crate::programs::Programs;
use crate::sandbox::Sandbox;

/// The API server offers nothing to wait on before it listens.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Starts again with other ports when another process took one in between.
const STARTS: usize = 3;
/// The names under which the API server is reached by tests and, as its certificate must say, from pods.
const SERVER_NAMES: &[&str] = &[
    "127.0.0.1",
    node::ADDRESS,
    "10.96.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// Where the API server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// For clients on this machine; pods, if any, have no containers.
    Loopback,
    /// On the address of a real node, which its pods reach.
    Machine,
}

impl Place {
    fn address(self) -> &'static str {
        match self {
            Self::Loopback => "127.0.0.1",
            Self::Machine => node::ADDRESS,
        }
    }

    fn flags(self, files: &Files) -> Vec<String> {
        match self {
            // The Service `kubernetes` must not point to a loopback address.
            Self::Loopback => vec!["--endpoint-reconciler-type=none".to_owned()],
            // For logs and commands in containers the API server calls the kubelet.
            Self::Machine => vec![
                option("kubelet-client-certificate", &files.kubelet_client.0),
                option("kubelet-client-key", &files.kubelet_client.1),
                option("kubelet-certificate-authority", &files.ca),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ],
        }
    }
}

/// The running programs, in the order in which they are stopped.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) scheduler: Option<Process>,
    pub(crate) controllers: Option<Process>,
    pub(crate) apiserver: Process,
    pub(crate) etcd: Process,
    pub(crate) server: String,
    pub(crate) ca: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) files: Files,
}

/// Starts everything in `sandbox` and returns when the default ServiceAccount is there, which pods need.
pub(crate) async fn start(programs: &Programs, sandbox: &Sandbox, place: Place) -> Result<ControlPlane> {
    let files = Files::write(sandbox)?;
    let mut tries = 1;
    let (etcd, apiserver, port) = loop {
        match start_apiserver(programs, sandbox, &files, place).await {
            Err(Stopped { last_words })
                if last_words.contains("address already in use") && tries < STARTS =>
            {
                tries += 1;
            }
            Err(Stopped { last_words }) => bail!("the API server did not start:\n{last_words}"),
            Ok(started) => break started,
        }
    };
    let server = format!("https://{}:{port}", place.address());
    let controllers = programs.controllers.as_ref().map(|program| {
        let kubeconfig = files.kubeconfig(sandbox, &server, "controllers")?;
        let mut command = program.command();
        as_component(&mut command, &kubeconfig)?
            .args(["--kube-api-qps=1000", "--kube-api-burst=2000", "--use-service-account-credentials=true"])
            .arg(option("service-account-private-key-file", &files.token_key))
            .arg(option("root-ca-file", &files.ca))
            .arg(option("cluster-signing-cert-file", &files.ca))
            .arg(option("cluster-signing-key-file", &files.ca_key));
        sandbox.start("kube-controller-manager", command)
    });
    let controllers = controllers.transpose()?;
    let scheduler = programs.scheduler.as_ref().map(|program| {
        let kubeconfig = files.kubeconfig(sandbox, &server, "scheduler")?;
        let mut command = program.command();
        as_component(&mut command, &kubeconfig)?.args(["--kube-api-qps=1000", "--kube-api-burst=2000"]);
        sandbox.start("kube-scheduler", command)
    });
    let kubeconfig = files.kubeconfig(sandbox, &server, "admin")?;
    let mut plane = ControlPlane {
        scheduler: scheduler.transpose()?,
        controllers,
        apiserver,
        etcd,
        server,
        ca: files.ca.clone(),
        kubeconfig,
        files,
    };
    plane.wait_for_default_account().await?;
    Ok(plane)
}

impl ControlPlane {
    /// Without controllers nothing makes ServiceAccounts, so there is nothing to wait for.
    async fn wait_for_default_account(&mut self) -> Result<()> {
        let Some(controllers) = &mut self.controllers else { return Ok(()) };
        let accounts: Api<ServiceAccount> = Api::namespaced(client(&self.kubeconfig).await?, "default");
        while accounts.get_opt("default").await.context("failed to read a ServiceAccount")?.is_none() {
            if let Some(status) = controllers.ended()? {
                bail!("kube-controller-manager ended ({status}):\n{}", controllers.last_words());
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// A client of the user that a kubeconfig names; it lives in the runtime that made it.
pub(crate) async fn client(kubeconfig: &std::path::Path) -> Result<Client> {
    let parsed = kube::config::Kubeconfig::read_from(kubeconfig).context("failed to read the kubeconfig")?;
    let config = kube::Config::from_custom_kubeconfig(parsed, &Default::default())
        .await
        .context("the kubeconfig is of no use")?;
    Client::try_from(config).context("failed to make a client")
}

/// etcd or the API server ended before it was of use.
struct Stopped {
    last_words: String,
}

impl<E: std::fmt::Display> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self { last_words: format!("{error:#}") }
    }
}

async fn start_apiserver(
    programs: &Programs,
    sandbox: &Sandbox,
    files: &Files,
    place: Place,
) -> Result<(Process, Process, u16), Stopped> {
    let etcd_url = format!("http://127.0.0.1:{}", free_port()?);
    let peer_url = format!("http://127.0.0.1:{}", free_port()?);
    let port = free_port()?;
    let mut command = programs.etcd.command();
    // Its data live as long as the test: nothing needs to reach the disk.
    command.args(["--name=testbed", "--unsafe-no-fsync", "--log-level=warn"]);
    command.arg(option("data-dir", sandbox.dir().join("etcd")));
    for (flags, url) in [
        (["listen-client-urls", "advertise-client-urls"], &etcd_url),
        (["listen-peer-urls", "initial-advertise-peer-urls"], &peer_url),
    ] {
        command.args(flags.map(|flag| format!("--{flag}={url}")));
    }
    command.arg(format!("--initial-cluster=testbed={peer_url}"));
    let mut etcd = sandbox.start("etcd", command)?;

    let mut command = programs.apiserver.command();
    command
        .arg(format!("--etcd-servers={etcd_url}"))
        .arg(format!("--secure-port={port}"))
        .args(["bind-address", "advertise-address"].map(|flag| format!("--{flag}={}", place.address())))
        .args(place.flags(files))
        .args(["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"])
        .args(["--anonymous-auth=false", "--allow-privileged=true", "--profiling=false"])
        .arg("--service-cluster-ip-range=10.96.0.0/16")
        .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
        .arg(option("service-account-key-file", &files.token_public_key))
        .arg(option("service-account-signing-key-file", &files.token_key))
        .arg(option("client-ca-file", &files.ca))
        .arg(option("tls-cert-file", &files.server.0))
        .arg(option("tls-private-key-file", &files.server.1))
        // Requests that the API server passes on to aggregated ones.
        .arg(option("requestheader-client-ca-file", &files.ca))
        .args(["--requestheader-allowed-names=front-proxy", "--requestheader-username-headers=X-Remote-User"])
        .args([
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        ]);
    let mut apiserver = sandbox.start("kube-apiserver", command)?;

    let kubeconfig = files.kubeconfig(sandbox, &format!("https://{}:{port}", place.address()), "admin")?;
    let client = client(&kubeconfig).await?;
    loop {
        let request = http::Request::get("/readyz").body(Vec::new())?;
        if client.request_text(request).await.is_ok_and(|answer| answer == "ok") {
            return Ok((etcd, apiserver, port));
        }
        for process in [&mut etcd, &mut apiserver] {
            if process.ended()?.is_some() {
                return Err(Stopped { last_words: process.last_words() });
            }
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// What the controllers and the scheduler are told alike.
fn as_component<'a>(command: &'a mut Command, kubeconfig: &PathBuf) -> Result<&'a mut Command> {
    Ok(command
        .arg(option("kubeconfig", kubeconfig))
        .arg(option("authentication-kubeconfig", kubeconfig))
        .arg(option("authorization-kubeconfig", kubeconfig))
        .arg(format!("--secure-port={}", free_port()?))
        .args(["--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"]))
}

fn option(name: &str, path: impl Into<PathBuf>) -> String {
    format!("--{name}={}", path.into().display())
}

/// The certificates and keys that the programs are given.
#[derive(Debug)]
pub(crate) struct Files {
    authority: Authority,
    ca: PathBuf,
    ca_key: PathBuf,
    server: (PathBuf, PathBuf),
    kubelet_client: (PathBuf, PathBuf),
    token_key: PathBuf,
    token_public_key: PathBuf,
}

impl Files {
    fn write(sandbox: &Sandbox) -> Result<Self> {
        let authority = Authority::new("testbed")?;
        let server = authority.sign(Leaf {
            common_name: "kube-apiserver",
            organization: None,
            names: SERVER_NAMES,
        })?;
        let kubelet_client = authority.sign(Leaf {
            common_name: "kube-apiserver",
            organization: Some("system:masters"),
            names: &[],
        })?;
        let (token_key, token_public_key) = token_keys()?;
        Ok(Self {
            ca: sandbox.write("ca.crt", authority.certificate())?,
            ca_key: sandbox.write("ca.key", authority.key())?,
            server: server.write(sandbox, "kube-apiserver")?,
            kubelet_client: kubelet_client.write(sandbox, "kubelet-client")?,
            token_key: sandbox.write("tokens.key", token_key)?,
            token_public_key: sandbox.write("tokens.pub", token_public_key)?,
            authority,
        })
    }

    /// Writes `NAME.kubeconfig` with a client certificate of that component.
    fn kubeconfig(&self, sandbox: &Sandbox, server: &str, name: &str) -> Result<PathBuf> {
        let leaf = match name {
            "controllers" => Leaf { common_name: "system:kube-controller-manager", ..Leaf::default() },
            "scheduler" => Leaf { common_name: "system:kube-scheduler", ..Leaf::default() },
            _ => Leaf { common_name: name, organization: Some("system:masters"), names: &[] },
        };
        self.kubeconfig_for(sandbox, server, name, leaf)
    }

    /// Signs a certificate that is served, or whose holder is known by it.
    pub(crate) fn sign(&self, leaf: Leaf<'_>) -> Result<Pair> {
        self.authority.sign(leaf)
    }

    /// Writes `NAME.kubeconfig` with a client certificate.
    pub(crate) fn kubeconfig_for(
        &self,
        sandbox: &Sandbox,
        server: &str,
        name: &str,
        leaf: Leaf<'_>,
    ) -> Result<PathBuf> {
        let (certificate, key) = self.sign(leaf)?.write(sandbox, name)?;
        let user = serde_json::json!({"client-certificate": certificate, "client-key": key});
        sandbox.write(&format!("{name}.kubeconfig"), kubeconfig(server, &self.ca, &user))
    }
}
