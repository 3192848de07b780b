//! The manifests as rules look at them: workloads with their roles, policies with what they select, configurations.

mod config;
mod container;
mod embedded;
mod identity;
mod listener;
mod policy;
mod role;
mod workload;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use parapet_manifest::{Document, Node};

pub(crate) use config::{Config, Setting, Settings};
pub(crate) use container::{Container, ContainerKind, Port};
pub(crate) use identity::{Binding, Grant, grants};
pub(crate) use listener::{Collector, Listener, Purpose, address};
pub(crate) use policy::{Direction, Policy, PolicyRule, selector_matches};
pub(crate) use role::Role;
pub use workload::Workload;

use crate::finding::ObjectRef;
use crate::least::Shown;
use crate::options::Options;
use crate::reach::{End, Protocol, Reach};

/// All that the rules see.
pub struct World<'a> {
    /// The objects.
    pub documents: &'a [Document],
    /// Those that make pods, operators' kinds included.
    pub workloads: Vec<Workload<'a>>,
    pub(crate) policies: Vec<Policy<'a>>,
    pub(crate) settings: Vec<Settings<'a>>,
    pub(crate) collectors: Vec<Collector<'a>>,
    pub(crate) options: &'a Options,
    pub(crate) reach: Option<&'a dyn Reach>,
    /// Looked for when the first patch asks.
    shown: OnceCell<Shown>,
}

/// The sources that reach a port, in words.
pub(crate) struct Sources<'w, 'a> {
    pub workloads: Vec<&'w Workload<'a>>,
    pub outside: bool,
}

impl<'a> World<'a> {
    /// The world of `documents`; reachability is added with [`World::with_reach`].
    pub fn new(documents: &'a [Document], options: &'a Options) -> Self {
        let workloads: Vec<Workload<'a>> = workload::all(documents, options);
        let policies = policy::all(documents, &workloads, options);
        let settings = config::all(documents, &workloads, options);
        let collectors = listener::collectors(documents, &workloads, options);
        Self {
            documents,
            workloads,
            policies,
            settings,
            collectors,
            options,
            reach: None,
            shown: OnceCell::new(),
        }
    }

    /// The same with answers about reachability.
    pub fn with_reach(mut self, reach: &'a dyn Reach) -> Self {
        self.reach = Some(reach);
        self
    }

    /// The objects of a kind.
    pub(crate) fn kind(&self, kind: &str) -> impl Iterator<Item = &'a Document> {
        self.documents.iter().filter(move |document| &*document.kind == kind)
    }

    /// The object of a kind, namespace and name.
    pub(crate) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&'a Document> {
        self.kind(kind).find(|document| &*document.name == name && self.namespace(document) == namespace)
    }

    /// The namespace that an object is in, or falls to.
    pub(crate) fn namespace(&self, document: &'a Document) -> &'a str {
        namespace_of(document, self.options)
    }

    /// The workloads that the rules are about: those with a role, or all if an option says so.
    pub(crate) fn obs(&self) -> impl Iterator<Item = &Workload<'a>> {
        self.workloads.iter().filter(|workload| workload.role.is_some() || self.options.every_workload)
    }

    /// The workloads of some roles.
    pub(crate) fn of<'s>(&'s self, roles: &'s [Role]) -> impl Iterator<Item = &'s Workload<'a>> + 's {
        self.workloads.iter().filter(|workload| workload.role.is_some_and(|role| roles.contains(&role)))
    }

    /// Namespaces with at least one workload of a role.
    pub(crate) fn obs_namespaces(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.obs().map(|workload| workload.namespace).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A Namespace object.
    pub(crate) fn namespace_object(&self, name: &str) -> Option<&'a Document> {
        self.kind("Namespace").find(|document| &*document.name == name)
    }

    /// Labels of a namespace, its name's own included.
    pub(crate) fn namespace_labels(&self, name: &str) -> BTreeMap<&str, &'a str> {
        let mut labels: BTreeMap<&str, &str> = self
            .namespace_object(name)
            .map(|object| labels(object.at("/metadata/labels")))
            .unwrap_or_default();
        if let Some(workload) = self.workloads.iter().find(|workload| workload.namespace == name) {
            labels.insert("kubernetes.io/metadata.name", workload.namespace);
        }
        labels
    }

    /// The workloads that a Service sends to.
    pub(crate) fn backends(&self, service: &'a Document) -> Vec<&Workload<'a>> {
        let Some(selector) = service.at("/spec/selector").filter(|node| !node.entries().is_empty()) else {
            return Vec::new();
        };
        let namespace = self.namespace(service);
        let wanted = labels(Some(selector));
        self.workloads
            .iter()
            .filter(|workload| {
                workload.namespace == namespace
                    && wanted
                        .iter()
                        .all(|(key, value)| workload.labels.get(*key).is_some_and(|has| has == value))
            })
            .collect()
    }

    /// The policies that isolate a workload in a direction.
    pub(crate) fn isolating(
        &self,
        workload: &Workload<'a>,
        direction: Direction,
    ) -> impl Iterator<Item = &Policy<'a>> {
        let number = workload.number;
        self.policies.iter().filter(move |policy| policy.has(direction) && policy.selects.contains(&number))
    }

    /// Whether the component asks the API server: by its role, its proxy, its configuration or its bindings.
    pub(crate) fn asks_api_server(&self, workload: &Workload<'_>) -> bool {
        let by_config = self.collectors.iter().any(|collector| {
            collector.workloads.contains(&workload.number) && {
                let text = collector.root.to_json().to_string();
                text.contains("k8s") || text.contains("kubernetes")
            }
        });
        workload.role.is_some_and(Role::calls_api)
            || workload.containers.iter().any(|container| container.is_rbac_proxy())
            || by_config
            || !self.bindings_of(workload.namespace, workload.service_account()).is_empty()
    }

    /// Who opens connections to whom, as far as the input shows it.
    pub(crate) fn shown(&self) -> &Shown {
        self.shown.get_or_init(|| Shown::of(self))
    }

    /// Whether a connection is let through. Without reachability every connection is.
    pub(crate) fn allows(&self, from: End, to: End, protocol: Protocol, port: u16) -> bool {
        self.reach.is_none_or(|reach| reach.allows(from, to, protocol, port))
    }

    /// Who reaches a port of a workload, other than its own pods and what `intended` names.
    pub(crate) fn sources(
        &self,
        to: &Workload<'a>,
        protocol: Protocol,
        port: u16,
        intended: impl Fn(&Workload<'a>) -> bool,
    ) -> Sources<'_, 'a> {
        let end = End::Workload(to.number);
        let workloads = self
            .workloads
            .iter()
            .filter(|from| from.number != to.number && !intended(from))
            .filter(|from| self.allows(End::Workload(from.number), end, protocol, port))
            .collect();
        Sources { workloads, outside: self.allows(End::Outside, end, protocol, port) }
    }

    /// Names an object in findings.
    pub(crate) fn object_ref(&self, document: &'a Document) -> ObjectRef {
        self.object_ref_of(document)
    }

    /// Names any object.
    pub(crate) fn object_ref_of(&self, document: &Document) -> ObjectRef {
        let cluster_wide = matches!(
            &*document.kind,
            "Namespace"
                | "ClusterRole"
                | "ClusterRoleBinding"
                | "Node"
                | "AdminNetworkPolicy"
                | "BaselineAdminNetworkPolicy"
                | "ClusterNetworkPolicy"
                | "MeshPolicy"
                | "PersistentVolume"
        );
        ObjectRef {
            api_version: document.api_version.clone(),
            kind: document.kind.clone(),
            namespace: (!cluster_wide).then(|| {
                document.namespace.clone().unwrap_or_else(|| self.options.namespace.as_str().into())
            }),
            name: document.name.clone(),
        }
    }
}

impl Sources<'_, '_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.workloads.is_empty() && !self.outside
    }

    /// "14 workloads and any address outside of the cluster".
    pub(crate) fn words(&self) -> String {
        let workloads = match self.workloads.as_slice() {
            [] => None,
            [one] => Some(one.to_string()),
            [one, two] => Some(format!("{one} and {two}")),
            many => Some(format!("{} workloads", many.len())),
        };
        match (workloads, self.outside) {
            (Some(workloads), true) => format!("{workloads} and any address outside of the cluster"),
            (Some(workloads), false) => workloads,
            (None, true) => "any address outside of the cluster".to_owned(),
            (None, false) => "nobody".to_owned(),
        }
    }

    pub(crate) fn evidence(&self) -> Vec<String> {
        let outside = self.outside.then(|| "any address outside of the cluster".to_owned());
        self.workloads.iter().map(ToString::to_string).chain(outside).collect()
    }
}

/// The string entries of a mapping.
pub(crate) fn labels(node: Option<&Node>) -> BTreeMap<&str, &str> {
    node.map_or(&[] as &[_], Node::entries)
        .iter()
        .filter_map(|entry| Some((&*entry.key.name, entry.value.as_str()?)))
        .collect()
}

pub(crate) fn namespace_of<'a>(document: &'a Document, options: &'a Options) -> &'a str {
    document.namespace.as_deref().unwrap_or(&options.namespace)
}
