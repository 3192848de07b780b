//! How the service mesh is set up, as far as the operator may read it: which revision a tag stands for, two ConfigMaps of each by their
//! names, and whether a DaemonSet of its CNI plugin is there.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;

use super::{Asked, Reader, Unseen};
use crate::mesh::{CNI, CONFIGURATION, Facts, INJECTION, INJECTOR, MESH, NAMESPACE, REVISION, TAG, VALUES};

/// Where that DaemonSet is besides the mesh's own namespace, by Istio's documentation.
const CNI_NAMESPACES: [&str; 2] = [NAMESPACE, "kube-system"];
/// The revision that namespaces without one have.
const DEFAULT: &str = "default";
/// More revisions at a time than upgrades of a mesh have; those beyond count as not seen.
const MOST_REVISIONS: usize = 8;

/// One revision of the mesh.
#[derive(Clone, Debug, Default)]
pub(in crate::pass) struct Installed {
    /// What is known of it.
    pub(in crate::pass) facts: Facts,
    /// What couldn't be read of it.
    pub(in crate::pass) unseen: Vec<Unseen>,
}

/// All revisions that namespaces ask for.
#[derive(Clone, Debug, Default)]
pub(in crate::pass) struct Revisions {
    /// By their own names.
    installed: BTreeMap<String, Installed>,
    /// The revisions that tags stand for.
    tags: BTreeMap<String, String>,
}

impl Revisions {
    /// The one that gives a namespace's pods their proxies.
    pub(in crate::pass) fn of(&self, namespace: Option<&Namespace>) -> Installed {
        let asked = namespace.and_then(revision).unwrap_or(DEFAULT);
        let revision = self.tags.get(asked).map_or(asked, String::as_str);
        self.installed.get(revision).cloned().unwrap_or_else(|| Installed {
            unseen: vec![Unseen::new(format!("revision {revision} of the mesh"), "it is one of too many")],
            ..Installed::default()
        })
    }
}

/// Reads what there is in `mesh`, the mesh's own namespace, of every revision that namespaces ask for.
pub(super) async fn read(reader: &mut Reader<'_>, namespaces: &[Namespace], mesh: &str) -> Revisions {
    let configurations = Api::<MutatingWebhookConfiguration>::all(reader.client());
    let tagged = reader.list(&configurations, TAG).await.listed("the mesh's tags");
    let tags: BTreeMap<String, String> = tagged.items.iter().filter_map(|one| tag(one, mesh)).collect();
    // A pod asks for its proxy by itself where its namespace doesn't.
    let asked = namespaces.iter().filter_map(revision).chain([DEFAULT]);
    let all: BTreeSet<&str> = asked.map(|asked| tags.get(asked).map_or(asked, String::as_str)).collect();
    let mut installed = BTreeMap::new();
    for revision in all.into_iter().take(MOST_REVISIONS) {
        let mut found = one(reader, revision, mesh).await;
        if !found.unseen.is_empty() {
            // It may be a tag.
            found.unseen.extend(tagged.unseen.clone());
        }
        installed.insert(revision.to_owned(), found);
    }
    Revisions { installed, tags }
}

/// A tag, and the revision that it stands for, if it is of the mesh whose namespace that is.
fn tag(configuration: &MutatingWebhookConfiguration, mesh: &str) -> Option<(String, String)> {
    let labels = configuration.metadata.labels.as_ref()?;
    let webhooks = configuration.webhooks.iter().flatten();
    let mut services = webhooks.filter_map(|webhook| webhook.client_config.service.as_ref());
    let is_its_own = services.all(|service| service.namespace == mesh);
    is_its_own.then_some((labels.get(TAG)?.clone(), labels.get(REVISION)?.clone()))
}

/// Which revision of the mesh a namespace asks for.
fn revision(namespace: &Namespace) -> Option<&str> {
    let labels = namespace.metadata.labels.as_ref()?;
    match labels.get(INJECTION).map(String::as_str) {
        Some("enabled") => Some(DEFAULT),
        Some(_) => None,
        None => labels.get(REVISION).map(String::as_str),
    }
}

async fn one(reader: &mut Reader<'_>, revision: &str, mesh: &str) -> Installed {
    let mut installed = Installed::default();
    let named = |name: &str| match revision {
        DEFAULT => name.to_owned(),
        revision => format!("{name}-{revision}"),
    };
    let (configuration, injector) = (named(CONFIGURATION), named(INJECTOR));
    let maps = Api::<ConfigMap>::namespaced(reader.client(), mesh);
    let text = |map: ConfigMap, key: &str| map.data.unwrap_or_default().remove(key);
    let Installed { facts, unseen } = &mut installed;
    let mut doubt = |name: &str, why: String| {
        unseen.push(Unseen::new(format!("ConfigMap {mesh}/{name}"), why));
    };
    match reader.get(&maps, &configuration).await {
        Asked::Found(map) => {
            if let Err(error) = facts.add_mesh(text(map, MESH).as_deref()) {
                doubt(&configuration, error.to_string());
            }
        }
        other => doubt(&configuration, other.why().to_owned()),
    }
    match reader.get(&maps, &injector).await {
        Asked::Found(map) => {
            if let Err(error) = facts.add_values(text(map, VALUES).as_deref()) {
                doubt(&injector, error.to_string());
            }
        }
        other => doubt(&injector, other.why().to_owned()),
    }
    // By Istio's chart it is the one where the mesh is.
    facts.root_namespace.get_or_insert_with(|| mesh.to_owned());
    if facts.cni.is_none() {
        cni(reader, &mut installed, mesh).await;
    }
    installed
}

/// Old injectors don't say whether they leave the redirection of traffic to a plugin; where there is none they don't.
async fn cni(reader: &mut Reader<'_>, installed: &mut Installed, mesh: &str) {
    let mut is_absent = true;
    let places: BTreeSet<&str> = CNI_NAMESPACES.into_iter().chain([mesh]).collect();
    for namespace in places {
        match reader.get(&Api::<DaemonSet>::namespaced(reader.client(), namespace), CNI).await {
            Asked::Found(_) => {
                installed.facts.cni = Some(true);
                return;
            }
            Asked::Absent => {}
            other @ (Asked::Forbidden | Asked::Failed) => {
                is_absent = false;
                installed.unseen.push(Unseen::new(format!("DaemonSet {namespace}/{CNI}"), other.why()));
            }
        }
    }
    installed.facts.cni = is_absent.then_some(false);
}
