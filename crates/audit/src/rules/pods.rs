//! Pods and their hosts: OBS-POD-01 to 10, OBS-HOST-01 to 05.

mod hosts;
mod values;
mod writing;

use parapet_manifest::Node;
use serde_json::json;

use crate::finding::Findings;
use crate::rule::Needs::{Manifests, Reach};
use crate::rule::Severity::{Critical, High, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Container, Workload, World};
use hosts::{broad_mount, host_namespaces, reachable_root, root_agent, writable_mount};
use values::values;
pub(super) use values::{chart_values, set_value};
use writing::{no_fs_group, nowhere_to_write};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Pods, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-POD-01",
        High,
        Manifests,
        "A container may run as root",
        "Root in the container is root on the node as soon as anything keeps it in: a mount, a kernel fault, a capability.",
        "Set runAsNonRoot and a user id.",
        root,
    ),
    rule(
        "OBS-POD-02",
        Medium,
        Manifests,
        "The root file system is writable",
        "A break-in can replace programs and leave tools behind.",
        "Set readOnlyRootFilesystem, and mount emptyDirs where the program writes.",
        writable_root,
    ),
    rule(
        "OBS-POD-03",
        Medium,
        Manifests,
        "Privilege escalation is possible",
        "A setuid program in the image makes any user root.",
        "Set allowPrivilegeEscalation: false.",
        escalation,
    ),
    rule(
        "OBS-POD-04",
        Critical,
        Manifests,
        "A privileged container",
        "It is the node: every device, every file, every other pod.",
        "Remove privileged.",
        privileged,
    ),
    rule(
        "OBS-POD-05",
        Medium,
        Manifests,
        "Capabilities are kept",
        "The default set lets a process forge packets and change owners of files; the stack needs none of it.",
        "Drop ALL.",
        capabilities,
    ),
    rule(
        "OBS-POD-06",
        Medium,
        Manifests,
        "No seccomp profile",
        "Every system call of the kernel is open to whoever breaks in.",
        "Set seccompProfile RuntimeDefault.",
        seccomp,
    ),
    rule(
        "OBS-POD-07",
        Medium,
        Manifests,
        "A read-only program that needs to write",
        "With a read-only root and nothing mounted where it writes, it crashes at the first temporary file, and somebody makes the root writable again.",
        "Mount an emptyDir there.",
        nowhere_to_write,
    ),
    rule(
        "OBS-POD-08",
        Low,
        Manifests,
        "A volume that the user can't write",
        "A collector that isn't root needs fsGroup to write its queue; otherwise it runs without one, and loses data.",
        "Set fsGroup (the chart uses 999).",
        no_fs_group,
    ),
    rule(
        "OBS-POD-09",
        Low,
        Manifests,
        "One pipeline is left unhardened",
        "Chart values harden some components and not others.",
        "Set the securityContext of all of them.",
        values,
    ),
    rule(
        "OBS-POD-10",
        Low,
        Manifests,
        "A container undoes what its pod says",
        "The container's setting wins: the pod looks hardened and isn't.",
        "Remove the container's setting, or align the groups.",
        undone,
    ),
    rule(
        "OBS-HOST-01",
        Medium,
        Manifests,
        "The log collector runs as root",
        "It has the node's files. A user or group that may read the log directories is enough.",
        "Set a user or group with access to /var/log.",
        root_agent,
    ),
    rule(
        "OBS-HOST-02",
        High,
        Manifests,
        "An agent mounts more of the node than it needs",
        "The container runtime's socket, /etc or / are the node.",
        "Mount /var/log/containers, /var/log/pods, /var/log/journal and /var/lib/docker/containers.",
        broad_mount,
    ),
    rule(
        "OBS-HOST-03",
        High,
        Manifests,
        "An agent may write where it only reads",
        "It could change logs before anybody reads them.",
        "Mount them readOnly.",
        writable_mount,
    ),
    rule(
        "OBS-HOST-04",
        High,
        Manifests,
        "A pod shares its host's namespaces",
        "It sees the node's processes and traffic, and policies have no dependable effect on it.",
        "Remove it.",
        host_namespaces,
    ),
    rule(
        "OBS-HOST-05",
        Medium,
        Reach,
        "A root process with the node's files can be connected to",
        "A fault in it is the node.",
        "Deny ingress, and take root away.",
        reachable_root,
    ),
];

/// The containers of the stack whose templates say all: operators fill in the rest of theirs.
fn containers<'w>(world: &'w World<'w>) -> impl Iterator<Item = (&'w Workload<'w>, &'w Container<'w>)> {
    world.obs().flat_map(|workload| {
        workload
            .containers
            .iter()
            .filter(|container| !container.is_rbac_proxy())
            .map(move |container| (workload, container))
    })
}

/// A field of the container's securityContext, or else of the pod's.
fn effective<'w>(workload: &Workload<'w>, container: &Container<'w>, pointer: &str) -> Option<&'w Node> {
    container.security(pointer).or_else(|| workload.at(&format!("/spec/securityContext{pointer}")))
}

fn runs_as_root(workload: &Workload<'_>, container: &Container<'_>) -> Option<bool> {
    let user = effective(workload, container, "/runAsUser").and_then(Node::as_i64);
    let non_root = effective(workload, container, "/runAsNonRoot").and_then(Node::as_bool);
    match (user, non_root) {
        (Some(0), _) => Some(true),
        (Some(_), _) | (None, Some(true)) => Some(false),
        (None, _) => None,
    }
}

fn field(container: &Container<'_>, name: &str) -> String {
    format!("{}/securityContext/{name}", container.pointer)
}

fn root<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container) in containers(world) {
        let message = match runs_as_root(workload, container) {
            Some(false) => continue,
            Some(true) => format!("the container {} runs as root", container.name),
            None if workload.managed => continue,
            None => format!("nothing keeps the container {} from running as root", container.name),
        };
        let at = field(container, "runAsNonRoot");
        let draft = found.add_pod(workload, &at, message).set(workload.pointer(&at), json!(true));
        for at in [field(container, "runAsUser"), "/spec/securityContext/runAsUser".to_owned()] {
            if workload.at(&at).and_then(Node::as_i64) == Some(0) {
                draft.set(workload.pointer(&at), json!(65532));
            }
        }
    }
}

/// A finding for each container whose field isn't `wanted`, with the patch that sets it.
fn each_flag<'w>(world: &'w World<'w>, found: &mut Findings<'w>, name: &str, wanted: bool, message: &str) {
    for (workload, container) in containers(world) {
        let value = container.security(&format!("/{name}")).and_then(Node::as_bool);
        if value == Some(wanted) || (value.is_none() && workload.managed) {
            continue;
        }
        let at = field(container, name);
        found
            .add_pod(workload, &at, format!("{message} of the container {}", container.name))
            .set(workload.pointer(&at), json!(wanted));
    }
}

fn writable_root<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    each_flag(
        world,
        found,
        "readOnlyRootFilesystem",
        true,
        "the root file system is writable: readOnlyRootFilesystem",
    );
}

fn escalation<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    each_flag(
        world,
        found,
        "allowPrivilegeEscalation",
        false,
        "privilege escalation is possible: allowPrivilegeEscalation",
    );
}

fn privileged<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container) in containers(world) {
        if container.security("/privileged").and_then(Node::as_bool) != Some(true) {
            continue;
        }
        let sysctl = container.arguments().iter().any(|(_, text)| text.contains("vm.max_map_count"));
        if sysctl && !container.runs() {
            continue;
        }
        let at = field(container, "privileged");
        found
            .add_pod(workload, &at, format!("the container {} is privileged", container.name))
            .set(workload.pointer(&at), json!(false));
    }
}

fn capabilities<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container) in containers(world) {
        let list = |name: &str| -> Vec<&str> {
            container
                .security(&format!("/capabilities/{name}"))
                .map_or(&[] as &[Node], Node::items)
                .iter()
                .filter_map(Node::as_str)
                .collect()
        };
        let drops = list("drop").contains(&"ALL");
        let added: Vec<&str> = list("add").into_iter().filter(|name| *name != "NET_BIND_SERVICE").collect();
        if (drops || workload.managed) && added.is_empty() {
            continue;
        }
        let at = field(container, if added.is_empty() { "capabilities/drop" } else { "capabilities/add" });
        let what = if added.is_empty() {
            "doesn't drop ALL capabilities".to_owned()
        } else {
            format!("adds {}", added.join(", "))
        };
        let draft = found.add_pod(workload, &at, format!("the container {} {what}", container.name));
        if !drops {
            draft.set(workload.pointer(&field(container, "capabilities/drop")), json!(["ALL"]));
        }
        if !added.is_empty() {
            let kept: Vec<&str> = list("add").into_iter().filter(|name| !added.contains(name)).collect();
            draft.set(workload.pointer(&field(container, "capabilities/add")), json!(kept));
        }
    }
}

fn seccomp<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container) in containers(world) {
        let profile = effective(workload, container, "/seccompProfile/type").and_then(Node::as_str);
        if matches!(profile, Some("RuntimeDefault" | "Localhost")) || (profile.is_none() && workload.managed)
        {
            continue;
        }
        let at = field(container, "seccompProfile");
        found
            .add_pod(workload, &at, format!("the container {} has no seccomp profile", container.name))
            .set(workload.pointer(&at), json!({"type": "RuntimeDefault"}));
    }
}

fn undone<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container) in containers(world) {
        let pod = |name: &str| workload.at("/spec/securityContext").and_then(|context| context.get(name));
        if pod("runAsNonRoot").and_then(Node::as_bool) == Some(true)
            && container.security("/runAsNonRoot").and_then(Node::as_bool) == Some(false)
        {
            let at = field(container, "runAsNonRoot");
            found
                .add_pod(
                    workload,
                    &at,
                    format!("the container {} undoes the pod's runAsNonRoot", container.name),
                )
                .set(workload.pointer(&at), json!(true));
        }
        let group = container.security("/runAsGroup").and_then(Node::as_i64);
        let fs_group = pod("fsGroup").and_then(Node::as_i64);
        if let (Some(group), Some(fs_group)) = (group, fs_group)
            && group != fs_group
        {
            found
                .add_pod(
                    workload,
                    field(container, "runAsGroup"),
                    format!(
                        "the container {} runs as group {group}, its volumes belong to {fs_group}",
                        container.name
                    ),
                )
                .becomes(json!(fs_group));
        }
    }
}
