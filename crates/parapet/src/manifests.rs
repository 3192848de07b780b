//! Manifests from the command line: where they come from, and the cluster that they describe.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use parapet_manifest::cluster::{self, ClusterAddress, ClusterLimits};
use parapet_manifest::{Document, Limits, Loaded, Problem, Severity, Source};
use parapet_reach::model::Cluster;
use parapet_reach::{DecodeOptions, Hairpin, HostNetwork, IpBlockPods, Options};
use serde_json::Value;

use crate::exit::{Failure, OrExit as _, Reason};

/// Where manifests are read from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manifests")]
pub(crate) struct ManifestArguments {
    /// Files, folders, or - for standard input: manifests, `kustomize build` or `helm template` output
    #[arg(value_name = "PATH", help_heading = None::<&str>)]
    pub(crate) paths: Vec<PathBuf>,
    /// The same, as kubectl names it; repeatable
    #[arg(short = 'f', long = "filename", visible_alias = "dirpath", value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// Read the folders' folders too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// The namespace of objects that name none
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(crate) default_namespace: String,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
}

/// A live cluster, beside manifests or instead of them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Manifests")]
pub(crate) struct ClusterArguments {
    /// Read a live cluster, that of this context of the kubeconfig; manifests that are named are read beside it
    ///
    /// The verb list on the kinds that matter is all that is needed, and not on Secrets.
    #[arg(short = 'c', long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig; without --context its current context is read. Default with --context: KUBECONFIG, or ~/.kube/config
    #[arg(short = 'k', long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Read Secrets of type kubernetes.io/tls with what they hold; for commands that ask for it.
    #[arg(skip)]
    pub(crate) certificates: bool,
}

/// Where implementations of policies differ: which one is meant. Every report repeats it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Modes")]
pub(crate) struct ModeArguments {
    /// Whether blocks of addresses cover pods: Cilium says never, Calico always
    #[arg(long, value_name = "MODE", value_enum, default_value = "both-and-report")]
    ipblock_pods: IpBlockMode,
    /// What pods in their node's network are to policies
    #[arg(long, value_name = "MODE", value_enum, default_value = "node-address")]
    hostnetwork: HostNetworkMode,
    /// Whether policies apply to a pod that reaches itself through a Service
    #[arg(long, value_name = "MODE", value_enum, default_value = "subject")]
    hairpin: HairpinMode,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IpBlockMode {
    /// Only addresses outside the cluster
    Never,
    /// Pods whose addresses are known, too
    Always,
    /// Computed as never; reports say where always would differ
    BothAndReport,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HostNetworkMode {
    /// Their node's address
    NodeAddress,
    /// Pods like others
    AsPods,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HairpinMode {
    /// They do
    Subject,
    /// It is always allowed
    Allowed,
}

impl ModeArguments {
    /// For the engine.
    pub(crate) fn options(&self) -> Options {
        Options {
            ip_block_pods: match self.ipblock_pods {
                IpBlockMode::Never => IpBlockPods::Never,
                IpBlockMode::Always => IpBlockPods::Always,
                IpBlockMode::BothAndReport => IpBlockPods::BothAndReport,
            },
            host_network: match self.hostnetwork {
                HostNetworkMode::NodeAddress => HostNetwork::NodeAddress,
                HostNetworkMode::AsPods => HostNetwork::AsPods,
            },
            hairpin: match self.hairpin {
                HairpinMode::Subject => Hairpin::Subject,
                HairpinMode::Allowed => Hairpin::Allowed,
            },
        }
    }
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Manifests {
    /// The objects with their places.
    pub(crate) documents: Vec<Document>,
    /// The same as JSON, in the same order.
    pub(crate) objects: Vec<Value>,
    /// What they come to.
    pub(crate) cluster: Cluster,
    /// What is wrong with them, with places.
    pub(crate) problems: Vec<Problem>,
}

impl ManifestArguments {
    /// Reads everything; what can't be read is among the problems, unless nothing at all can.
    pub(crate) fn read(&self) -> Result<Manifests, Failure> {
        let loaded = self.load()?;
        let manifests = Manifests::of(loaded, &self.default_namespace);
        if manifests.documents.is_empty() {
            manifests.report()?;
            let error = anyhow::anyhow!(
                "no Kubernetes object was found; -R reads the folders' folders too, --context a cluster"
            );
            return Err(Failure::new(Reason::Usage, error));
        }
        Ok(manifests)
    }

    /// What the files and the cluster hold.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let paths = self.paths.iter().chain(&self.filename);
        let sources: Vec<Source> = paths.map(|path| Source::from_argument(path, self.recursive)).collect();
        self.cluster.load_with(&sources)
    }
}

impl ClusterArguments {
    /// Whether a cluster is named.
    pub(crate) fn is_named(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// What is in `sources`, and in the cluster if one is named. With neither, a plugin of kubectl's reads the current
    /// context, as kubectl's own commands do, and everybody else is told what can be named.
    fn load_with(&self, sources: &[Source]) -> Result<Loaded, Failure> {
        let nothing_named = sources.is_empty() && !self.is_named();
        if nothing_named && !is_kubectls_plugin() {
            let error = anyhow::anyhow!(
                "no manifests: name files, folders, - for standard input, or a cluster with --context"
            );
            return Err(Failure::new(Reason::Usage, error));
        }
        let mut loaded = parapet_manifest::load(sources, &Limits::default(), &mut io::stdin().lock());
        if self.is_named() || nothing_named {
            let Loaded { documents, problems } = self.load().or_exit(Reason::Usage)?;
            loaded.documents.extend(documents);
            loaded.problems.extend(problems);
        }
        Ok(loaded)
    }

    /// What is in the cluster.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let Self { context, kubeconfig, certificates } = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = cluster::connect(&ClusterAddress { context, kubeconfig }).await?;
            let limits = ClusterLimits { certificates, ..ClusterLimits::default() };
            Ok(cluster::load(&client, &limits).await?)
        })
    }
}

/// Whether kubectl runs this: it looks for plugins by the beginning of their name.
fn is_kubectls_plugin() -> bool {
    let called = std::env::args_os().next().map(PathBuf::from);
    let name = called.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
    name.is_some_and(|name| name.starts_with("kubectl-"))
}

impl Manifests {
    /// What documents come to; `default_namespace` is that of objects that name none.
    pub(crate) fn of(loaded: Loaded, default_namespace: &str) -> Self {
        let Loaded { documents, mut problems } = loaded;
        let objects: Vec<Value> = documents.iter().map(|document| document.root.to_json()).collect();
        let options =
            DecodeOptions { default_namespace: default_namespace.to_owned(), ..DecodeOptions::default() };
        let (mut cluster, found) = Cluster::from_objects(objects.iter().cloned(), &options);
        for problem in found {
            let Some(document) = documents.get(problem.object.index) else { continue };
            let severity = match problem.severity {
                parapet_reach::Severity::Error => Severity::Error,
                parapet_reach::Severity::Warning => Severity::Warning,
            };
            let message = format!("{}: {}", problem.object, problem.message);
            problems.push(Problem::new(&document.file, document.place(&problem.path), severity, message));
        }
        cluster.incomplete |= problems.iter().any(|problem| problem.severity == Severity::Error);
        Self { documents, objects, cluster, problems }
    }

    /// Writes the problems to standard error: `file:line:column: severity: message`.
    pub(crate) fn report(&self) -> Result<(), Failure> {
        let mut stderr = io::stderr().lock();
        for problem in &self.problems {
            writeln!(stderr, "{problem}").or_exit(Reason::Failed)?;
        }
        if self.cluster.incomplete {
            writeln!(stderr, "some of the input could not be read: what follows is incomplete")
                .or_exit(Reason::Failed)?;
        }
        Ok(())
    }
}
