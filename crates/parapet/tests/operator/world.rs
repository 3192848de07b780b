//! What the scenarios start from: a cluster with the definitions, helm, and operators as pods run them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use parapet_testbed::{Cluster, Process, Programs, REQUIRED, free_port, skip};
use serde_json::Value;

use crate::asked::{ask, status};
use crate::log::says;

/// Where the operator is installed.
pub(crate) const SYSTEM: &str = "elastic-system";
pub(crate) const OPERATOR: &str = "elastic-operator";
/// The API server learns of roles by a watch of its own; there is nothing to wait on but its answer.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A path of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The text of a file of the repository.
pub(crate) fn text_of(path: &str) -> String {
    let path = repository(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares what is committed with what should be; writes it with `UPDATE_GENERATED` set.
pub(crate) fn is_committed(path: &str, text: &str) {
    let file = repository(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(file.parent().expect("a file lies in a folder")).unwrap();
        fs::write(&file, text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let same = committed.lines().zip(text.lines()).take_while(|(one, other)| one == other).count();
    assert!(
        committed == text,
        "{path} is not what it is made of (line {}); `cargo xtask manifests` writes it again",
        same + 1
    );
}

/// The documents of a manifest.
pub(crate) fn documents(manifest: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// The definitions of the three kinds, as the chart has them.
pub(crate) fn definitions() -> String {
    let folder = repository("charts/parapet-operator/files/crds");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    texts.join("---\n")
}

/// The cluster that the tests share, with the definitions. `None`: there is none, and the test is reported as skipped.
pub(crate) async fn shared() -> Option<&'static Cluster> {
    let cluster = Cluster::shared().await?;
    cluster.define(&definitions()).await.unwrap();
    Some(cluster)
}

/// A cluster of the test's own, with nodes and nothing else: for what is there once in a cluster.
pub(crate) async fn own() -> Option<Cluster> {
    let Some(programs) = Programs::find().unwrap() else {
        let reason = "the testbed is not built; `cargo xtask testbed build` builds it";
        assert!(std::env::var_os(REQUIRED).is_none(), "{reason}");
        skip(reason);
        return None;
    };
    let cluster = Cluster::start(programs).await.unwrap();
    cluster.kwok().await.unwrap();
    Some(cluster)
}

/// Runs helm; what it prints, or what it complains of.
pub(crate) async fn helm(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
    let command = cluster.helm().expect("a testbed that is built has helm");
    let output = tokio::process::Command::from(command).args(args).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// The chart's folder.
pub(crate) fn chart() -> String {
    repository("charts/parapet-operator").canonicalize().unwrap().to_str().unwrap().to_owned()
}

/// A file of values of the chart, as an argument.
pub(crate) fn profile(name: &str) -> String {
    format!("--values={}/profile-{name}.yaml", chart())
}

/// What it says when it is ready.
pub(crate) const LISTED: &str = "\"everything is listed\"";
/// What it says when it leads, and looks after applications.
pub(crate) const WORKING: &str = "\"working\"";

/// Where a program of the cluster's sandbox says what it says.
pub(crate) fn log_of(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.sandbox().dir().join(format!("{name}.log"))
}

/// An operator that runs.
pub(crate) struct Operator {
    pub(crate) process: Process,
    log: PathBuf,
    /// Of metrics in clear text, where it was told so.
    metrics: u16,
    /// Its configuration file.
    pub(crate) file: PathBuf,
}

/// How an operator is started.
pub(crate) struct Start<'a> {
    pub(crate) cluster: &'a Cluster,
    /// Names its files.
    pub(crate) name: &'a str,
    /// Who it is.
    pub(crate) kubeconfig: &'a Path,
    /// Its configuration file.
    pub(crate) file: &'a str,
    pub(crate) flags: &'a [&'a str],
}

/// The binary in a sandbox, called by another name.
pub(crate) fn called(cluster: &Cluster, name: &str) -> Command {
    let path = cluster.sandbox().dir().join("bin").join(name);
    fs::create_dir_all(path.parent().expect("it lies in a folder")).unwrap();
    // Another test may be quicker.
    let _ = symlink(env!("CARGO_BIN_EXE_parapet"), &path);
    let mut command = Command::new(path);
    command.current_dir(cluster.sandbox().dir());
    command
}

impl Operator {
    /// Starts it as the StatefulSet does, and waits until it is ready. Metrics are plain on loopback, unless `flags` say
    /// otherwise.
    pub(crate) async fn start(start: Start<'_>) -> Self {
        let Start { cluster, name, kubeconfig, file, flags } = start;
        let folder = cluster.sandbox().dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("eck.yaml");
        fs::write(&path, file).unwrap();
        let (probes, metrics) = (free_port().unwrap(), free_port().unwrap());
        let mut command = called(cluster, OPERATOR);
        command
            .arg("manager")
            .arg(format!("--config={}", path.display()))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--probes-bind-address=127.0.0.1:{probes}"))
            .arg(format!("--metrics-port={metrics}"))
            .args(["--metrics-host=127.0.0.1", "--enable-webhook=false"])
            .args(flags);
        let process = cluster.sandbox().start(name, command).unwrap();
        let log = log_of(cluster, name);
        says(&process, &log, LISTED).await;
        assert_eq!(status(&format!("http://127.0.0.1:{probes}/readyz")).await, 200);
        Self { process, log, metrics, file: path }
    }

    /// Waits until it has said this.
    pub(crate) async fn says(&self, words: &str) {
        says(&self.process, &self.log, words).await;
    }

    /// All its metrics.
    pub(crate) async fn metrics(&self) -> String {
        let answer = ask(&format!("http://127.0.0.1:{}/metrics", self.metrics), &[]).await;
        assert_eq!(answer.status, 200);
        answer.body
    }

    /// Fails if the API server has refused anything to it.
    pub(crate) async fn was_refused_nothing(&self) {
        let metrics = self.metrics().await;
        let answers: BTreeMap<&str, f64> = samples(&metrics, "rest_client_requests_total").collect();
        assert!(answers.keys().any(|labels| labels.contains("code=\"201\"")), "{answers:?}");
        let refused: Vec<_> = answers.keys().filter(|labels| labels.contains("code=\"403\"")).collect();
        let log = self.process.log();
        let said: Vec<&str> = log.lines().filter(|line| line.to_lowercase().contains("forbidden")).collect();
        let calls: Vec<&str> =
            samples(&metrics, "parapet_operator_api_calls_total").map(|(call, _)| call).collect();
        assert!(refused.is_empty() && said.is_empty(), "{refused:?} of {calls:?}\n{}", said.join("\n"));
    }
}

/// Labels and values of a metric.
pub(crate) fn samples<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then(|| (labels, value.parse().unwrap()))
    })
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    /// Read a path.
    Get(&'a str),
    /// Create a resource: group, plural.
    Create(&'a str, &'a str),
    /// The same in a namespace, which comes first.
    CreateIn(&'a str, &'a str, &'a str),
    /// Read one ConfigMap: namespace, name.
    ReadMap(&'a str, &'a str),
}

/// The API server learns of roles by a watch of its own; there is nothing to wait on but its answer.
pub(crate) async fn wait_until_allowed(cluster: &Cluster, user: &str, what: What<'_>) {
    let reviews: Api<SubjectAccessReview> = Api::all(cluster.client().await.unwrap());
    let mut spec = SubjectAccessReviewSpec { user: Some(user.to_owned()), ..Default::default() };
    spec.groups = Some(vec!["system:authenticated".to_owned()]);
    match what {
        What::Get(path) => {
            let (path, verb) = (Some(path.to_owned()), Some("get".to_owned()));
            spec.non_resource_attributes = Some(NonResourceAttributes { path, verb });
        }
        What::Create(group, resource) => {
            spec.resource_attributes = Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some("create".to_owned()),
                ..Default::default()
            });
        }
        What::CreateIn(namespace, group, resource) => {
            spec.resource_attributes = Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some("create".to_owned()),
                ..Default::default()
            });
        }
        What::ReadMap(namespace, name) => {
            spec.resource_attributes = Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                resource: Some("configmaps".to_owned()),
                name: Some(name.to_owned()),
                verb: Some("get".to_owned()),
                ..Default::default()
            });
        }
    }
    let review = SubjectAccessReview { spec, ..Default::default() };
    while !reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
