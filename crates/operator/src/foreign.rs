//! What another operator looked after and this one doesn't: it stays as it is, and people are told.
//!
//! It is read from the objects that the other operator left, in memory: no kind that isn't known here is asked for.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application, Elasticsearch, Kibana, annotations, labels, names};
use parapet_elastic::{adopted_parts, files, policy};

use crate::cluster::Cluster;

/// Which policies a Secret belongs to, as a JSON list of `namespace/name`.
const OWNERS: &str = "eck.k8s.elastic.co/owner-refs";
/// What labels end with that name who refers to a cluster.
const ASSOCIATION_NAME: &str = "association.k8s.elastic.co/name";

/// Of a cluster, in sentences, each without its full stop.
pub(crate) fn of_elasticsearch(cluster: &Cluster, es: &Elasticsearch) -> Vec<String> {
    let name = es.object_name();
    let secret = |name: &str| cluster.get::<Secret>(es.object_namespace(), name);
    let mut found = Vec::new();
    let settings = names::elasticsearch::file_settings(name);
    if let Some(left) = secret(&settings).filter(|left| files::has_settings_of_a_policy(left)) {
        found.push(format!(
            "The settings in the Secret {settings} are of {}: Elasticsearch keeps them, and changes of the policy have no effect",
            policies(&left)
        ));
    }
    found.extend(of_pods(cluster, es));
    let realm = names::elasticsearch::file_realm(name);
    if let Some(roles) = secret(&realm).as_deref().and_then(parts) {
        found.push(format!("The roles {roles} in the Secret {realm} are of a policy: they stay as they are"));
    }
    found.extend(of_keystore(cluster, es));
    let keys = names::elasticsearch::remote_api_keys(name);
    if secret(&keys).is_some() {
        found.push(format!("The API keys for remote clusters in the Secret {keys} stay in the keystore, and are never renewed"));
    }
    let authorities = names::elasticsearch::remote_authorities(name);
    if let Some(count) =
        secret(&authorities).and_then(|left| adopted_parts(Some(&left.metadata))).map(|all| all.len())
        && count > 0
    {
        found.push(format!(
            "Of the authorities in the Secret {authorities} {count} are of clusters that aren't known here, and trusted until they end"
        ));
    }
    let licence = names::elasticsearch::license(name);
    let connected = es.annotation(annotations::MANAGED_REMOTE_CLUSTERS).filter(|all| !all.is_empty());
    if let Some(connected) = connected.filter(|_| secret(&licence).is_none()) {
        found.push(format!(
            "The remote clusters {connected} stay connected as Elasticsearch has them: without the Secret {licence} nothing of that changes"
        ));
    }
    if secret(&licence).is_some() {
        found.push(format!(
            "The licence in the Secret {licence} is given to Elasticsearch, and no newer one takes its place by itself"
        ));
    }
    found.extend(referrers(cluster, es));
    found
}

/// Of a Kibana, in sentences.
pub(crate) fn of_kibana(cluster: &Cluster, kibana: &Kibana) -> Vec<String> {
    of_pods(cluster, kibana).into_iter().chain(of_keystore(cluster, kibana)).collect()
}

fn of_pods<K: Application>(cluster: &Cluster, owner: &K) -> Option<String> {
    let name = policy::secret_name(owner);
    let left = cluster.get::<Secret>(owner.object_namespace(), &name)?;
    Some(format!(
        "Configuration and mounts of pods in the Secret {name} are of {}: pods keep them, and changes of the policy have no effect",
        policies(&left)
    ))
}

fn of_keystore<K: Application>(cluster: &Cluster, owner: &K) -> Option<String> {
    let name = files::secure_settings_name(owner);
    let entries = parts(&*cluster.get::<Secret>(owner.object_namespace(), &name)?)?;
    Some(format!(
        "The entries {entries} of the keystore in the Secret {name} are of a policy: they stay as they are"
    ))
}

/// Who else has a user here: kinds that nobody here looks after.
fn referrers(cluster: &Cluster, es: &Elasticsearch) -> Option<String> {
    let secrets =
        cluster.labelled::<Secret>(Some(es.object_namespace()), labels::CLUSTER_NAME, es.object_name());
    let ours = [
        labels::KIBANA_ASSOCIATION_NAME,
        labels::APM_ASSOCIATION_NAME,
        labels::ELASTICSEARCH_ASSOCIATION_NAME,
    ];
    let mut all = BTreeSet::new();
    for secret in &secrets {
        for (label, name) in secret.metadata.labels.iter().flatten() {
            if let Some(kind) =
                label.strip_suffix(ASSOCIATION_NAME).filter(|_| !ours.contains(&label.as_str()))
            {
                all.insert(format!("{name} ({kind})"));
            }
        }
    }
    let all: Vec<String> = all.into_iter().collect();
    (!all.is_empty()).then(|| {
        format!(
            "The users of {} stay, and nobody renews their copies of this cluster's authority",
            all.join(", ")
        )
    })
}

fn parts(secret: &Secret) -> Option<String> {
    let parts = adopted_parts(Some(&secret.metadata)).filter(|parts| !parts.is_empty())?;
    Some(parts.into_iter().collect::<Vec<_>>().join(", "))
}

/// The policies that a Secret names.
fn policies(secret: &Secret) -> String {
    let label = |name: &str| secret.metadata.labels.as_ref()?.get(name).cloned();
    let one = label(labels::OWNER_NAMESPACE).zip(label(labels::OWNER_NAME));
    let many = secret.metadata.annotations.as_ref().and_then(|all| all.get(OWNERS));
    let many: Vec<String> = many.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    match (one, many.as_slice()) {
        (Some((namespace, name)), _) => format!("the StackConfigPolicy {namespace}/{name}"),
        (None, []) => "a StackConfigPolicy".to_owned(),
        (None, many) => format!("the StackConfigPolicies {}", many.join(", ")),
    }
}
