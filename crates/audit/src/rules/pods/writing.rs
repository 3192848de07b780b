//! Where programs write: folders of a read-only root, and volumes that their user doesn't own.

use parapet_manifest::Node;
use serde_json::json;

use super::{containers, field};
use crate::finding::Findings;
use crate::world::{Role, World};

/// Where programs write besides their data.
const WRITES: &[(Role, &str)] = &[
    (Role::CollectorAgent, "/tmp"),
    (Role::Metadata, "/tmp"),
    (Role::Kibana, "/usr/share/kibana/data"),
    (Role::Elasticsearch, "/tmp"),
    (Role::Logstash, "/usr/share/logstash/data"),
    (Role::Grafana, "/var/lib/grafana"),
];

pub(super) fn nowhere_to_write<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container) in
        containers(world).filter(|(workload, container)| !workload.managed && container.runs())
    {
        if container.security("/readOnlyRootFilesystem").and_then(Node::as_bool) != Some(true) {
            continue;
        }
        let Some((_, path)) = WRITES.iter().find(|(role, _)| workload.has_role(*role)) else { continue };
        let mounted = container.mounts().any(|(_, mount)| {
            mount.get("mountPath").and_then(Node::as_str).is_some_and(|at| {
                let at = at.trim_end_matches('/');
                *path == at || path.starts_with(&format!("{at}/"))
            })
        });
        if !mounted {
            let name = format!("writable{}", path.replace('/', "-"));
            let at = field(container, "readOnlyRootFilesystem");
            found
                .add_pod(
                    workload,
                    at,
                    format!("the container {} writes to {path}, where nothing is mounted", container.name),
                )
                .push(
                    workload.pointer(&format!("{}/volumeMounts", container.pointer)),
                    json!({"name": name, "mountPath": path}),
                )
                .push(workload.pointer("/spec/volumes"), json!({"name": name, "emptyDir": {}}));
        }
    }
}

pub(super) fn no_fs_group<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| workload.role.is_some_and(Role::is_collector)) {
        let claims = workload
            .document
            .at("/spec/volumeClaimTemplates")
            .is_some_and(|claims| !claims.items().is_empty());
        let pod = workload.at("/spec/securityContext");
        let non_root = pod.and_then(|pod| pod.get("runAsNonRoot")?.as_bool()) == Some(true);
        if claims && non_root && pod.is_some_and(|pod| pod.get("fsGroup").is_none()) {
            found
                .add_pod(
                    workload,
                    "/spec/securityContext",
                    "no fsGroup: the user can't write its queue's volume",
                )
                .set(workload.pointer("/spec/securityContext/fsGroup"), json!(999));
        }
    }
}
