//! The Pod Security Standards, control by control and version by version.

use parapet_audit::pss::{LATEST, Level, check, minor};
use parapet_manifest::{Limits, load_text};

/// The controls that refuse a pod, given as the text of its spec in flow style.
fn refused(spec: &str, level: Level, minor: u32) -> Vec<&'static str> {
    refused_with("{}", spec, level, minor)
}

fn refused_with(annotations: &str, spec: &str, level: Level, minor: u32) -> Vec<&'static str> {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, annotations: {annotations}}}\nspec: {spec}\n"
    );
    let loaded = load_text("p.yaml", text.as_bytes(), &Limits::default());
    assert_eq!(loaded.problems, [], "{text}");
    let mut controls: Vec<&str> =
        check(&loaded.documents[0].root, level, minor).iter().map(|found| found.control).collect();
    controls.dedup();
    controls
}

/// A container with a securityContext.
fn with(context: &str) -> String {
    format!("{{containers: [{{name: c, image: i, securityContext: {{{context}}}}}]}}")
}

/// A pod that fits `restricted`, with more in its spec.
fn hardened(more: &str, context: &str) -> String {
    format!(
        "{{{more} containers: [{{name: c, image: i, securityContext: {{runAsNonRoot: true, allowPrivilegeEscalation: false, \
         capabilities: {{drop: [ALL]}}, seccompProfile: {{type: RuntimeDefault}}{context}}}}}]}}"
    )
}

#[test]
fn baseline_refuses_what_is_dangerous() {
    let check = |spec: &str, control: &str| {
        assert_eq!(refused(spec, Level::Baseline, LATEST), [control], "{spec}");
        assert_eq!(refused(spec, Level::Privileged, LATEST), [] as [&str; 0], "{spec}");
    };
    check("{hostNetwork: true}", "host namespaces");
    check("{hostPID: true}", "host namespaces");
    check("{hostIPC: true}", "host namespaces");
    check("{securityContext: {windowsOptions: {hostProcess: true}}}", "host process");
    check(&with("windowsOptions: {hostProcess: true}"), "host process");
    check(&with("privileged: true"), "privileged");
    check("{initContainers: [{name: c, securityContext: {privileged: true}}]}", "privileged");
    check("{ephemeralContainers: [{name: c, securityContext: {privileged: true}}]}", "privileged");
    check(&with("capabilities: {add: [NET_RAW]}"), "capabilities");
    check("{volumes: [{name: v, hostPath: {path: /}}]}", "host path");
    check("{containers: [{name: c, ports: [{containerPort: 80, hostPort: 80}]}]}", "host ports");
    check("{securityContext: {appArmorProfile: {type: Unconfined}}}", "AppArmor");
    check(&with("seLinuxOptions: {type: spc_t}"), "SELinux");
    check(&with("seLinuxOptions: {user: root}"), "SELinux");
    check(&with("procMount: Unmasked"), "/proc mount");
    check("{securityContext: {seccompProfile: {type: Unconfined}}}", "seccomp");
    check("{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}}", "sysctls");
    let fine = "{containers: [{name: c, ports: [{containerPort: 80, hostPort: 0}], securityContext: {capabilities: {add: [CHOWN]}}}]}";
    assert_eq!(refused(fine, Level::Baseline, LATEST), [] as [&str; 0]);
}

#[test]
fn restricted_wants_hardening_said() {
    assert_eq!(refused(&hardened("", ""), Level::Restricted, LATEST), [] as [&str; 0]);
    let bare = refused("{containers: [{name: c, image: i}]}", Level::Restricted, LATEST);
    assert_eq!(bare, ["non-root", "privilege escalation", "capabilities", "seccomp"]);
    let check = |more: &str, context: &str, control: &str| {
        let spec = hardened(more, context);
        assert_eq!(refused(&spec, Level::Restricted, LATEST), [control], "{spec}");
    };
    check("volumes: [{name: v, nfs: {server: s, path: /}}],", "", "volume types");
    check("", ", runAsUser: 0", "non-root user");
    check("securityContext: {runAsUser: 0},", "", "non-root user");
    let added = hardened("", "").replace("drop: [ALL]", "drop: [ALL], add: [CHOWN]");
    assert_eq!(refused(&added, Level::Restricted, LATEST), ["capabilities"]);
    let bind = hardened("", "").replace("drop: [ALL]", "drop: [ALL], add: [NET_BIND_SERVICE]");
    assert_eq!(refused(&bind, Level::Restricted, LATEST), [] as [&str; 0]);
    let undone = hardened("securityContext: {runAsNonRoot: true},", "").replacen(
        "securityContext: {runAsNonRoot: true, allow",
        "securityContext: {runAsNonRoot: false, allow",
        1,
    );
    assert_eq!(refused(&undone, Level::Restricted, LATEST), ["non-root"]);
}

#[test]
fn controls_count_since_the_version_that_brought_them() {
    let check = |spec: &str, level: Level, since: u32| {
        assert_eq!(refused(spec, level, since - 1), [] as [&str; 0], "{spec} in 1.{}", since - 1);
        assert_eq!(refused(spec, level, since).len(), 1, "{spec} in 1.{since}");
    };
    check("{containers: [{name: c, livenessProbe: {httpGet: {host: h, port: 80}}}]}", Level::Baseline, 34);
    check("{containers: [{name: c, lifecycle: {preStop: {tcpSocket: {host: h}}}}]}", Level::Baseline, 34);
    check("{securityContext: {seccompProfile: {type: Unconfined}}}", Level::Baseline, 19);
    let until = |spec: &str, level: Level, since: u32| {
        assert_eq!(refused(spec, level, since - 1).len(), 1, "{spec} in 1.{}", since - 1);
        assert_eq!(refused(spec, level, since), [] as [&str; 0], "{spec} in 1.{since}");
    };
    let sysctl = |name: &str| format!("{{securityContext: {{sysctls: [{{name: {name}, value: '1'}}]}}}}");
    until(&sysctl("net.ipv4.ip_local_reserved_ports"), Level::Baseline, 27);
    until(&sysctl("net.ipv4.tcp_fin_timeout"), Level::Baseline, 29);
    until(&sysctl("net.ipv4.tcp_rmem"), Level::Baseline, 32);
    until(&sysctl("net.ipv4.tcp_notsent_lowat"), Level::Baseline, 37);
    until(&with("seLinuxOptions: {type: container_engine_t}"), Level::Baseline, 31);
    until(
        "{hostUsers: false, containers: [{name: c, securityContext: {procMount: Unmasked}}]}",
        Level::Baseline,
        35,
    );
    let windows =
        "{os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: c, image: i}]}";
    assert_eq!(refused(windows, Level::Restricted, 25), [] as [&str; 0]);
    assert_eq!(refused(windows, Level::Restricted, 24), ["privilege escalation", "capabilities", "seccomp"]);
    let root = hardened("", ", runAsUser: 0");
    check(&root, Level::Restricted, 23);
    let in_user_namespace = root.replacen('{', "{hostUsers: false, ", 1);
    until(&in_user_namespace, Level::Restricted, 35);
    let unmasked = hardened("hostUsers: false,", ", procMount: Unmasked");
    assert_eq!(refused(&unmasked, Level::Restricted, 35), ["/proc mount"]);
    let old = |value: &str| {
        refused_with(
            &format!("{{seccomp.security.alpha.kubernetes.io/pod: {value}}}"),
            "{}",
            Level::Baseline,
            18,
        )
    };
    assert_eq!((old("unconfined"), old("runtime/default")), (vec!["seccomp"], vec![]));
    let armor = "{container.apparmor.security.beta.kubernetes.io/c: unconfined}";
    assert_eq!(refused_with(armor, "{}", Level::Baseline, LATEST), ["AppArmor"]);
    assert_eq!(
        (minor(Some("v1.24")), minor(Some("latest")), minor(Some("x")), minor(None)),
        (24, LATEST, LATEST, LATEST)
    );
}
