//! The configuration of the running binary: by file, environment and flag; what a change does, and what can't be used.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;

use parapet_operator::settings::{Effect, KEYS};
use parapet_testbed::{Cluster, Sandbox, free_port};
use serde_json::json;

use crate::asked::{ask, status};
use crate::log::says;
use crate::world::{
    LISTED, OPERATOR, Operator, Start, WORKING, called, is_committed, log_of, shared, text_of,
};

/// Runs it to its end, in a sandbox without a cluster.
fn ended(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Output {
    let sandbox = Sandbox::new().unwrap();
    let path = sandbox.write("eck.yaml", file).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_parapet"));
    command
        .args(["manager", &format!("--config={}", path.display())])
        .args(flags)
        .envs(environment.iter().copied())
        .env("NO_COLOR", "1")
        .current_dir(sandbox.dir());
    command.output().unwrap()
}

#[test]
fn what_cant_be_used_ends_with_2_and_names_its_place() {
    for (file, environment, flags, words) in [
        (
            "operator-namespace: a\ncert-validity: soon\n",
            &[][..],
            &[][..],
            "eck.yaml:2: cert-validity: \"soon\"",
        ),
        (
            "operator-namespace: a\nmetrics-prot: 1\n",
            &[],
            &[],
            "eck.yaml:2: metrics-prot: there is no such key; was metrics-port meant?",
        ),
        ("operator-namespace: [\n", &[], &[], "eck.yaml:"),
        ("operator-namespace: a\n", &[("METRICS_PORT", "many")], &[], "METRICS_PORT: \"many\""),
        (
            "operator-namespace: a\n",
            &[],
            &["--max-concurrent-reconciles=0"],
            "--max-concurrent-reconciles: \"0\"",
        ),
        ("ubi-only: false\n", &[], &[], "operator-namespace is missing"),
        (
            "operator-namespace: a\nmetrics-port: 8081\nmetrics-secure: true\nprobes-bind-address: :8081\n",
            &[],
            &[],
            "eck.yaml:4: probes-bind-address: metrics are served at 0.0.0.0:8081 already",
        ),
    ] {
        let output = ended(file, environment, flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {said}");
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
}

const BEGIN: &str = "<!-- keys: written by `cargo xtask manifests` -->\n";
const END: &str = "<!-- end of keys -->";

#[test]
fn every_key_is_in_the_documentation() {
    let mut table = String::from("| key | value | default | what |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let what = match key.effect {
            Effect::Full => key.help.to_owned(),
            Effect::Needless(why) => format!("{}. Needless: {why}", key.help),
            Effect::Missing(why) => format!("{}. Without effect: {why}", key.help),
        };
        table.push_str(&format!("| `{}` | {} | {default} | {what} |\n", key.name, key.value));
    }
    let path = "docs/operator.md";
    let text = text_of(path);
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    is_committed(path, &format!("{before}{BEGIN}{table}{END}{after}"));
}

#[test]
fn every_key_is_in_the_help() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_parapet"));
    let output = command.args(["operator", "--help"]).env("NO_COLOR", "1").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let flags: BTreeSet<&str> = help
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"))
        .map(|word| word.split(['=', '[']).next().unwrap_or(word))
        .collect();
    for key in KEYS {
        assert!(flags.contains(key.name), "--{} is not in the help", key.name);
    }
}

/// An operator of a namespace, with every right there.
async fn operator(cluster: &Cluster, namespace: &str, file: &str, flags: &[&str]) -> Operator {
    let start = Start { cluster, name: namespace, kubeconfig: cluster.kubeconfig(), file, flags };
    Operator::start(start).await
}

#[tokio::test]
async fn a_changed_file_ends_it_cleanly_and_the_next_one_has_the_change() {
    let Some(cluster) = shared().await else { return };
    let namespace = "changed-file";
    cluster.namespace(namespace).await.unwrap();
    let file =
        format!("operator-namespace: {namespace}\nnamespaces: [{namespace}]\nmax-concurrent-reconciles: 3\n");
    let one = operator(cluster, namespace, &file, &[]).await;
    works_with(&one, 3).await;
    // An edit that can't be used is said, and nothing ends; the next one is taken.
    fs::write(&one.file, file.replace(": 3", ": none")).unwrap();
    one.says("the changed configuration can't be used").await;
    let changed = file.replace(": 3", ": 7");
    fs::write(&one.file, &changed).unwrap();
    let mut process = one.process;
    // It was running until then: what ended it cleanly is the second change.
    let ended = tokio::task::spawn_blocking(move || (process.wait().unwrap(), process.log())).await.unwrap();
    assert!(ended.0.success(), "{}", ended.1);
    assert!(ended.1.contains("the lease is given back"), "{}", ended.1);
    let two = operator(cluster, namespace, &changed, &[]).await;
    works_with(&two, 7).await;
    assert!(two.process.stop().unwrap().success());
}

/// Waits until it works, with so many passes at a time: it leads then.
async fn works_with(operator: &Operator, passes: u32) {
    let line =
        format!("controller_runtime_max_concurrent_reconciles{{controller=\"kibana-controller\"}} {passes}");
    operator.says(WORKING).await;
    let metrics = operator.metrics().await;
    assert!(metrics.lines().any(|one| one == line), "{metrics}");
}

/// Metrics where probes are by default, as source document 004 has it: both work, on one socket if asked.
#[tokio::test]
async fn metrics_and_probes_on_one_port_dont_clash() {
    let Some(cluster) = shared().await else { return };
    let namespace = "one-port";
    cluster.namespace(namespace).await.unwrap();
    let map: serde_json::Value =
        serde_saphyr::from_str(&text_of("examples/secure-metrics/sidecar/config.yaml")).unwrap();
    let file = map["data"]["eck.yaml"].as_str().unwrap().replace("elastic-system", namespace);
    let port = free_port().unwrap();
    let (metrics, probes) =
        (format!("--metrics-port={port}"), format!("--probes-bind-address=127.0.0.1:{port}"));
    let within = format!("--namespaces={namespace}");
    // The helper's own probes give way to these.
    let folder = cluster.sandbox().write("one-port.yaml", &file).unwrap();
    let mut command = called(cluster, OPERATOR);
    command
        .args(["manager", &format!("--config={}", folder.display())])
        .arg(format!("--kubeconfig={}", cluster.kubeconfig().display()))
        .args([&metrics, &probes, &within, "--enable-webhook=false"]);
    let process = cluster.sandbox().start(namespace, command).unwrap();
    says(&process, &log_of(cluster, namespace), LISTED).await;
    assert_eq!(status(&format!("http://127.0.0.1:{port}/readyz")).await, 200);
    let answer = ask(&format!("http://127.0.0.1:{port}/metrics"), &[]).await;
    assert!(answer.status == 200 && answer.body.contains("process_resident_memory_bytes"));
    assert!(process.stop().unwrap().success());
}

/// Log lines are those that pipelines for the reference know.
#[tokio::test]
async fn log_lines_are_json_with_the_known_fields() {
    let Some(cluster) = shared().await else { return };
    let namespace = "log-lines";
    cluster.namespace(namespace).await.unwrap();
    let file = json!({"operator-namespace": namespace, "namespaces": [namespace]}).to_string();
    let operator = operator(cluster, namespace, &file, &[]).await;
    operator.says(WORKING).await;
    for line in operator.process.log().lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        for field in ["@timestamp", "log.level", "log.logger", "message", "service.version", "ecs.version"] {
            assert!(line[field].is_string(), "{field} is not in {line}");
        }
        assert_eq!(line["service.type"], "eck");
    }
    assert!(operator.process.stop().unwrap().success());
}
