//! Of two objects of one name: which one counts.

use std::sync::Arc;

use super::Reader;
use super::field::Field;
use super::served::admin_kind;

impl Reader<'_> {
    /// False if another object of this name is kept instead.
    pub(super) fn is_first(
        &mut self,
        object: &Field<'_>,
        group: &str,
        kind: &str,
        namespace: &Arc<str>,
        name: &Arc<str>,
    ) -> bool {
        let key = (group.to_owned(), kind.to_owned(), namespace.to_string(), name.to_string());
        if self.seen.insert(key) {
            return true;
        }
        let what =
            if self.options.last_wins { "the earlier one is replaced" } else { "this one is left out" };
        let message = format!("a second {kind} of this name; {what}");
        if !self.options.last_wins {
            object.at(&["metadata", "name"]).error(message);
            return false;
        }
        object.at(&["metadata", "name"]).warn(message);
        let cluster = &mut self.cluster;
        match kind {
            "Namespace" => cluster.namespaces.retain(|other| other.name != *name),
            "Node" => cluster.nodes.retain(|other| other.name != *name),
            "Service" => {
                cluster.services.retain(|other| (&other.namespace, &other.name) != (namespace, name));
            }
            "NetworkPolicy" => {
                cluster.network_policies.retain(|other| (&other.namespace, &other.name) != (namespace, name));
            }
            "AuthorizationPolicy" => {
                let policies = &mut cluster.mesh.authorization_policies;
                policies.retain(|other| (&other.namespace, &other.name) != (namespace, name));
            }
            "PeerAuthentication" => {
                let all = &mut cluster.mesh.peer_authentications;
                all.retain(|other| (&other.namespace, &other.name) != (namespace, name));
            }
            "Sidecar" => {
                cluster.mesh.sidecars.retain(|other| (&other.namespace, &other.name) != (namespace, name));
            }
            _ => {
                if let Some(kind) = admin_kind(kind) {
                    cluster.admin_policies.retain(|other| (other.kind, &other.name) != (kind, name));
                }
                self.operated.retain(|(of, _)| (&*of[0], &of[1], &of[2]) != (kind, namespace, name));
                if kind == "Pod" {
                    self.owners.live.retain(|pod| (&pod.namespace, &pod.name) != (namespace, name));
                }
                cluster.pods.retain(|pod| {
                    (&pod.namespace, &*pod.workload.kind, &pod.workload.name) != (namespace, kind, name)
                });
                cluster
                    .entry_points
                    .retain(|other| (&*other.kind, &other.namespace, &other.name) != (kind, namespace, name));
            }
        }
        true
    }
}
