//! What a policy of the reference (StackConfigPolicy) left for the pods of an application: configuration, and Secrets that are
//! mounted. Nobody here looks after policies; without what they brought, pods would be made anew, and poorer.
//!
//! A policy's controller leaves a Secret `<X>-<es|kb>-policy-config` with the configuration as JSON, beside copies of the Secrets
//! to be mounted, whose names hold a hash that can't be recomputed: where they are mounted is read from the pods' template.
//! The owner of a cluster who deletes that Secret is rid of the policy.

use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Secret, Volume, VolumeMount};
use parapet_api::{Application, Elasticsearch, Kibana, Kind, annotations, names};
use serde_json::{Map, Value};

use crate::config::{ConfigError, Yml};
use crate::pod::ELASTICSEARCH_MAIN;

/// In the Secret: the configuration of Elasticsearch.
const ELASTICSEARCH_KEY: &str = "elasticsearch.json";
/// In the Secret: which Secrets are mounted.
const MOUNTS_KEY: &str = "secretMounts.json";
/// In the Secret: the configuration of a Kibana.
const KIBANA_KEY: &str = "kibana.json";
/// On the Secret and on a Kibana's pods: a hash of a policy's configuration.
const KIBANA_HASH: &str = "policy.k8s.elastic.co/kibana-config-hash";
/// On Secrets of policies: which Secrets have entries for the keystore, as JSON.
const SECURE_SETTINGS: &str = "policy.k8s.elastic.co/secure-settings-secrets";

/// The name of the Secret that a policy leaves for an application.
pub fn secret_name<K: Application>(owner: &K) -> String {
    names::generated(K::KIND, owner.object_name(), &["policy-config"])
}

/// Whether a Secret of a policy says that the keystore has entries of the policy's.
pub fn has_secure_settings(secret: &Secret) -> bool {
    let noted = secret.metadata.annotations.as_ref().and_then(|all| all.get(SECURE_SETTINGS));
    noted.is_some_and(|list| !matches!(list.trim(), "" | "[]" | "null"))
}

/// The cluster as its owner and its policy specify it: the policy's configuration over the owner's, its mounts beside theirs.
/// `live` are the templates of its StatefulSets.
pub fn elasticsearch<'a, 'b>(
    es: &'a Elasticsearch,
    policy: Option<&Secret>,
    live: impl IntoIterator<Item = &'b PodTemplateSpec>,
) -> Result<Cow<'a, Elasticsearch>, ConfigError> {
    let Some(policy) = policy else { return Ok(Cow::Borrowed(es)) };
    let config = settings(policy, ELASTICSEARCH_KEY)?;
    let mounted = if has(policy, MOUNTS_KEY) { Mounted::of(es, live) } else { Mounted::default() };
    let mut es = es.clone();
    for set in &mut es.spec.node_sets {
        set.config = over(set.config.as_ref(), config.as_ref())?;
        mounted.put_into(&mut set.pod_template);
        note(&mut set.pod_template, policy, annotations::CONFIG_MOUNTS_HASH);
    }
    Ok(Cow::Owned(es))
}

/// The Kibana as its owner and its policy specify it.
pub fn kibana<'a>(kibana: &'a Kibana, policy: Option<&Secret>) -> Result<Cow<'a, Kibana>, ConfigError> {
    let Some(policy) = policy else { return Ok(Cow::Borrowed(kibana)) };
    let mut kibana = kibana.clone();
    kibana.spec.config = over(kibana.spec.config.as_ref(), settings(policy, KIBANA_KEY)?.as_ref())?;
    note(&mut kibana.spec.pod_template, policy, KIBANA_HASH);
    Ok(Cow::Owned(kibana))
}

fn has(policy: &Secret, key: &str) -> bool {
    policy.data.as_ref().and_then(|data| data.get(key)).is_some_and(|value| !value.0.is_empty())
}

fn settings(policy: &Secret, key: &str) -> Result<Option<Map<String, Value>>, ConfigError> {
    if !has(policy, key) {
        return Ok(None);
    }
    let text = crate::data::text(policy, key).unwrap_or_default();
    serde_json::from_str(&text).map_err(ConfigError::Policy)
}

fn over(
    owner: Option<&Map<String, Value>>,
    policy: Option<&Map<String, Value>>,
) -> Result<Option<Map<String, Value>>, ConfigError> {
    if policy.is_none_or(Map::is_empty) {
        return Ok(owner.cloned());
    }
    let all = Yml::from_user(owner)?.merged(Yml::from_user(policy)?).into_node();
    match serde_json::to_value(all) {
        Ok(Value::Object(all)) => Ok(Some(all)),
        Ok(_) => Ok(None),
        Err(error) => Err(ConfigError::Policy(error)),
    }
}

/// The policy's hash, as the pods carry it: the owner's template keeps what it says itself.
fn note(template: &mut PodTemplateSpec, policy: &Secret, annotation: &str) {
    let Some(hash) = policy.metadata.annotations.as_ref().and_then(|all| all.get(annotation)) else { return };
    let annotations = template.metadata.get_or_insert_default().annotations.get_or_insert_default();
    annotations.entry(annotation.to_owned()).or_insert_with(|| hash.clone());
}

/// Secrets of a policy, and where pods have them.
#[derive(Default)]
struct Mounted {
    volumes: Vec<Volume>,
    mounts: Vec<VolumeMount>,
}

impl Mounted {
    fn of<'b>(es: &Elasticsearch, live: impl IntoIterator<Item = &'b PodTemplateSpec>) -> Self {
        let prefix = names::generated(Kind::Elasticsearch, es.object_name(), &["scp", ""]);
        let mut found = Self::default();
        let mut seen = BTreeSet::new();
        for spec in live.into_iter().filter_map(|template| template.spec.as_ref()) {
            for volume in spec.volumes.iter().flatten() {
                let secret = volume.secret.as_ref().and_then(|source| source.secret_name.as_deref());
                if secret.is_some_and(|name| name.starts_with(&prefix)) && seen.insert(volume.name.clone()) {
                    found.mounts.extend(mounts_of(spec, &volume.name));
                    found.volumes.push(volume.clone());
                }
            }
        }
        found
    }

    fn put_into(&self, template: &mut PodTemplateSpec) {
        if self.volumes.is_empty() {
            return;
        }
        let spec = template.spec.get_or_insert_default();
        crate::template::add_volumes(&mut spec.volumes, &self.volumes);
        let at = spec.containers.iter().position(|one| one.name == ELASTICSEARCH_MAIN);
        let at = at.unwrap_or_else(|| {
            spec.containers.push(Container { name: ELASTICSEARCH_MAIN.to_owned(), ..Container::default() });
            spec.containers.len() - 1
        });
        crate::template::add_mounts(&mut spec.containers[at].volume_mounts, &self.mounts);
    }
}

fn mounts_of<'a>(spec: &'a PodSpec, volume: &'a str) -> impl Iterator<Item = VolumeMount> + 'a {
    let main = spec.containers.iter().filter(|one| one.name == ELASTICSEARCH_MAIN);
    let mounts = main.flat_map(|main| main.volume_mounts.iter().flatten());
    mounts.filter(move |mount| mount.name == volume).cloned()
}
