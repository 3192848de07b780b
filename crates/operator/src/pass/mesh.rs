//! Whether the service mesh fits an application: the thirteen checks, as a condition and as events.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana};

use super::surroundings::FRESH;
use super::{Context, UNDER_WAY, controller};
use crate::ObjectKey;
use crate::controller::Next;
use crate::events::{News, Reason};
use crate::mesh::{Answer, Finding, Istio, Seen, findings};

/// The one application that is looked at.
#[derive(Clone, Copy, Default)]
pub(super) struct Looked<'a> {
    pub(super) elasticsearches: &'a [Elasticsearch],
    pub(super) kibanas: &'a [Kibana],
    pub(super) apm_servers: &'a [ApmServer],
}

/// Whether a mesh fits.
pub(super) enum Fit {
    /// There is no mesh.
    NoMesh,
    /// Nobody can say for now.
    Unknown,
    /// What doesn't fit.
    Found(Vec<Finding>),
}

impl Fit {
    /// When to look again: nobody tells of changes of a mesh. What fits is looked at when there is another reason to.
    pub(super) fn next(&self) -> Next {
        match self {
            Self::NoMesh => Next::Wait,
            Self::Unknown => Next::After(UNDER_WAY),
            Self::Found(findings) if findings.is_empty() => Next::Wait,
            Self::Found(_) => Next::After(FRESH),
        }
    }
}

pub(super) async fn check<K: Application>(
    cx: &Context,
    owner: &K,
    looked: Looked<'_>,
    pods: &[Arc<Pod>],
    answer: Option<Answer>,
) -> Fit {
    let around = cx.surroundings.look(&cx.cluster, &cx.options.operator).await;
    if around.is_incomplete {
        return Fit::Unknown;
    }
    if !around.has_mesh() {
        cx.events.over(owner, Reason::Mesh);
        return Fit::NoMesh;
    }
    let (namespace, name) = (owner.object_namespace(), owner.object_name());
    let concerned = [namespace, cx.options.operator.namespace.as_str()];
    let is_concerned =
        |one: &&Namespace| one.metadata.name.as_deref().is_some_and(|name| concerned.contains(&name));
    let namespaces: Vec<Namespace> =
        around.namespaces.iter().flatten().filter(is_concerned).cloned().collect();
    let pods: Vec<Pod> =
        pods.iter().map(|pod| (**pod).clone()).chain(around.operator_pods.iter().cloned()).collect();
    let label = K::KIND.name_label();
    let services = cx.cluster.labelled::<Service>(Some(namespace), label, name);
    let services: Vec<Service> = services.iter().map(|service| (**service).clone()).collect();
    let answers: BTreeMap<ObjectKey, Answer> =
        answer.map(|answer| (ObjectKey::new(namespace, name), answer)).into_iter().collect();
    let found = findings(&Seen {
        elasticsearches: looked.elasticsearches,
        kibanas: looked.kibanas,
        apm_servers: looked.apm_servers,
        namespaces: &namespaces,
        pods: &pods,
        services: &services,
        peer_authentications: &around.peer_authentications,
        destination_rules: &around.destination_rules,
        answers: &answers,
        istio: &Istio::default(),
        operator_namespace: &cx.options.operator.namespace,
        dialling: cx.options.dialling,
        webhook_port: cx.options.webhook_port,
    });
    if found.is_empty() {
        cx.events.over(owner, Reason::Mesh);
    }
    for finding in &found {
        let news = News::warning(Reason::Mesh, finding.check.id(), sentence(finding));
        cx.events.tell(controller(K::KIND), owner, news);
    }
    Fit::Found(found)
}

/// What is wrong, and what repairs it.
pub(super) fn sentence(finding: &Finding) -> String {
    let Finding { check, subject, sentence, fix, .. } = finding;
    format!("{}: {subject}: {sentence}; {fix}", check.id())
}
