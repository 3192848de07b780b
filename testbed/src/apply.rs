//! Applying manifests as written: server-side, strictly validated.

use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::discovery::{Scope, pinned_kind};
use kube::runtime::{conditions, wait};
use kube::{Api, Client, ResourceExt as _};

use crate::cluster::Cluster;

/// The field manager of what tests apply.
const MANAGER: &str = "testbed";

impl Cluster {
    /// Applies every document of `manifest` by server-side apply with strict validation: a key that no schema knows is an
    /// error. Objects that name no namespace go to `namespace`. Returns what the API server made of them.
    pub async fn apply(&self, manifest: &str, namespace: &str) -> Result<Vec<DynamicObject>> {
        let client = self.client().await?;
        let documents: Vec<serde_json::Value> =
            serde_saphyr::from_multiple(manifest).context("the manifest is no YAML")?;
        let mut applied = Vec::new();
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            let object: DynamicObject =
                serde_json::from_value(document).context("a document is no object")?;
            applied.push(apply_one(&client, object, namespace).await?);
        }
        Ok(applied)
    }

    /// Applies CustomResourceDefinitions and waits until their kinds can be used.
    pub async fn define(&self, definitions: &str) -> Result<()> {
        let kinds: Api<CustomResourceDefinition> = Api::all(self.client().await?);
        for definition in self.apply(definitions, "default").await? {
            wait::await_condition(kinds.clone(), &definition.name_any(), conditions::is_crd_established())
                .await
                .context("failed to wait for a definition")?;
        }
        Ok(())
    }
}

async fn apply_one(client: &Client, object: DynamicObject, namespace: &str) -> Result<DynamicObject> {
    let name = object.name_any();
    let types = object.types.clone().context("a document has neither apiVersion nor kind")?;
    let what = format!("{} {name}", types.kind);
    let kind = (&types).try_into().with_context(|| format!("{what}: apiVersion is no group/version"))?;
    let (resource, capabilities) =
        pinned_kind(client, &kind).await.with_context(|| format!("{what}: the cluster has no such kind"))?;
    let objects: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.namespace().unwrap_or_else(|| namespace.to_owned());
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
    };
    let params = PatchParams::apply(MANAGER).validation_strict();
    objects.patch(&name, &params, &Patch::Apply(&object)).await.with_context(|| format!("{what} was refused"))
}
