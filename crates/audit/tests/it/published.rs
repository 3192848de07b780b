//! The Pod Security Standards as Kubernetes itself has them: its own fixtures, and its own evaluator.
//!
//! Both come with the Go module `k8s.io/pod-security-admission`; `cargo xtask verify-pss` (and `cargo xtask test`) fetches it,
//! builds `tests/pss`, and names both here. Without that, the tests say that they are skipped.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parapet_audit::pss::{LATEST, Level, check};
use parapet_manifest::{Document, Limits, load_text};
use serde_json::{Value, json};

/// The folder with `LEVEL/v1.N/{pass,fail}/*.yaml`.
const FIXTURES: &str = "PARAPET_PSS_FIXTURES";
/// The program of `tests/pss`.
const EVALUATOR: &str = "PARAPET_PSS_EVALUATOR";

const LEVELS: [Level; 2] = [Level::Baseline, Level::Restricted];

fn given(variable: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).map(PathBuf::from);
    if given.is_none() {
        // Past what the test harness captures: a skip must be seen.
        let told = writeln!(
            std::io::stderr(),
            "SKIPPED: Pod Security Standards: {variable} isn't set; cargo xtask verify-pss sets it"
        );
        told.unwrap();
    }
    given
}

fn document(name: &str, text: &[u8]) -> Document {
    let mut loaded = load_text(name, text, &Limits::default());
    assert_eq!((loaded.problems, loaded.documents.len()), (vec![], 1), "{name}");
    loaded.documents.remove(0)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_published_fixture_passes_or_fails_as_published() {
    let Some(folder) = given(FIXTURES) else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for level in LEVELS {
        for minor in 0..=LATEST {
            for (outcome, passes) in [("pass", true), ("fail", false)] {
                for path in files(&folder.join(format!("{}/v1.{minor}/{outcome}", level.name()))) {
                    let pod = document("fixture.yaml", &fs::read(&path).unwrap());
                    let found = check(&pod.root, level, minor);
                    count += 1;
                    if found.is_empty() != passes {
                        wrong.push(format!("{}: {found:?}", path.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 4_500, "only {count} fixtures were found");
}

/// Puts `value` where `path` leads, with whatever is missing on the way.
fn set(pod: &mut Value, path: &str, value: Value) {
    let mut at = pod;
    for step in path.trim_start_matches('/').split('/') {
        let step = step.replace("~1", "/");
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[step],
        };
    }
    *at = value;
}

fn hardened(name: &str) -> Value {
    json!({"name": name, "image": "i", "securityContext": {
        "runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }})
}

/// Edits that some control of some version looks at: a path and what to put there.
fn edits() -> Vec<(String, Value)> {
    let mut edits: Vec<(String, Value)> = Vec::new();
    for flag in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
        edits.push((format!("/spec/{flag}"), json!(true)));
        edits.push((format!("/spec/{flag}"), json!(false)));
    }
    for os in ["windows", "linux"] {
        edits.push(("/spec/os/name".into(), json!(os)));
    }
    for annotation in [
        "container.apparmor.security.beta.kubernetes.io~1main",
        "seccomp.security.alpha.kubernetes.io~1pod",
        "container.seccomp.security.alpha.kubernetes.io~1main",
    ] {
        for value in ["unconfined", "runtime/default", "localhost/x", "docker/default", ""] {
            edits.push((format!("/metadata/annotations/{annotation}"), json!(value)));
        }
    }
    for context in [
        "/spec/securityContext",
        "/spec/containers/0/securityContext",
        "/spec/initContainers/0/securityContext",
    ] {
        let mut also = |path: &str, value: Value| edits.push((format!("{context}/{path}"), value));
        also("runAsNonRoot", json!(true));
        also("runAsNonRoot", json!(false));
        also("runAsNonRoot", Value::Null);
        also("runAsUser", json!(0));
        also("runAsUser", json!(1000));
        for profile in ["Unconfined", "RuntimeDefault", "Localhost", ""] {
            also("seccompProfile/type", json!(profile));
            also("appArmorProfile/type", json!(profile));
        }
        also("seccompProfile", Value::Null);
        for kind in ["container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", ""]
        {
            also("seLinuxOptions/type", json!(kind));
        }
        also("seLinuxOptions/user", json!("root"));
        also("seLinuxOptions/role", json!("r"));
        also("seLinuxOptions/level", json!("s0"));
        also("windowsOptions/hostProcess", json!(true));
        also("windowsOptions/hostProcess", json!(false));
        if context == "/spec/securityContext" {
            for sysctl in [
                "kernel.shm_rmid_forced",
                "net.ipv4.ip_local_reserved_ports",
                "net.ipv4.tcp_fin_timeout",
                "net.ipv4.tcp_rmem",
                "net.ipv4.tcp_notsent_lowat",
                "kernel.msgmax",
            ] {
                also("sysctls", json!([{"name": sysctl, "value": "1"}]));
            }
            continue;
        }
        also("privileged", json!(true));
        also("privileged", json!(false));
        also("allowPrivilegeEscalation", json!(true));
        also("allowPrivilegeEscalation", Value::Null);
        for mount in ["Unmasked", "Default", "Strange"] {
            also("procMount", json!(mount));
        }
        for added in ["NET_BIND_SERVICE", "CHOWN", "NET_RAW", "ALL", "chown", "CAP_CHOWN"] {
            also("capabilities/add", json!([added]));
        }
        also("capabilities/drop", json!(["NET_RAW"]));
        also("capabilities/drop", json!(["all"]));
        also("capabilities/drop", Value::Null);
    }
    for (kind, source) in [
        ("hostPath", json!({"path": "/"})),
        ("emptyDir", json!({})),
        ("nfs", json!({"server": "s", "path": "/"})),
        ("configMap", json!({"name": "c"})),
        ("image", json!({"reference": "r"})),
        ("csi", json!({"driver": "d"})),
        ("gitRepo", json!({"repository": "r"})),
        ("iscsi", json!({"targetPortal": "t", "iqn": "i", "lun": 0})),
        ("ephemeral", json!({})),
        ("projected", json!({"sources": []})),
        ("downwardAPI", json!({})),
    ] {
        edits.push(("/spec/volumes/0".into(), json!({"name": "v", kind: source})));
    }
    for port in [0, 80] {
        edits.push(("/spec/containers/0/ports".into(), json!([{"containerPort": 80, "hostPort": port}])));
        edits.push(("/spec/initContainers/0/ports".into(), json!([{"containerPort": 80, "hostPort": port}])));
    }
    for host in ["", "127.0.0.1", "h"] {
        for handler in
            ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/preStop", "lifecycle/postStart"]
        {
            edits.push((
                format!("/spec/containers/0/{handler}"),
                json!({"httpGet": {"host": host, "port": 80}}),
            ));
            edits.push((
                format!("/spec/initContainers/0/{handler}"),
                json!({"tcpSocket": {"host": host, "port": 80}}),
            ));
        }
    }
    let mut ephemeral = hardened("debug");
    edits.push(("/spec/ephemeralContainers".into(), json!([ephemeral])));
    ephemeral["securityContext"]["privileged"] = json!(true);
    edits.push(("/spec/ephemeralContainers".into(), json!([ephemeral])));
    edits.push(("/spec/ephemeralContainers".into(), json!([{"name": "debug", "image": "i"}])));
    edits.push(("/spec/containers/0/securityContext".into(), Value::Null));
    edits.push(("/spec/initContainers/0/securityContext".into(), Value::Null));
    edits
}

/// A pod that every version lets in, one and two edits away from it, and one edit away from a pod that says nothing.
fn pods() -> Vec<Value> {
    let base = |context: bool| {
        let container = |name: &str| {
            if context { hardened(name) } else { json!({"name": name, "image": "i", "securityContext": {}}) }
        };
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {}},
            "spec": {"containers": [container("main")], "initContainers": [container("init")],
                "volumes": [{"name": "v", "emptyDir": {}}]}})
    };
    let edits = edits();
    let mut pods = vec![base(true), base(false)];
    for (index, (path, value)) in edits.iter().enumerate() {
        for context in [true, false] {
            let mut one = base(context);
            set(&mut one, path, value.clone());
            if context {
                // A quarter of the pairs, each edit with every fourth other: all of them take a minute.
                for (other, value) in edits[..index].iter().skip(index % 4).step_by(4) {
                    let mut two = one.clone();
                    // The second edit may lie inside of what the first one put there.
                    set(&mut two, other, value.clone());
                    pods.push(two);
                }
            }
            pods.push(one);
        }
    }
    pods
}

fn digits(pod: &Document, level: Level) -> String {
    (0..=LATEST).map(|minor| if check(&pod.root, level, minor).is_empty() { '1' } else { '0' }).collect()
}

#[test]
fn edits_of_a_pod_alone_and_in_pairs_are_judged_as_kubernetes_judges_it() {
    let Some(evaluator) = given(EVALUATOR) else { return };
    let pods = pods();
    let mut text = String::new();
    for pod in &pods {
        writeln!(text, "{pod}").unwrap();
    }
    let mut child = Command::new(evaluator).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let asked = text.clone();
    let writer = std::thread::spawn(move || input.write_all(asked.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), pods.len());
    let mut wrong = Vec::new();
    let mut let_in = 0;
    for (pod, expected) in text.lines().zip(said.lines()) {
        let document = document("pod.json", pod.as_bytes());
        let ours = format!("{} {}", digits(&document, Level::Baseline), digits(&document, Level::Restricted));
        let_in += usize::from(ours.ends_with('1'));
        if ours != expected {
            wrong.push(format!("{pod}\n  here {ours}\n  there {expected}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} wrong\n{}",
        wrong.len(),
        pods.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    assert!(let_in > pods.len() / 10 && let_in < pods.len(), "{let_in} of {} let in", pods.len());
}
