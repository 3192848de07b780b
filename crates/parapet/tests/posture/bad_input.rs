//! Input that is wrong: a message with its place, and the rest is analysed all the same.

use std::fmt::Write as _;
use std::fs::{self, File};

use crate::run::Folder;

/// An object that is fine, so that something is left to say.
const FINE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: fine, namespace: a, labels: {app: fine}}
spec: {containers: [{name: main, image: x}]}
";

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: a}}\nspec:\n{spec}"
    )
}

/// Every command names `expect` on standard error, and all of them still speak of the rest.
fn check(bad: &[u8], expect: &str) {
    let folder = Folder::of(&[("fine.yaml", FINE)]);
    fs::write(folder.path("bad.yaml"), bad).unwrap();
    for words in [
        &["reach", "list"][..],
        &["audit", "--exit-zero", "--all-workloads"],
        &["policy", "generate", "--namespace", "a"],
    ] {
        let said = folder.parapet(&[words, &["fine.yaml", "bad.yaml"]].concat());
        assert_eq!(said.code, 0, "{expect}: {words:?}: {}", said.err);
        assert!(said.err.contains(expect), "{expect}: {words:?}: {}", said.err);
        assert!(
            said.out.contains("fine") || said.out.contains("default-deny"),
            "{expect}: {words:?}: {}",
            said.out
        );
    }
}

#[test]
fn text_that_is_no_yaml_is_named_with_its_place() {
    check(b"apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n", "bad.yaml:4:1");
    check(b"apiVersion: v1\nkind: Pod\nmetadata: {name: \xff}\n", "bad.yaml:3:18: ");
    check(b"\xff\xfea\0", "bad.yaml:1:1: ");
    check(b"apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}-x}\n", "helm template");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_obstacle() {
    let folder = Folder::of(&[]);
    let windows = FINE.replace('\n', "\r\n");
    fs::write(folder.path("windows.yaml"), [b"\xEF\xBB\xBF", windows.as_bytes()].concat()).unwrap();
    let said = folder.parapet(&["reach", "list", "windows.yaml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("a/fine[Pod]"), "{}", said.out);
    assert!(said.err.contains("windows.yaml:1:1: note: starts with a byte-order mark"), "{}", said.err);
}

#[test]
fn an_alias_bomb_is_refused_before_it_goes_off() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let one = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [one.as_str(); 10].join(", ")).unwrap();
    }
    check(bomb.as_bytes(), "bad.yaml:");
}

#[test]
fn a_file_of_a_gigabyte_is_refused_unread() {
    let folder = Folder::of(&[("fine.yaml", FINE)]);
    File::create(folder.path("huge.yaml")).unwrap().set_len(1 << 30).unwrap();
    for command in ["reach list", "audit --exit-zero"] {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.push("huge.yaml");
        let alone = folder.parapet(&words);
        assert_eq!(alone.code, 2, "{command}: {}", alone.err);
        assert!(alone.err.contains("huge.yaml:1:1: "), "{}", alone.err);
        words.push("fine.yaml");
        let beside = folder.parapet(&words);
        assert_eq!(beside.code, 0, "{command}: {}", beside.err);
    }
}

#[test]
fn ten_thousand_documents_are_read() {
    let mut many = String::new();
    for number in 0..10_000 {
        writeln!(
            many,
            "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{number}, namespace: a}}}}"
        )
        .unwrap();
    }
    many += "---\napiVersion: v1\nkind: Pod\nmetadata: {name: last, namespace: a}\nspec: {containers: [{name: m, ports: [{containerPort: 0}]}]}\n";
    let folder = Folder::of(&[("many.yaml", &many)]);
    let said = folder.parapet(&["reach", "list", "many.yaml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("a/last[Pod]"), "{}", said.out);
    assert!(said.err.contains("many.yaml:20005:"), "{}", said.err);
}

#[test]
fn of_two_objects_of_one_name_one_is_left_out_and_named() {
    let twice = format!("{FINE}---\n{FINE}").replace("name: fine, ", "name: twice, ");
    check(twice.as_bytes(), "bad.yaml:8:12: ");
}

#[test]
fn policies_that_the_api_server_would_refuse_open_nothing() {
    for (spec, expect) in [
        ("  podSelector: {}\n  ingress:\n  - ports:\n    - port: 90\n      endPort: 80\n", "bad.yaml:9:7: "),
        (
            "  podSelector:\n    matchExpressions:\n    - key: app\n      operator: Near\n      values: [x]\n",
            "bad.yaml:8:7: ",
        ),
        (
            "  podSelector: {}\n  ingress:\n  - from:\n    - ipBlock:\n        cidr: 10.0.0.0/8\n        except: ['fd00::/8']\n",
            "bad.yaml:10:18: ",
        ),
        ("  podSelector: {}\n  ingress:\n  - ports: [{port: '80'}]\n", "bad.yaml:7:14: "),
    ] {
        check(policy(spec).as_bytes(), expect);
    }
    let folder = Folder::of(&[("fine.yaml", FINE)]);
    folder.write(
        "p.yaml",
        &policy("  podSelector: {}\n  ingress:\n  - ports:\n    - {port: 90, endPort: 80}\n"),
    );
    folder.write("both.yaml", &format!("{FINE}---\n{}", folder.read("p.yaml")));
    let said = folder.parapet(&["reach", "check", "203.0.113.9", "a/fine", "85", "both.yaml"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("what follows is incomplete"), "{}", said.err);
    for words in [
        &["reach", "list"][..],
        &["reach", "check", "a/fine", "203.0.113.9", "85"],
        &["reach", "explain", "a/fine", "203.0.113.9", "85"],
        &["reach", "queries"],
        &["reach", "diff", "fine.yaml"],
        &["audit", "-o", "markdown", "--exit-zero"],
    ] {
        let marked = folder.parapet(&[words, &["both.yaml"]].concat());
        assert!(marked.out.to_lowercase().contains("incomplete"), "{words:?}: {} {}", marked.out, marked.err);
    }
    let strict = folder.parapet(&["reach", "list", "fine.yaml", "p.yaml", "--fail"]);
    assert_eq!(strict.code, 2, "{}", strict.out);
}

#[test]
fn what_is_unusual_but_valid_is_analysed_and_told() {
    let odd = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: bare, namespace: a}
spec: {template: {spec: {containers: [{name: m, image: x}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: manual, namespace: a}
spec: {ports: [{port: 80}]}
";
    check(odd.as_bytes(), "bad.yaml:4:8: warning: Deployment a/bare: no labels: ");
    check(odd.as_bytes(), "bad.yaml:9:1: warning: Service a/manual: a Service without selector: ");
    let folder = Folder::of(&[("odd.yaml", odd)]);
    let said = folder.parapet(&["reach", "list", "odd.yaml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("a/bare[Deployment]") && !said.err.contains("incomplete"), "{}", said.out);
}

#[test]
fn what_is_wrong_with_a_workload_is_told_by_every_command() {
    let port = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a}\n\
                spec: {containers: [{name: m, ports: [{containerPort: 0}]}]}\n";
    check(port.as_bytes(), "bad.yaml:4:40: error: Pod a/p: 0 is no port");
}
