//! Objects that make pods, with the place of their pod template.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use parapet_manifest::{Document, Node};
use parapet_reach::operators::{is_group, made_of};

use super::container::{self, Container, Port};
use super::role::{self, Role};
use super::{labels, namespace_of};
use crate::options::Options;

/// An object that makes pods, or one group of pods that an operator makes of it.
pub struct Workload<'a> {
    /// Its number in the world.
    pub number: usize,
    /// Its object.
    pub document: &'a Document,
    /// Its namespace.
    pub namespace: &'a str,
    /// The name of what runs: the object's own, or what an operator makes of it.
    pub name: String,
    /// The pods' labels.
    pub labels: BTreeMap<String, String>,
    pub(crate) role: Option<Role>,
    /// An operator fills in what the template leaves out.
    pub(crate) managed: bool,
    /// Where the pod template is in the object; `spec` and `metadata` are below it.
    pub(crate) template: String,
    pub(crate) containers: Vec<Container<'a>>,
    /// Ports that an operator adds.
    pub(crate) implied_ports: &'static [(&'static str, u16)],
}

impl fmt::Display for Workload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.namespace, self.name, self.document.kind)
    }
}

impl<'a> Workload<'a> {
    /// `pointer` below the pod template as one of the object.
    pub(crate) fn pointer(&self, pointer: &str) -> String {
        format!("{}{pointer}", self.template)
    }

    /// Its object, as an owner reference names it, with its namespace.
    fn key(&self) -> (&'a str, &'a str, &'a str) {
        (self.namespace, &self.document.kind, &self.document.name)
    }

    /// A node below the pod template.
    pub(crate) fn at(&self, pointer: &str) -> Option<&'a Node> {
        self.document.at(&self.pointer(pointer))
    }

    /// The pods' annotations.
    pub(crate) fn annotation(&self, name: &str) -> Option<&'a str> {
        self.at("/metadata/annotations")?.get(name)?.as_str()
    }

    /// Containers that run all the time.
    pub(crate) fn main_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers.iter().filter(|container| container.runs())
    }

    /// Declared and implied ports.
    pub(crate) fn ports(&self) -> Vec<Port<'a>> {
        let declared = self.main_containers().flat_map(Container::ports);
        let implied = self.implied_ports.iter().map(|(name, number)| Port::implied(name, *number));
        declared.chain(implied).collect()
    }

    /// `spec.<field>` as a truth value.
    pub(crate) fn flag(&self, field: &str) -> bool {
        self.at("/spec").and_then(|spec| spec.get(field)?.as_bool()).unwrap_or(false)
    }

    /// The service account that the pods run as.
    pub(crate) fn service_account(&self) -> &'a str {
        let spec = self.at("/spec");
        ["serviceAccountName", "serviceAccount"]
            .iter()
            .find_map(|field| spec?.get(field)?.as_str())
            .or_else(|| self.document.at("/spec/serviceAccountName").and_then(Node::as_str))
            .or_else(|| self.document.at("/spec/serviceAccount").and_then(Node::as_str))
            .unwrap_or("default")
    }

    /// Volumes with their pointers below the template.
    pub(crate) fn volumes(&self) -> Vec<(String, &'a Node)> {
        let volumes = self.at("/spec/volumes").map_or(&[] as &[Node], Node::items);
        volumes.iter().enumerate().map(|(index, volume)| (format!("/spec/volumes/{index}"), volume)).collect()
    }

    /// Whether it has this role.
    pub(crate) fn has_role(&self, role: Role) -> bool {
        self.role == Some(role)
    }
}

/// Kind, pointer of the template, for Kubernetes' own kinds.
const TEMPLATES: &[(&str, &str)] = &[
    ("Pod", ""),
    ("Deployment", "/spec/template"),
    ("StatefulSet", "/spec/template"),
    ("DaemonSet", "/spec/template"),
    ("ReplicaSet", "/spec/template"),
    ("ReplicationController", "/spec/template"),
    ("Job", "/spec/template"),
    ("CronJob", "/spec/jobTemplate/spec/template"),
];

/// All workloads of the documents, numbered.
pub(super) fn all<'a>(documents: &'a [Document], options: &'a Options) -> Vec<Workload<'a>> {
    let mut workloads = Vec::new();
    for document in documents {
        if let Some((_, template)) = TEMPLATES.iter().find(|(kind, _)| *kind == &*document.kind) {
            workloads.push(make(
                document,
                (*template).to_owned(),
                document.name.to_string(),
                &[],
                &[],
                options,
            ));
            continue;
        }
        operators_kinds(document, options, &mut workloads);
    }
    let known: HashSet<(&str, &str, &str)> = workloads.iter().map(Workload::key).collect();
    workloads.retain(|workload| !is_of_another(workload, &known, options));
    for (number, workload) in workloads.iter_mut().enumerate() {
        workload.number = number;
    }
    workloads
}

/// Whether what controls it was read, too, and is the workload that people know: a Deployment, not its ReplicaSets and Pods.
fn is_of_another(workload: &Workload<'_>, known: &HashSet<(&str, &str, &str)>, options: &Options) -> bool {
    let owners = workload.document.at("/metadata/ownerReferences").map_or(&[] as &[Node], Node::items);
    let is_known = |owner: &Node| {
        let text = |field: &str| owner.get(field).and_then(Node::as_str).unwrap_or_default();
        known.contains(&(workload.namespace, text("kind"), text("name")))
    };
    // A Pod whose controller was not read is looked at only if every workload is.
    let stray = &*workload.document.kind == "Pod" && !owners.is_empty() && !options.every_workload;
    stray || owners.iter().any(is_known)
}

/// What ECK and the Prometheus and OpenTelemetry operators make of their kinds.
fn operators_kinds<'a>(document: &'a Document, options: &'a Options, workloads: &mut Vec<Workload<'a>>) {
    if !is_group(document.group()) {
        return;
    }
    for made in made_of(&document.root.to_json(), &options.namespace) {
        let own: Vec<(&str, &str)> = labels(document.at(&format!("{}/labels", made.metadata)))
            .into_iter()
            .chain(made.labels.iter().map(|(key, value)| (*key, value.as_str())))
            .collect();
        // Whatever has no pod template of its own is looked at by the rules that know its kind.
        let template = match made.metadata.strip_suffix("/metadata") {
            Some("") => "/spec/podTemplate",
            Some(template) => template,
            None => made.metadata.as_str(),
        };
        workloads.push(make(document, template.to_owned(), made.name, &own, made.ports, options));
    }
}

fn make<'a>(
    document: &'a Document,
    template: String,
    name: String,
    own: &[(&str, &str)],
    implied_ports: &'static [(&'static str, u16)],
    options: &'a Options,
) -> Workload<'a> {
    let managed = !own.is_empty();
    let containers = container::all(document, &template);
    let all: BTreeMap<String, String> = labels(document.at(&format!("{template}/metadata/labels")))
        .into_iter()
        .chain(own.iter().copied())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let images: Vec<&str> = containers.iter().filter(|c| c.runs()).filter_map(Container::image).collect();
    let names =
        std::iter::once(name.as_str()).chain(all.values().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let role = role::detect(&document.kind, &images, &names);
    Workload {
        number: 0,
        document,
        namespace: namespace_of(document, options),
        name,
        labels: all,
        role,
        managed,
        template,
        containers,
        implied_ports,
    }
}
