//! Clusters that live: they grow and shrink, are upgraded, moved, paused, broken and deleted, and the operator with them.

mod bad_input;
mod bad_server;
mod deletion;
mod dialled;
mod formation;
mod hanging;
mod idle;
mod killed;
mod lease;
mod licence;
mod meanwhile;
mod monitoring;
mod new_cluster;
mod phases;
mod policies;
pub(crate) mod references;
mod remote_clusters;
mod resources;
mod scale;
mod trial;
mod unreachable;
mod upgrade;

use anyhow::Result;
use parapet_api::{ConditionState, ConditionType, Elasticsearch};
use serde_json::{Value, json};

use crate::world::{Bystanders, Setup, World};

/// The name of the cluster in each scenario.
pub(crate) const NAME: &str = "quickstart";

/// A group of nodes.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) count: u32,
    /// `node.roles`; all if there is none.
    pub(crate) roles: Option<&'static [&'static str]>,
    /// The class and size of each node's volume; it has none that lasts without.
    pub(crate) storage: Option<(&'static str, &'static str)>,
}

impl Group {
    pub(crate) fn new(name: &'static str, count: u32) -> Self {
        Self { name, count, roles: None, storage: None }
    }

    pub(crate) fn with_roles(self, roles: &'static [&'static str]) -> Self {
        Self { roles: Some(roles), ..self }
    }

    pub(crate) fn with_storage(self, class: &'static str, size: &'static str) -> Self {
        Self { storage: Some((class, size)), ..self }
    }

    fn object(&self) -> Value {
        let mut object = json!({ "name": self.name, "count": self.count });
        if let Some(roles) = self.roles {
            object["config"] = json!({ "node.roles": roles });
        }
        match self.storage {
            Some((class, size)) => {
                object["volumeClaimTemplates"] = json!([{
                    "metadata": { "name": "elasticsearch-data" },
                    "spec": {
                        "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                        "resources": { "requests": { "storage": size } },
                    },
                }]);
            }
            // Volumes that need nobody to bind them, so that kwok's pods run.
            None => {
                let volumes = json!([{ "name": "elasticsearch-data", "emptyDir": {} }]);
                object["podTemplate"] = json!({ "spec": { "volumes": volumes } });
            }
        }
        object
    }
}

/// `spec.nodeSets`.
pub(crate) fn node_sets(groups: &[Group]) -> Value {
    groups.iter().map(Group::object).collect()
}

/// An Elasticsearch of that version.
pub(crate) fn elasticsearch(version: &str, groups: &[Group]) -> Value {
    json!({
        "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
        "metadata": { "name": NAME },
        "spec": { "version": version, "nodeSets": node_sets(groups) },
    })
}

/// Runs a scenario in a namespace of its own, and sees to it that nothing happened that must never happen.
pub(crate) async fn scenario(
    namespace: &str,
    setup: Setup,
    run: impl AsyncFnOnce(&World) -> Result<()>,
) -> Result<()> {
    let Some(world) = World::start_with(namespace, setup).await? else { return Ok(()) };
    world.testbed.kwok().await?;
    let world = world.with_volumes().await?;
    let bystanders = Bystanders::make(&world, NAME).await?;
    run(&world).await?;
    bystanders.are_untouched(&world).await?;
    world.is_sound().await
}

/// Whether the status says that the last pass waits, with these words.
pub(crate) fn says(es: &Elasticsearch, words: &str) -> bool {
    let conditions = es.status.iter().flat_map(|status| &status.conditions);
    conditions.filter(|one| one.kind == ConditionType::ReconciliationComplete).any(|one| {
        one.status == ConditionState::False && one.message.as_ref().is_some_and(|text| text.contains(words))
    })
}
