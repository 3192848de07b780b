//! What a cluster would be with manifests applied to it.

use std::collections::HashSet;

use parapet_manifest::{Document, Loaded, Node};

/// API group, kind, namespace, name.
type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The objects of `live` with `changes` in place of those of the same name. What a replaced workload had made of itself
/// (its ReplicaSets, its Pods) goes with it: its new template says what its pods will be. What is only in the cluster
/// stays, because applying manifests deletes nothing.
pub(super) fn applied(live: &Loaded, changes: Loaded, default_namespace: &str) -> Loaded {
    let replaced: HashSet<Key<'_>> =
        changes.documents.iter().map(|document| key(document, default_namespace)).collect();
    let mut gone: HashSet<(&str, &str, &str)> =
        replaced.iter().map(|(_, kind, namespace, name)| (*kind, *namespace, *name)).collect();
    // From owners to what they own, until nothing more goes.
    loop {
        let owned: Vec<_> = live
            .documents
            .iter()
            .map(|document| {
                let (_, kind, namespace, name) = key(document, default_namespace);
                (document, (kind, namespace, name))
            })
            .filter(|(_, own)| !gone.contains(own))
            .filter(|(document, (_, namespace, _))| {
                owners(document).any(|(kind, name)| gone.contains(&(kind, *namespace, name)))
            })
            .map(|(_, own)| own)
            .collect();
        if owned.is_empty() {
            break;
        }
        gone.extend(owned);
    }
    let stays = |document: &&Document| {
        let own = key(document, default_namespace);
        let made_by_another = owners(document).any(|(kind, name)| gone.contains(&(kind, own.2, name)));
        !replaced.contains(&own) && !made_by_another
    };
    let mut documents: Vec<Document> = live.documents.iter().filter(stays).cloned().collect();
    let mut problems = live.problems.clone();
    problems.extend(changes.problems.iter().cloned());
    documents.extend(changes.documents.iter().cloned());
    Loaded { documents, problems }
}

fn key<'a>(document: &'a Document, default_namespace: &'a str) -> Key<'a> {
    let namespace = document.namespace.as_deref().unwrap_or(default_namespace);
    (document.group(), &document.kind, namespace, &document.name)
}

/// Kind and name of what owns an object; it is in the same namespace.
fn owners(document: &Document) -> impl Iterator<Item = (&str, &str)> {
    let owners = document.at("/metadata/ownerReferences").map_or(&[] as &[Node], Node::items);
    owners.iter().filter_map(|owner| Some((owner.get("kind")?.as_str()?, owner.get("name")?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use parapet_manifest::load_text;

    use super::*;

    fn load(text: &str) -> Loaded {
        let loaded = load_text("m.yaml", text.as_bytes(), &Default::default());
        assert_eq!(loaded.problems, []);
        loaded
    }

    fn object(kind: &str, name: &str, owner: Option<(&str, &str)>) -> String {
        let owner = owner.map_or_else(String::new, |(kind, name)| {
            format!(
                ", ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, controller: true}}]"
            )
        });
        let api = if kind == "Pod" { "v1" } else { "apps/v1" };
        format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: {name}, namespace: a{owner}}}}}\n---\n")
    }

    #[test]
    fn what_is_replaced_goes_with_what_it_made_and_everything_else_stays() {
        let live = [
            object("Deployment", "web", None),
            object("ReplicaSet", "web-1", Some(("Deployment", "web"))),
            object("Pod", "web-1-x", Some(("ReplicaSet", "web-1"))),
            object("Deployment", "api", None),
            object("Pod", "api-1-x", Some(("ReplicaSet", "api-1"))),
        ];
        let changes = load(&[object("Deployment", "web", None), object("DaemonSet", "new", None)].concat());
        let after = applied(&load(&live.concat()), changes, "default");
        let names: Vec<String> =
            after.documents.iter().map(|document| format!("{} {}", document.kind, document.name)).collect();
        assert_eq!(names, ["Deployment api", "Pod api-1-x", "Deployment web", "DaemonSet new"]);
    }
}
