//! Volumes for claims: kwok's pods wait for theirs, and nothing else here makes any.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use parapet_testbed::Cluster as Testbed;
use serde_json::{Value, json};

/// Whose volumes may grow.
pub(crate) const GROWS: &str = "grows";
/// Whose volumes may not.
pub(crate) const STAYS: &str = "stays";

/// Defines the two classes.
pub(crate) async fn define_classes(testbed: &Testbed) -> Result<()> {
    for (name, grows) in [(GROWS, true), (STAYS, false)] {
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": name },
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "Immediate",
            "allowVolumeExpansion": grows,
        });
        testbed.apply(&class.to_string(), "default").await?;
    }
    Ok(())
}

/// Gives every claim of the namespace a volume, and a larger one when it asks for more.
pub(crate) async fn provide(client: Client, namespace: String) -> Result<()> {
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let mut events = watcher(claims.clone(), watcher::Config::default()).boxed();
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    while let Some(event) = events.next().await {
        match event.context("failed to watch claims")? {
            Event::InitApply(claim) | Event::Apply(claim) => {
                // A claim that is gone meanwhile needs nothing.
                let _ = give(&client, &claims, &claim, &mut given).await;
            }
            Event::Delete(claim) => {
                let name = volume_of(&claim);
                let volumes = Api::<PersistentVolume>::all(client.clone());
                let _ = volumes.delete(&name, &DeleteParams::default()).await;
            }
            Event::Init | Event::InitDone => {}
        }
    }
    Ok(())
}

async fn give(
    client: &Client,
    claims: &Api<PersistentVolumeClaim>,
    claim: &PersistentVolumeClaim,
    given: &mut BTreeMap<String, String>,
) -> Result<()> {
    if claim.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let spec = claim.spec.clone().unwrap_or_default();
    let requests = spec.resources.and_then(|resources| resources.requests).unwrap_or_default();
    let Some(wanted) = requests.get("storage").map(|storage| storage.0.clone()) else { return Ok(()) };
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let (volume, name) = (volume_of(claim), claim.metadata.name.clone().unwrap_or_default());
    match given.get(&volume) {
        Some(has) if *has == wanted => return Ok(()),
        Some(_) => {
            let capacity: Value = json!({ "capacity": { "storage": wanted } });
            let larger = Patch::Merge(json!({ "spec": capacity }));
            volumes.patch(&volume, &PatchParams::default(), &larger).await?;
            let seen = Patch::Merge(json!({ "status": capacity }));
            claims.patch_status(&name, &PatchParams::default(), &seen).await?;
        }
        None => {
            let made = json!({
                "metadata": { "name": volume },
                "spec": {
                    "capacity": { "storage": wanted },
                    "accessModes": spec.access_modes,
                    "storageClassName": spec.storage_class_name,
                    "persistentVolumeReclaimPolicy": "Retain",
                    "hostPath": { "path": format!("/volumes/{volume}") },
                    "claimRef": {
                        "kind": "PersistentVolumeClaim", "apiVersion": "v1",
                        "namespace": claim.metadata.namespace, "name": name, "uid": claim.metadata.uid,
                    },
                },
            });
            volumes.create(&PostParams::default(), &serde_json::from_value(made)?).await?;
        }
    }
    given.insert(volume, wanted);
    Ok(())
}

fn volume_of(claim: &PersistentVolumeClaim) -> String {
    format!("pv-{}", claim.metadata.uid.as_deref().unwrap_or_default())
}
