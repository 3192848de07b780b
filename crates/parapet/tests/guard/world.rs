//! What every scenario starts from: a namespace, an upstream, a guard that may ask for reviews, and a client's token.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use parapet_testbed::{Cluster, Process, free_port};
use tokio::net::TcpStream;

use crate::upstream::Upstream;

/// The ServiceAccount that the guard runs as.
pub(crate) const GUARD: &str = "kube-rbac-proxy";
/// The guard tells nobody but its port that it listens.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The fixture of one scenario.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: &'static Cluster,
    pub(crate) namespace: &'static str,
    pub(crate) upstream: Upstream,
}

/// A running guard.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) process: Process,
    /// `https://127.0.0.1:PORT`, without a slash.
    pub(crate) url: String,
}

impl World {
    /// In a namespace of that name. `None`: there is no testbed, and the test has been reported as skipped.
    pub(crate) async fn new(namespace: &'static str) -> Option<Self> {
        Self::with_upstream(namespace, Upstream::start().await).await
    }

    pub(crate) async fn with_upstream(namespace: &'static str, upstream: Upstream) -> Option<Self> {
        let cluster = Cluster::shared().await?;
        cluster.namespace(namespace).await.unwrap();
        let world = Self { cluster, namespace, upstream };
        let account = format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {GUARD}}}}}");
        cluster.apply(&account, namespace).await.unwrap();
        let reviews = "[{apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}, \
                       {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}]";
        world.bind(GUARD, reviews, &world.account(GUARD)).await;
        world
            .wait_until_allowed(
                &world.user(GUARD),
                What::Create("authorization.k8s.io", "subjectaccessreviews"),
            )
            .await;
        Some(world)
    }

    /// Lets the default ServiceAccount read `/metrics`.
    pub(crate) async fn grant_metrics(&self) {
        self.grant_metrics_to(&self.account("default"), &self.user("default")).await;
    }

    /// Lets a subject, written in YAML, read `/metrics`; `user` is the name by which reviews know it.
    pub(crate) async fn grant_metrics_to(&self, subject: &str, user: &str) {
        self.bind("metrics", "[{nonResourceURLs: [/metrics], verbs: [get]}]", subject).await;
        self.wait_until_allowed(user, What::Get("/metrics")).await;
    }

    async fn bind(&self, name: &str, rules: &str, subject: &str) {
        let name = format!("{}-{name}", self.namespace);
        let manifest = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {name}}}, rules: {rules}}}\n---\n\
             {{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {name}}}, \
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}, subjects: [{subject}]}}"
        );
        self.cluster.apply(&manifest, self.namespace).await.unwrap();
    }

    /// A ServiceAccount of this namespace as a subject.
    fn account(&self, name: &str) -> String {
        format!("{{kind: ServiceAccount, name: {name}, namespace: {}}}", self.namespace)
    }

    /// The user name of a ServiceAccount of this namespace.
    pub(crate) fn user(&self, account: &str) -> String {
        format!("system:serviceaccount:{}:{account}", self.namespace)
    }

    /// The API server learns of roles by a watch of its own; there is nothing to wait on but its answer.
    pub(crate) async fn wait_until_allowed(&self, user: &str, what: What<'_>) {
        while !self.is_allowed(user, what).await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) async fn is_allowed(&self, user: &str, what: What<'_>) -> bool {
        let reviews: Api<SubjectAccessReview> = Api::all(self.cluster.client().await.unwrap());
        let mut spec = SubjectAccessReviewSpec { user: Some(user.to_owned()), ..Default::default() };
        // What every token's user is a member of.
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
        }
        let review = SubjectAccessReview { spec, ..Default::default() };
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    }

    /// A token of the client's ServiceAccount, `default`.
    pub(crate) async fn token(&self) -> String {
        self.cluster.token(self.namespace, "default", &[]).await.unwrap()
    }

    /// A guard in front of the upstream, called by the reference's name, with more flags.
    pub(crate) async fn guard(&self, flags: &[&str]) -> Guard {
        let upstream = format!("--upstream={}", self.upstream.url());
        let flags: Vec<&str> = [&*upstream].into_iter().chain(flags.iter().copied()).collect();
        self.guard_of(GUARD, &flags).await
    }

    /// A guard with these flags alone besides its address and kubeconfig, as a ServiceAccount of this namespace.
    pub(crate) async fn guard_of(&self, account: &str, flags: &[&str]) -> Guard {
        let port = free_port().unwrap();
        let kubeconfig = self.cluster.kubeconfig_of(self.namespace, account).await.unwrap();
        let mut command = self.command();
        command
            .arg(format!("--secure-listen-address=127.0.0.1:{port}"))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .args(flags);
        let name = format!("{}-guard-{port}", self.namespace);
        let mut process = self.cluster.sandbox().start(&name, command).unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = process.ended().unwrap() {
                panic!("the guard ended ({status}):\n{}", process.last_words());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Guard { process, url: format!("https://127.0.0.1:{port}") }
    }

    /// The binary under the name by which manifests call the reference.
    pub(crate) fn command(&self) -> Command {
        let name =
            self.cluster.sandbox().dir().join(format!("{}-bin", self.namespace)).join("kube-rbac-proxy");
        if !name.exists() {
            std::fs::create_dir_all(name.parent().expect("it lies in a folder")).unwrap();
            symlink(env!("CARGO_BIN_EXE_parapet"), &name).unwrap();
        }
        let mut command = Command::new(name);
        command.current_dir(self.cluster.sandbox().dir());
        command
    }

    /// A file in the sandbox, its name made this scenario's own; the path as text.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.cluster.sandbox().write(&format!("{}-{name}", self.namespace), text).unwrap();
        path_text(&path)
    }
}

/// What a user wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    /// Read a path.
    Get(&'a str),
    /// Create a resource: group, plural.
    Create(&'a str, &'a str),
}

pub(crate) fn path_text(path: &Path) -> String {
    path.to_str().expect("the sandbox's path is text").to_owned()
}
