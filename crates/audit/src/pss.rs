//! The Pod Security Standards, control by control, for each Kubernetes version that changed one.
//!
//! Facts are those of the published standard; versions are minor ones of 1.x. Containers, init containers and ephemeral
//! containers are all looked at.

mod restricted;

use parapet_manifest::Node;

/// A level of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Anything goes.
    Privileged,
    /// What is known to be dangerous is refused.
    Baseline,
    /// Only hardened pods.
    Restricted,
}

/// The newest minor version whose rules are known here.
pub const LATEST: u32 = 37;

/// What a control refuses in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The control.
    pub control: &'static str,
    /// The field, below the pod template.
    pub pointer: String,
    /// The offending value, in words.
    pub message: String,
}

impl Level {
    /// The level of a label's value.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

/// The minor version of a label's value: `v1.N`; anything else is the newest.
pub fn minor(text: Option<&str>) -> u32 {
    text.and_then(|text| text.strip_prefix("v1."))
        .and_then(|minor| minor.parse().ok())
        .unwrap_or(LATEST)
        .min(LATEST)
}

/// What `level` of version 1.`minor` refuses in a pod; `template` has the pod's `metadata` and `spec`.
pub fn check(template: &Node, level: Level, minor: u32) -> Vec<Violation> {
    let mut pod = Pod { template, level, minor, violations: Vec::new() };
    if level >= Level::Baseline {
        pod.baseline();
    }
    if level == Level::Restricted {
        pod.restricted();
    }
    pod.violations
}

struct Pod<'t> {
    template: &'t Node,
    level: Level,
    minor: u32,
    violations: Vec<Violation>,
}

const BASELINE_CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Sysctls with the version since which they are allowed.
const SYSCTLS: &[(&str, u32)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
    ("net.ipv4.tcp_slow_start_after_idle", 37),
    ("net.ipv4.tcp_notsent_lowat", 37),
];

impl<'t> Pod<'t> {
    fn refuse(&mut self, control: &'static str, pointer: impl Into<String>, message: impl Into<String>) {
        self.violations.push(Violation { control, pointer: pointer.into(), message: message.into() });
    }

    fn at(&self, pointer: &str) -> Option<&'t Node> {
        self.template.at(pointer)
    }

    fn containers(&self) -> Vec<(String, &'t Node)> {
        let mut all = Vec::new();
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            let items = self.at(&format!("/spec/{list}")).map_or(&[] as &[Node], Node::items);
            all.extend(items.iter().enumerate().map(|(index, node)| (format!("/spec/{list}/{index}"), node)));
        }
        all
    }

    /// The securityContexts of the pod and of its containers.
    fn contexts(&self) -> Vec<(String, &'t Node)> {
        let pod = self.at("/spec/securityContext").map(|node| ("/spec/securityContext".to_owned(), node));
        let own = self.containers().into_iter().filter_map(|(pointer, node)| {
            Some((format!("{pointer}/securityContext"), node.get("securityContext")?))
        });
        pod.into_iter().chain(own).collect()
    }

    fn annotations(&self) -> &'t [parapet_manifest::Entry] {
        self.at("/metadata/annotations").map_or(&[], Node::entries)
    }

    /// Under `restricted`, controls of seccomp and capabilities take the place of those of `baseline`, and aren't asked of
    /// pods for Windows.
    fn is_exempt(&self) -> bool {
        self.level == Level::Restricted && self.is_windows()
    }

    fn is_windows(&self) -> bool {
        self.minor >= 25 && self.at("/spec/os/name").and_then(Node::as_str) == Some("windows")
    }

    fn has_user_namespace(&self) -> bool {
        self.minor >= 35 && self.at("/spec/hostUsers").and_then(Node::as_bool) == Some(false)
    }

    fn baseline(&mut self) {
        self.host();
        self.container_fields();
        self.profiles();
        self.sysctls();
    }

    fn host(&mut self) {
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            let pointer = format!("/spec/{name}");
            if self.at(&pointer).and_then(Node::as_bool) == Some(true) {
                self.refuse("host namespaces", pointer, format!("{name} is true"));
            }
        }
        for (pointer, context) in self.contexts() {
            if context.at("/windowsOptions/hostProcess").and_then(Node::as_bool) == Some(true) {
                self.refuse(
                    "host process",
                    format!("{pointer}/windowsOptions/hostProcess"),
                    "hostProcess is true",
                );
            }
        }
        let volumes = self.at("/spec/volumes").map_or(&[] as &[Node], Node::items);
        for (index, volume) in volumes.iter().enumerate() {
            if volume.get("hostPath").is_some_and(|path| !path.is_null()) {
                self.refuse("host path", format!("/spec/volumes/{index}/hostPath"), "a hostPath volume");
            }
        }
    }

    fn container_fields(&mut self) {
        for (pointer, container) in self.containers() {
            if container.at("/securityContext/privileged").and_then(Node::as_bool) == Some(true) {
                self.refuse(
                    "privileged",
                    format!("{pointer}/securityContext/privileged"),
                    "privileged is true",
                );
            }
            for capability in texts(container.at("/securityContext/capabilities/add")) {
                if !BASELINE_CAPABILITIES.contains(&capability) && !self.is_exempt() {
                    let at = format!("{pointer}/securityContext/capabilities/add");
                    self.refuse("capabilities", at, format!("adds {capability}"));
                }
            }
            for (index, port) in container.get("ports").map_or(&[] as &[Node], Node::items).iter().enumerate()
            {
                if port.get("hostPort").and_then(Node::as_i64).is_some_and(|port| port != 0) {
                    self.refuse("host ports", format!("{pointer}/ports/{index}/hostPort"), "a hostPort");
                }
            }
            if let Some(mount) = container.at("/securityContext/procMount").and_then(Node::as_str)
                && mount != "Default"
                && !mount.is_empty()
                && !self.has_user_namespace()
            {
                self.refuse(
                    "/proc mount",
                    format!("{pointer}/securityContext/procMount"),
                    format!("procMount is {mount}"),
                );
            }
            if self.minor >= 34 {
                self.probe_hosts(&pointer, container);
            }
        }
    }

    fn probe_hosts(&mut self, pointer: &str, container: &Node) {
        const HANDLERS: &[&str] =
            &["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"];
        for handler in HANDLERS {
            for action in ["httpGet", "tcpSocket"] {
                let at = format!("/{handler}/{action}/host");
                if container.at(&at).and_then(Node::as_str).is_some_and(|host| !host.is_empty()) {
                    self.refuse("probe hosts", format!("{pointer}{at}"), "a probe of another host");
                }
            }
        }
    }

    fn profiles(&mut self) {
        for (pointer, context) in self.contexts() {
            let text = |at: &str| context.at(at).and_then(Node::as_str).unwrap_or("");
            let (armor, seccomp) = (text("/appArmorProfile/type"), text("/seccompProfile/type"));
            let (kind, user, role) =
                (text("/seLinuxOptions/type"), text("/seLinuxOptions/user"), text("/seLinuxOptions/role"));
            let is_set = |field: &str| context.get(field).is_some_and(|profile| !profile.is_null());
            if is_set("appArmorProfile") && !matches!(armor, "RuntimeDefault" | "Localhost") {
                self.refuse(
                    "AppArmor",
                    format!("{pointer}/appArmorProfile/type"),
                    format!("the profile is {armor}"),
                );
            }
            let asked = self.minor >= 19 && is_set("seccompProfile") && !self.is_exempt();
            if asked && !matches!(seccomp, "RuntimeDefault" | "Localhost") {
                self.refuse(
                    "seccomp",
                    format!("{pointer}/seccompProfile/type"),
                    format!("the profile is {seccomp}"),
                );
            }
            let engine = kind == "container_engine_t" && self.minor >= 31;
            if !matches!(kind, "" | "container_t" | "container_init_t" | "container_kvm_t") && !engine {
                self.refuse(
                    "SELinux",
                    format!("{pointer}/seLinuxOptions/type"),
                    format!("the type is {kind}"),
                );
            }
            for (name, value) in [("user", user), ("role", role)] {
                if !value.is_empty() {
                    self.refuse(
                        "SELinux",
                        format!("{pointer}/seLinuxOptions/{name}"),
                        format!("the {name} is set"),
                    );
                }
            }
        }
        for entry in self.annotations() {
            let (name, value) = (&*entry.key.name, entry.value.as_str().unwrap_or(""));
            let pointer = parapet_manifest::pointer(["metadata", "annotations", name]);
            if name.starts_with("container.apparmor.security.beta.kubernetes.io/")
                && !(value.is_empty() || value == "runtime/default" || value.starts_with("localhost/"))
            {
                self.refuse("AppArmor", pointer, format!("the profile is {value}"));
            } else if self.minor < 19
                && (name == "seccomp.security.alpha.kubernetes.io/pod"
                    || name.starts_with("container.seccomp.security.alpha.kubernetes.io/"))
                && !matches!(value, "runtime/default" | "docker/default")
                && !value.starts_with("localhost/")
            {
                self.refuse("seccomp", pointer, format!("the profile is {value:?}"));
            }
        }
    }

    fn sysctls(&mut self) {
        let sysctls = self.at("/spec/securityContext/sysctls").map_or(&[] as &[Node], Node::items);
        for (index, sysctl) in sysctls.iter().enumerate() {
            let name = sysctl.get("name").and_then(Node::as_str).unwrap_or("");
            if !SYSCTLS.iter().any(|(allowed, since)| *allowed == name && self.minor >= *since) {
                self.refuse(
                    "sysctls",
                    format!("/spec/securityContext/sysctls/{index}/name"),
                    format!("sets {name}"),
                );
            }
        }
    }
}

fn texts(node: Option<&Node>) -> Vec<&str> {
    node.map_or(&[] as &[Node], Node::items).iter().filter_map(Node::as_str).collect()
}
