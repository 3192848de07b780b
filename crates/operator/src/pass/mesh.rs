//! Whether the service mesh fits an application: the thirteen checks, as a condition and as events.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::DynamicObject;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana};
use serde_json::json;

use super::surroundings::{self, FRESH, Installed};
use super::{Context, UNDER_WAY, controller};
use crate::ObjectKey;
use crate::controller::Next;
use crate::events::{News, Reason, Related};
use crate::mesh::{Answer, Check, Finding, Istio, Seen, findings};

/// The one application that is looked at.
#[derive(Clone, Copy, Default)]
pub(super) struct Looked<'a> {
    pub(super) elasticsearches: &'a [Elasticsearch],
    pub(super) kibanas: &'a [Kibana],
    pub(super) apm_servers: &'a [ApmServer],
}

/// Whether a mesh fits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// There is no mesh.
    NoMesh,
    /// Nobody can say for now.
    Unknown,
    /// What would have to be read for an answer can't be.
    Unseen(String),
    /// What doesn't fit.
    Found(Vec<Finding>),
}

impl Fit {
    /// When to look again: nobody tells of changes of a mesh. What fits is looked at when there is another reason to.
    pub(super) fn next(&self) -> Next {
        match self {
            Self::NoMesh | Self::Unseen(_) => Next::Wait,
            Self::Unknown => Next::After(UNDER_WAY),
            Self::Found(findings) if findings.is_empty() => Next::Wait,
            Self::Found(_) => Next::After(FRESH),
        }
    }
}

/// What an event says that isn't of one check.
const UNSEEN: &str = "MeshChecks";

pub(super) async fn check<K: Application>(
    cx: &Context,
    owner: &K,
    looked: Looked<'_>,
    pods: &[Arc<Pod>],
    answer: Option<Answer>,
) -> Fit {
    let around = cx.surroundings.look(&cx.cluster, &cx.options.operator).await;
    if cx.surroundings.is_off() {
        return Fit::NoMesh;
    }
    if around.is_incomplete {
        return Fit::Unknown;
    }
    if around.namespaces.is_none() {
        let why = "Whether there is a service mesh can't be seen: the operator may not list namespaces";
        return unseen(cx, owner, why.to_owned());
    }
    if !around.has_mesh() {
        cx.events.over(owner, Reason::Mesh);
        return Fit::NoMesh;
    }
    let (namespace, name) = (owner.object_namespace(), owner.object_name());
    let label = K::KIND.name_label();
    let services = cx.cluster.labelled::<Service>(Some(namespace), label, name);
    let pods: Vec<Pod> =
        pods.iter().map(|pod| (**pod).clone()).chain(around.operator_pods.items.iter().cloned()).collect();
    let mut installed = around.installed(namespace);
    installed.facts.add_pods(&pods);
    let judge = Judge {
        cx,
        looked,
        around: &around,
        namespaces: namespaces(&around, [namespace, cx.options.operator.namespace.as_str()]),
        pods,
        services: services.iter().map(|service| (**service).clone()).collect(),
        answers: answer.map(|answer| (ObjectKey::new(namespace, name), answer)).into_iter().collect(),
    };
    let found = judge.findings(&installed.facts.at_best(), &[], &[]);
    tell(cx, owner, &found);
    if found.is_empty()
        && let Some(why) = judge.doubts(&installed)
    {
        return unseen(cx, owner, why);
    }
    cx.events.over_at(owner, Reason::Mesh, UNSEEN);
    Fit::Found(found)
}

/// What a mesh and an application are judged by.
struct Judge<'a> {
    cx: &'a Context,
    looked: Looked<'a>,
    around: &'a surroundings::Seen,
    namespaces: Vec<Namespace>,
    pods: Vec<Pod>,
    services: Vec<Service>,
    answers: BTreeMap<ObjectKey, Answer>,
}

impl Judge<'_> {
    /// What doesn't fit; `mtls` and `rules`: objects that there may be besides those that were read.
    fn findings(&self, istio: &Istio, mtls: &[DynamicObject], rules: &[DynamicObject]) -> Vec<Finding> {
        let with = |read: &[DynamicObject], more: &[DynamicObject]| [read, more].concat();
        let options = &self.cx.options;
        findings(&Seen {
            elasticsearches: self.looked.elasticsearches,
            kibanas: self.looked.kibanas,
            apm_servers: self.looked.apm_servers,
            namespaces: &self.namespaces,
            pods: &self.pods,
            services: &self.services,
            peer_authentications: &with(&self.around.peer_authentications.items, mtls),
            destination_rules: &with(&self.around.destination_rules.items, rules),
            answers: &self.answers,
            istio,
            operator_namespace: &options.operator.namespace,
            dialling: options.dialling,
            webhook_port: options.webhook_port,
        })
    }

    /// Which checks find nothing only because something can't be seen, and what that is; nothing if all could be decided.
    fn doubts(&self, installed: &Installed) -> Option<String> {
        let around = self.around;
        let worst = installed.facts.at_worst();
        let in_mesh = |unseen: bool, kind: &str, spec: serde_json::Value| -> Vec<DynamicObject> {
            let object = json!({ "kind": kind, "spec": spec,
                "metadata": { "name": "unseen", "namespace": worst.root_namespace } });
            serde_json::from_value(object).ok().filter(|_| unseen).into_iter().collect()
        };
        let strict = json!({ "mtls": { "mode": "STRICT" } });
        let mtls = in_mesh(around.peer_authentications.unseen.is_some(), "PeerAuthentication", strict);
        let disabled = json!({ "host": "*", "trafficPolicy": { "tls": { "mode": "DISABLE" } } });
        let rules = in_mesh(around.destination_rules.unseen.is_some(), "DestinationRule", disabled);
        let doubtful = self.findings(&worst, &mtls, &rules);
        let mut checks: Vec<&str> = doubtful.iter().map(|finding| finding.check.id()).collect();
        if around.operator_pods.unseen.is_some() {
            // Both are about the operator's own proxy.
            checks.extend([Check::HostsCovered.id(), Check::WebhookExcluded.id()]);
        }
        checks.dedup();
        if checks.is_empty() {
            return None;
        }
        let lists = [&around.peer_authentications.unseen, &around.destination_rules.unseen];
        let pods = &around.operator_pods.unseen;
        let unseen = lists.into_iter().chain([pods]).flatten().chain(&installed.unseen);
        let mut why: Vec<String> = unseen.map(ToString::to_string).collect();
        why.dedup();
        if why.is_empty() {
            why.push("what was read of the mesh doesn't say it".to_owned());
        }
        Some(format!(
            "Whether the service mesh fits can't be seen ({}): {}",
            checks.join(", "),
            why.join("; ")
        ))
    }
}

fn namespaces(around: &surroundings::Seen, concerned: [&str; 2]) -> Vec<Namespace> {
    let is_concerned =
        |one: &&Namespace| one.metadata.name.as_deref().is_some_and(|name| concerned.contains(&name));
    around.namespaces.iter().flatten().filter(is_concerned).cloned().collect()
}

/// Tells of each finding once, until it is gone: of several of one check, too.
fn tell<K: Application>(cx: &Context, owner: &K, found: &[Finding]) {
    for check in Check::ALL {
        let mut problems: BTreeMap<Related, String> = BTreeMap::new();
        for finding in found.iter().filter(|finding| finding.check == check) {
            let text = problems.entry(related(finding)).or_default();
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(&sentence(finding));
        }
        cx.events.tell_each(controller(K::KIND), owner, (Reason::Mesh, check.id()), problems);
    }
}

fn related(finding: &Finding) -> Related {
    let subject = &finding.subject;
    let kind = parapet_api::Kind::ALL.into_iter().find(|kind| kind.name() == subject.kind);
    match kind {
        Some(kind) => Related::application(kind, &subject.namespace, &subject.name),
        None => Related::core(subject.kind, &subject.namespace, &subject.name),
    }
}

fn unseen<K: Application>(cx: &Context, owner: &K, why: String) -> Fit {
    cx.events.tell(controller(K::KIND), owner, News::normal(Reason::Mesh, UNSEEN, why.clone()));
    Fit::Unseen(why)
}

/// What is wrong, and what repairs it.
pub(super) fn sentence(finding: &Finding) -> String {
    let Finding { check, subject, sentence, fix, .. } = finding;
    format!("{}: {subject}: {sentence}; {fix}", check.id())
}
