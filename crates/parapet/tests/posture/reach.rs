//! `parapet reach`: exit codes, forms, and the lines that netpol-analyzer's users know.

use crate::run::Folder;

const SHOP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: x, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: x, ports: [{containerPort: 5432}]}]}
";

const LOCKED: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
";

fn shop() -> Folder {
    Folder::of(&[
        ("open/shop.yaml", SHOP),
        ("locked/shop.yaml", SHOP),
        ("locked/deep/policy.yaml", LOCKED),
        ("empty/nothing.yaml", "# nothing\n"),
    ])
}

#[test]
fn check_answers_by_its_exit_code() {
    let folder = shop();
    for (from, to, port, code, word) in [
        ("shop/web", "shop/db", "5432", 0, "allowed"),
        ("shop/web", "shop/db", "22", 1, "denied"),
        ("shop/db", "shop/web", "8080", 1, "denied"),
        ("203.0.113.9", "shop/db", "5432", 1, "denied"),
        ("203.0.113.9", "shop/web", "tcp-8080", 0, "allowed"),
    ] {
        let said = folder.parapet(&["reach", "check", from, to, port, "-R", "locked"]);
        assert_eq!(said.code, code, "{from} {to} {port}: {}", said.err);
        assert!(said.out.lines().nth(1).unwrap().ends_with(word), "{}", said.out);
        assert!(said.out.starts_with("# modes: "), "{}", said.out);
    }
}

#[test]
fn what_cannot_be_answered_is_exit_code_2() {
    let folder = shop();
    for (words, expect) in [
        (&["reach", "check", "shop/wep", "shop/db", "1", "open"][..], "shop/wep"),
        (&["reach", "check", "shop/web", "shop/db", "99999", "open"], "is no port such as"),
        (&["reach", "list", "empty"], "no Kubernetes object was found"),
        (&["reach", "list", "missing.yaml"], "missing.yaml:1:1: error: can't be read"),
        (&["reach", "list"], "or a cluster with --context"),
        (&["reach", "list", "open", "-o", "pdf"], "there are txt"),
        (&["reach", "list", "--kubeconfig", "no-such-file"], "can't use the kubeconfig"),
    ] {
        let said = folder.parapet(words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.err);
        assert!(said.err.contains(expect), "{words:?}: {}", said.err);
        assert_eq!(said.out, "", "{words:?}");
    }
}

#[test]
fn the_lines_of_a_folder_are_netpol_analyzers() {
    let folder = shop();
    let said = folder.parapet(&["reach", "list", "--dirpath", "locked", "-q"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let expected = "\
0.0.0.0-255.255.255.255[External] => shop/web[Deployment] : All Connections
shop/web[Deployment] => 0.0.0.0-255.255.255.255[External] : All Connections
shop/web[Deployment] => shop/db[Deployment] : TCP 5432
";
    assert_eq!(said.out.trim_end(), expected.trim_end());
    assert_eq!(said.err, "");
}

#[test]
fn each_form_of_the_list_is_written() {
    let folder = shop();
    for (form, expect) in [
        ("txt", "shop/web[Deployment] => shop/db[Deployment] : TCP 5432"),
        ("json", "\"shop/db[Deployment]\""),
        ("csv", "src,dst,conn"),
        ("md", "| src | dst | conn |"),
        ("dot", "digraph"),
        ("mermaid", "flowchart"),
        ("svg", "<svg"),
        ("html", "<!doctype html>"),
    ] {
        let said = folder.parapet(&["reach", "list", "-R", "locked", "-o", form]);
        assert_eq!(said.code, 0, "{form}: {}", said.err);
        assert!(said.out.to_lowercase().contains(&expect.to_lowercase()), "{form}: {}", said.out);
        let file = format!("reach.{form}");
        let to_file = folder.parapet(&["reach", "list", "-R", "locked", "-o", form, "-f", &file]);
        assert_eq!((to_file.code, to_file.out.as_str()), (0, ""), "{form}");
        assert_eq!(folder.read(&file), said.out, "{form}");
    }
}

#[test]
fn diff_tells_what_changed_and_by_its_exit_code_whether() {
    let folder = shop();
    let same = folder.parapet(&["reach", "diff", "open", "open"]);
    assert_eq!(same.code, 0, "{}", same.err);
    assert_eq!(same.out.lines().collect::<Vec<_>>()[1..], ["# no difference"], "{}", same.out);
    let changed = folder.parapet(&["reach", "diff", "--dir1", "open", "--dir2", "locked"]);
    assert_eq!(changed.code, 1, "{}", changed.err);
    let line = "diff-type: changed, source: shop/web[Deployment], destination: shop/db[Deployment], \
                dir1: All Connections, dir2: TCP 5432";
    assert!(changed.out.contains(line), "{}", changed.out);
    let zero = folder.parapet(&["reach", "diff", "-R", "open", "locked", "--exit-zero"]);
    assert_eq!(zero.code, 0, "{}", zero.err);
    for form in ["json", "csv", "md", "dot", "svg", "html"] {
        let said = folder.parapet(&["reach", "diff", "-R", "open", "locked", "-o", form]);
        assert_eq!(said.code, 1, "{form}: {}", said.err);
        assert!(said.out.contains("shop/db[Deployment]"), "{form}: {}", said.out);
    }
    let json = folder.parapet(&["reach", "diff", "-R", "open", "locked", "-o", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["modes"]["hairpin"], &json["incomplete"]),
        (&"subject".into(), &false.into()),
        "{json}"
    );
    // netpol-analyzer's own call for a picture.
    let svg = ["reach", "diff", "--dir1", "open", "--dir2", "locked", "-o", "svg", "-f", "diff.svg"];
    let picture = folder.parapet(&svg);
    assert_eq!((picture.code, picture.out.as_str()), (1, ""), "{}", picture.err);
    assert!(folder.read("diff.svg").contains("class=\"edge changed\""));
}

#[test]
fn flags_of_netpol_analyzer_that_change_nothing_are_taken() {
    let folder = shop();
    let plain = folder.parapet(&["reach", "list", "--dirpath", "locked", "-q"]);
    let words = ["reach", "list", "--dirpath", "locked", "--include-json", "--multiple-networks=false", "-v"];
    let same = folder.parapet(&words);
    assert_eq!((same.code, same.out.as_str()), (0, plain.out.as_str()), "{}", same.err);
    let words =
        ["reach", "diff", "--dir1", "open", "--dir2", "locked", "--include-json", "--multiple-networks"];
    assert_eq!(folder.parapet(&words).code, 1);
    let cluster = folder.parapet(&["reach", "list", "-k", "no-such-file", "-c", "prod"]);
    assert_eq!(cluster.code, 2);
    assert!(cluster.err.contains("can't use the kubeconfig"), "{}", cluster.err);
}

#[test]
fn a_list_explains_itself_and_says_what_would_change_it() {
    let folder = shop();
    let said = folder.parapet(&["reach", "list", "-R", "locked", "--explain", "--focus", "db"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for expected in [
        "Connections between 0.0.0.0-255.255.255.255[External] => shop/db[Deployment]:\n",
        "Connections between shop/web[Deployment] => shop/db[Deployment]:\n",
        "what would change it: add this port to rule 1 of shop/db, which has this peer already\n",
    ] {
        assert!(said.out.contains(expected), "{expected:?}: {}", said.out);
    }
    let inside = folder.parapet(&["reach", "list", "-R", "locked", "--explain", "--external", "no"]);
    assert!(!inside.out.contains("[External]") && inside.out.contains("shop/db"), "{}", inside.out);
    let denied = folder.parapet(&["reach", "list", "-R", "locked", "--explain", "--explain-only", "deny"]);
    assert!(denied.out.contains("Denied connections") && !denied.out.contains("Allowed"), "{}", denied.out);
    let form = folder.parapet(&["reach", "list", "locked", "--explain", "-o", "json"]);
    assert_eq!((form.code, form.out.as_str()), (2, ""), "{}", form.err);
    let nobody = folder.parapet(&["reach", "list", "locked", "--focus", "dbb"]);
    assert!(nobody.out.contains("# note: no workload \"dbb\""), "{}", nobody.out);
}

#[test]
fn what_entry_points_open_is_a_difference() {
    let folder = shop();
    let entry = "\
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
";
    folder.write("entered.yaml", &format!("{SHOP}{entry}"));
    let said = folder.parapet(&["reach", "diff", "open", "entered.yaml"]);
    let line = "diff-type: added, source: {ingress-controller}, destination: shop/web[Deployment], \
                before: No Connections, after: TCP 8080";
    assert_eq!((said.code, said.out.lines().last()), (1, Some(line)), "{}{}", said.out, said.err);
}

#[test]
fn evaluate_explain_and_queries_answer() {
    let folder = shop();
    let words = ["-s", "web", "-n", "shop", "-d", "db", "--destination-namespace", "shop"];
    for (port, code, word) in [("5432", 0, "true"), ("80", 1, "false")] {
        let mut all = vec!["reach", "evaluate", "--dirpath", "locked", "-p", port];
        all.extend(words);
        let said = folder.parapet(&all);
        assert_eq!(said.code, code, "{}", said.err);
        assert_eq!(said.out, format!("shop/web => shop/db over tcp/{port}: {word}\n"));
    }
    let why = folder.parapet(&["reach", "explain", "shop/web", "shop/db", "22", "-R", "locked"]);
    assert_eq!(why.code, 0, "{}", why.err);
    assert!(why.out.contains("shop/db"), "{}", why.out);
    let odd = folder.parapet(&["reach", "queries", "-R", "locked", "--json"]);
    assert_eq!(odd.code, 0, "{}", odd.err);
    let odd: serde_json::Value = serde_json::from_str(&odd.out).unwrap();
    assert_eq!(odd["findings"], serde_json::json!([]));
}

#[test]
fn what_controllers_own_is_counted_once_with_the_pods_that_there_are() {
    let owned = "\
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  {name: web-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: a, controller: true}]}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: x}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1-abc
  namespace: shop
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: b, controller: true}]
spec: {containers: [{name: main, image: x, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.7}]}
";
    let folder = shop();
    let alone = folder.parapet(&["reach", "list", "open"]);
    folder.write("live.yaml", &format!("{SHOP}{owned}"));
    let live = folder.parapet(&["reach", "list", "live.yaml"]);
    assert_eq!(live.code, 0, "{}", live.err);
    assert_eq!(live.out, alone.out);
    let by_pod = folder.parapet(&["reach", "check", "shop/web-1-abc", "shop/db", "5432", "live.yaml"]);
    assert_eq!(by_pod.code, 0, "{}", by_pod.err);
}

#[test]
fn a_pod_that_asks_for_itself_by_a_services_name_is_judged_as_the_mode_says() {
    let objects = "\
{apiVersion: v1, kind: Pod, metadata: {name: es, namespace: a, labels: {app: es}}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: es, namespace: a}, spec: {selector: {app: es}, ports: [{port: 9200}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: a}, spec: {podSelector: {}, policyTypes: [Ingress]}}
";
    let folder = Folder::of(&[("m.yaml", objects)]);
    let check = |port: &str, mode: &str| {
        let said = folder.parapet(&["reach", "check", "a/es", "a/es", port, "m.yaml", "--hairpin", mode]);
        (said.code, said.out.lines().last().unwrap_or_default().to_owned())
    };
    let denied = "a/es[Pod] => a/es[Pod] at TCP 9200: denied (itself through its Service)".to_owned();
    assert_eq!(check("9200", "subject"), (1, denied));
    assert_eq!(check("9200", "allowed").0, 0);
    // No Service forwards here: its own address is what is left, and nothing can close that.
    assert_eq!(check("9300", "subject").0, 0);
    let note = "a/es[Pod]: pods can't reach themselves through their Service at TCP 9200, where hairpin=allowed they can";
    let list = |mode: &str| folder.parapet(&["reach", "list", "m.yaml", "--hairpin", mode]).out;
    assert!(list("subject").contains(note), "{}", list("subject"));
    assert!(!list("allowed").contains(note));
}

#[test]
fn answers_are_the_same_whatever_the_order_of_files_and_documents() {
    let service = "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {selector: {app: db}, ports: [{port: 5432}]}}\n";
    let (web, db) = SHOP.split_once("---\n").unwrap();
    let one = Folder::of(&[("a.yaml", SHOP), ("b.yaml", LOCKED), ("c.yaml", service)]);
    let other =
        Folder::of(&[("a.yaml", service), ("b.yaml", &format!("{db}---\n{LOCKED}")), ("c.yaml", web)]);
    for words in [
        &["reach", "list", "-o", "json"][..],
        &["reach", "list", "-o", "html"],
        &["reach", "list", "--exposure"],
        &["reach", "queries"],
        &["reach", "explain", "shop/web", "shop/db", "5432"],
        &["policy", "generate", "--infer", "-n", "shop"],
        &["policy", "flows"],
    ] {
        let first = one.parapet(&[words, &["a.yaml", "b.yaml", "c.yaml"]].concat());
        assert_eq!(first.code, 0, "{words:?}: {}", first.err);
        assert_eq!(
            other.parapet(&[words, &["a.yaml", "b.yaml", "c.yaml"]].concat()).out,
            first.out,
            "{words:?}"
        );
        assert_eq!(
            one.parapet(&[words, &["c.yaml", "a.yaml", "b.yaml"]].concat()).out,
            first.out,
            "{words:?}"
        );
    }
}
