//! Clusters that are connected to one another by `spec.remoteClusters`: whom each trusts for it, and what Elasticsearch is told.
//!
//! As in the reference it takes an enterprise licence (here: in the Secret of the cluster that names the other). Without one
//! nothing is connected, and nothing is taken apart. Connections by API key stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use kube::Resource as _;
use parapet_api::{Application as _, Elasticsearch, Kind, LocalSelector, annotations, names};
use parapet_elastic::{ADOPTED_CONFIG_HASH, Workload as _, is_foreign_hash};
use serde_json::{Map, Value, json};

use super::licence;
use super::observe::Known;
use crate::certificates::Related;
use crate::cluster::{Custom, Followed, Resource};
use crate::controller::Next;
use crate::pass::{Context, PassError, UNDER_WAY};
use crate::{ApplicationKey, ObjectKey};

/// Where nodes of other clusters are found.
const TRANSPORT_PORT: u16 = 9300;

/// The clusters that `es` names or is named by, with their authorities: those that are managed here, and have any.
pub(super) fn related(cx: &Context, es: &Elasticsearch, followed: &mut BTreeSet<Followed>) -> Vec<Related> {
    let own = ObjectKey::of(&es.metadata);
    // Whether the one that names the other may connect the two.
    let mut others: BTreeMap<ObjectKey, bool> = BTreeMap::new();
    let named: Vec<ObjectKey> = named_by(es).collect();
    if !named.is_empty() {
        let may = licence::is_enterprise(cx, es);
        others.extend(named.into_iter().map(|other| (other, may)));
    }
    for other in cx.cluster.applications::<Elasticsearch>() {
        if let Custom::Valid(other) = &*other
            && other.spec.remote_clusters.is_some()
            && named_by(other).any(|named| named == own)
        {
            let key = ObjectKey::of(&other.metadata);
            // It may name this one no more.
            followed.insert(Followed::ours(
                Resource::Application(Kind::Elasticsearch),
                &key.namespace,
                &key.name,
            ));
            *others.entry(key).or_default() |= licence::is_enterprise(cx, other);
        }
    }
    others.remove(&own);
    let mut public = |(other, may): (&ObjectKey, &bool)| {
        let name = names::elasticsearch::public_transport_certificates(&other.name);
        followed.insert(Followed::ours(Resource::Secret, &other.namespace, &name));
        let authorities = authorities(cx, &other.namespace, &name)?;
        Some(Related { authorities, connect: *may && may_meet(cx, &own, other) })
    };
    others.iter().filter_map(&mut public).collect()
}

/// Connects `es` with the clusters that it names by certificates, and takes away the connections that it names no more; the
/// annotation, written first, says which are the operator's. Returns when to look again.
pub(super) async fn connect(cx: &Context, es: &Elasticsearch, known: &Known) -> Result<Next, PassError> {
    let connections = Connections::of(cx, es);
    if connections.is_none() || !licence::is_enterprise(cx, es) {
        return Ok(Next::Wait);
    }
    connections.introduce(cx, es);
    let Some(client) = known.client_if_reachable() else { return Ok(Next::Wait) };
    let told = async {
        let settings = client.settings().await?;
        let there = settings["persistent"].as_object().cloned().unwrap_or_default();
        let changes = connections.changes(&there);
        if changes.is_empty() {
            return connections.note(cx, es, &connections.remain()).await;
        }
        let all = connections.managed.union(&connections.remain()).cloned().collect();
        connections.note(cx, es, &all).await?;
        client.put_settings(&json!({ "persistent": changes })).await?;
        connections.note(cx, es, &connections.remain()).await
    };
    match told.await {
        Ok(()) => Ok(Next::Wait),
        Err(PassError::Elasticsearch(error)) => {
            tracing::warn!(%error, cluster = es.object_name(), "remote clusters can't be connected");
            Ok(Next::After(UNDER_WAY))
        }
        Err(error) => Err(error),
    }
}

/// Remote clusters by their aliases.
struct Connections {
    /// Those that are connected by certificates, with where their nodes are found, and which they are.
    wanted: BTreeMap<String, (String, ObjectKey)>,
    /// All in the specification, also those by API key.
    specified: BTreeSet<String>,
    /// Those that an operator connected before.
    managed: BTreeSet<String>,
}

impl Connections {
    fn of(cx: &Context, es: &Elasticsearch) -> Self {
        let own = ObjectKey::of(&es.metadata);
        let mut new = Self { wanted: BTreeMap::new(), specified: BTreeSet::new(), managed: BTreeSet::new() };
        for remote in es.spec.remote_clusters.iter().flatten().filter(|remote| is_plain(&remote.name)) {
            let target = target_of(es, &remote.elasticsearch_ref);
            let by_certificates =
                target.filter(|target| remote.api_key.is_none() && may_meet(cx, &own, target));
            if let Some(target) = by_certificates {
                let service = names::elasticsearch::transport_service(&target.name);
                let seed = format!("{service}.{}.svc:{TRANSPORT_PORT}", target.namespace);
                new.wanted.insert(remote.name.clone(), (seed, target));
            }
            new.specified.insert(remote.name.clone());
        }
        let managed = es.annotation(annotations::MANAGED_REMOTE_CLUSTERS).unwrap_or_default();
        let managed = managed.split(',').map(str::trim).filter(|alias| is_plain(alias));
        new.managed = managed.map(str::to_owned).collect();
        new
    }

    fn is_none(&self) -> bool {
        self.specified.is_empty() && self.managed.is_empty()
    }

    /// Those that are the operator's once all is done: what it never connected isn't.
    fn remain(&self) -> BTreeSet<String> {
        self.managed.intersection(&self.specified).chain(self.wanted.keys()).cloned().collect()
    }

    /// What must change in the flat settings that are `there`.
    fn changes(&self, there: &Map<String, Value>) -> Map<String, Value> {
        let mut changes = Map::new();
        for (alias, (seed, _)) in &self.wanted {
            let seeds = format!("cluster.remote.{alias}.seeds");
            if there.get(&seeds) != Some(&json!([seed])) {
                changes.insert(seeds, json!([seed]));
            }
            // An alias that was reached through a proxy can't have seeds besides.
            let stays = ["seeds", "skip_unavailable", "transport.compress", "transport.ping_schedule"];
            forget(there, alias, &stays, &mut changes);
        }
        for alias in self.managed.difference(&self.specified) {
            forget(there, alias, &[], &mut changes);
        }
        changes
    }

    /// Those that are named look again, if they don't trust `es` yet: nothing else tells them that they were named.
    fn introduce(&self, cx: &Context, es: &Elasticsearch) {
        let (namespace, name) = (es.object_namespace(), es.object_name());
        let public = names::elasticsearch::public_transport_certificates(name);
        let Some(own) = authorities(cx, namespace, &public) else { return };
        for (_, target) in self.wanted.values() {
            let trusted = names::elasticsearch::remote_authorities(&target.name);
            let trusts = authorities(cx, &target.namespace, &trusted).is_some_and(|all| all.contains(&own));
            if !trusts {
                (cx.enqueue)(&ApplicationKey::new(Kind::Elasticsearch, &target.namespace, &target.name));
            }
        }
    }

    async fn note(&self, cx: &Context, es: &Elasticsearch, all: &BTreeSet<String>) -> Result<(), PassError> {
        let list: Vec<&str> = all.iter().map(String::as_str).collect();
        let list = (!list.is_empty()).then(|| list.join(","));
        let noted = BTreeMap::from([(annotations::MANAGED_REMOTE_CLUSTERS.to_owned(), list)]);
        Ok(cx.cluster.annotate::<Elasticsearch>(es.meta(), &noted).await?)
    }
}

/// Takes all settings of an alias away but those.
fn forget(there: &Map<String, Value>, alias: &str, stays: &[&str], changes: &mut Map<String, Value>) {
    let prefix = format!("cluster.remote.{alias}.");
    for key in there.keys() {
        if key.strip_prefix(&prefix).is_some_and(|setting| !stays.contains(&setting)) {
            changes.insert(key.clone(), Value::Null);
        }
    }
}

/// An alias is part of the name of a setting, and of a list with commas.
fn is_plain(alias: &str) -> bool {
    !alias.is_empty() && alias.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// Where references need rights, clusters of two namespaces are never connected: nobody says whose rights those would be.
fn may_meet(cx: &Context, one: &ObjectKey, other: &ObjectKey) -> bool {
    !cx.options.enforce_rbac_on_refs || one.namespace == other.namespace
}

fn authorities(cx: &Context, namespace: &str, secret: &str) -> Option<String> {
    let secret = cx.cluster.get::<Secret>(namespace, secret)?;
    let text = String::from_utf8(secret.data.as_ref()?.get("ca.crt")?.0.clone()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

/// The clusters in `spec.remoteClusters`.
fn named_by(es: &Elasticsearch) -> impl Iterator<Item = ObjectKey> + '_ {
    let all = es.spec.remote_clusters.iter().flatten();
    all.filter_map(|remote| target_of(es, &remote.elasticsearch_ref))
}

fn target_of(es: &Elasticsearch, to: &LocalSelector) -> Option<ObjectKey> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let namespace = given(&to.namespace).unwrap_or_else(|| es.object_namespace().to_owned());
    Some(ObjectKey::new(&namespace, &given(&to.name)?))
}

/// Whether another operator looked after the cluster until now: its pods carry that one's hash, and nothing says yet that it
/// was taken over.
pub(super) fn is_taken_over(sets: &[Arc<StatefulSet>]) -> bool {
    sets.iter().any(|set| {
        let annotations =
            set.template().and_then(|template| template.metadata.as_ref()?.annotations.as_ref());
        let hash = annotations.and_then(|all| all.get(annotations::ELASTICSEARCH_CONFIG_HASH));
        let is_noted = set.metadata.labels.as_ref().is_some_and(|all| all.contains_key(ADOPTED_CONFIG_HASH));
        hash.is_some_and(|hash| is_foreign_hash(hash)) && !is_noted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(wanted: &[&str], specified: &[&str], managed: &[&str]) -> Connections {
        let set = |all: &[&str]| all.iter().map(|&alias| alias.to_owned()).collect();
        let target = |alias: &&str| {
            ((*alias).to_owned(), (format!("{alias}-es-transport.n.svc:9300"), ObjectKey::new("n", alias)))
        };
        Connections {
            wanted: wanted.iter().map(target).collect(),
            specified: set(specified),
            managed: set(managed),
        }
    }

    fn check(connections: &Connections, there: Value, expected: Value) {
        let there = there.as_object().unwrap();
        assert_eq!(Value::Object(connections.changes(there)), expected);
    }

    #[test]
    fn only_what_differs_is_told() {
        let one = connections(&["a"], &["a"], &[]);
        let seeds = json!(["a-es-transport.n.svc:9300"]);
        check(&one, json!({}), json!({ "cluster.remote.a.seeds": seeds }));
        check(
            &one,
            json!({ "cluster.remote.a.seeds": seeds, "cluster.remote.a.skip_unavailable": "true" }),
            json!({}),
        );
        check(
            &one,
            json!({ "cluster.remote.a.mode": "proxy", "cluster.remote.a.proxy_address": "x:1", "other": "1" }),
            json!({ "cluster.remote.a.seeds": seeds, "cluster.remote.a.mode": null, "cluster.remote.a.proxy_address": null }),
        );
    }

    #[test]
    fn only_what_an_operator_connected_is_taken_away() {
        let there = json!({ "cluster.remote.gone.seeds": ["x:1"], "cluster.remote.gone.skip_unavailable": "true",
            "cluster.remote.theirs.seeds": ["y:1"], "cluster.remote.key.proxy_address": "z:1" });
        check(
            &connections(&[], &["key"], &["gone", "key"]),
            there,
            json!({ "cluster.remote.gone.seeds": null, "cluster.remote.gone.skip_unavailable": null }),
        );
        let remain = connections(&["a"], &["a", "key", "new-key"], &["gone", "key"]).remain();
        assert_eq!(remain.into_iter().collect::<Vec<_>>(), ["a", "key"]);
    }

    #[test]
    fn an_alias_is_a_part_of_a_name() {
        assert!(is_plain("eu-west_1"));
        assert!(!is_plain("") && !is_plain("a.seeds") && !is_plain("a,b"));
    }
}
