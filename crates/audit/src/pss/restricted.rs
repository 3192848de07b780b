//! What the level restricted asks for beyond baseline.

use parapet_manifest::Node;

use super::{BASELINE_CAPABILITIES, Pod, texts};

const RESTRICTED_VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

impl<'t> Pod<'t> {
    pub(super) fn restricted(&mut self) {
        self.volume_types();
        self.non_root();
        if self.minor >= 35 {
            for (pointer, container) in self.containers() {
                let mount = container.at("/securityContext/procMount").and_then(Node::as_str).unwrap_or("");
                let known = self.violations.iter().any(|violation| {
                    violation.control == "/proc mount" && violation.pointer.starts_with(&pointer)
                });
                if !matches!(mount, "" | "Default") && !known {
                    self.refuse(
                        "/proc mount",
                        format!("{pointer}/securityContext/procMount"),
                        format!("procMount is {mount}"),
                    );
                }
            }
        }
        if self.is_windows() {
            return;
        }
        for (pointer, container) in self.containers() {
            if self.minor >= 8
                && container.at("/securityContext/allowPrivilegeEscalation").and_then(Node::as_bool)
                    != Some(false)
            {
                self.refuse(
                    "privilege escalation",
                    format!("{pointer}/securityContext/allowPrivilegeEscalation"),
                    "allowPrivilegeEscalation isn't false",
                );
            }
            if self.minor >= 22 {
                if !texts(container.at("/securityContext/capabilities/drop")).contains(&"ALL") {
                    self.refuse(
                        "capabilities",
                        format!("{pointer}/securityContext/capabilities/drop"),
                        "doesn't drop ALL",
                    );
                }
                for capability in texts(container.at("/securityContext/capabilities/add")) {
                    if capability != "NET_BIND_SERVICE" && BASELINE_CAPABILITIES.contains(&capability) {
                        self.refuse(
                            "capabilities",
                            format!("{pointer}/securityContext/capabilities/add"),
                            format!("adds {capability}"),
                        );
                    }
                }
            }
            if self.minor >= 19 {
                let set = |node: Option<&Node>| {
                    node.and_then(Node::as_str)
                        .is_some_and(|kind| matches!(kind, "RuntimeDefault" | "Localhost"))
                };
                let own = container.at("/securityContext/seccompProfile/type");
                let pod = self.at("/spec/securityContext/seccompProfile/type");
                if !set(own) && (own.is_some() || !set(pod)) {
                    self.refuse(
                        "seccomp",
                        format!("{pointer}/securityContext/seccompProfile"),
                        "no seccomp profile",
                    );
                }
            }
        }
    }

    fn volume_types(&mut self) {
        let volumes = self.at("/spec/volumes").map_or(&[] as &[Node], Node::items);
        for (index, volume) in volumes.iter().enumerate() {
            for entry in volume.entries() {
                let name = &*entry.key.name;
                if name != "name"
                    && name != "hostPath"
                    && !RESTRICTED_VOLUMES.contains(&name)
                    && !entry.value.is_null()
                {
                    self.refuse(
                        "volume types",
                        format!("/spec/volumes/{index}/{name}"),
                        format!("a {name} volume"),
                    );
                }
            }
        }
    }

    fn non_root(&mut self) {
        if self.has_user_namespace() {
            return;
        }
        let pod = self.at("/spec/securityContext/runAsNonRoot").and_then(Node::as_bool);
        if pod == Some(false) {
            // Refused even where every container says true.
            self.refuse("non-root", "/spec/securityContext/runAsNonRoot", "runAsNonRoot is false");
        }
        for (pointer, container) in self.containers() {
            let own = container.at("/securityContext/runAsNonRoot").and_then(Node::as_bool);
            if own.or(pod) != Some(true) && (own.is_some() || pod.is_none()) {
                self.refuse(
                    "non-root",
                    format!("{pointer}/securityContext/runAsNonRoot"),
                    "runAsNonRoot isn't true",
                );
            }
        }
        if self.minor >= 23 {
            for (pointer, context) in self.contexts() {
                if context.get("runAsUser").and_then(Node::as_i64) == Some(0) {
                    self.refuse("non-root user", format!("{pointer}/runAsUser"), "runAsUser is 0");
                }
            }
        }
    }
}
