//! Each kind of bad input gets a message with its place, and never hides its neighbours.

use std::fmt::Write as _;

use parapet_manifest::{Limits, Severity, load_text};

const GOOD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: good}\n";

/// `bad` stands between two good documents; both survive, and the one problem is at `place` and says `message`.
fn check(bad: impl AsRef<[u8]>, place: &str, message: &str) {
    let other = GOOD.replace("good", "other");
    let file = [GOOD.as_bytes(), b"---\n", bad.as_ref(), b"\n---\n", other.as_bytes()].concat();
    let loaded = load_text("m.yaml", &file, &Limits::default());
    let names: Vec<&str> = loaded.documents.iter().map(|document| &*document.name).collect();
    assert!(names.starts_with(&["good"]) && names.ends_with(&["other"]), "{names:?} {:?}", loaded.problems);
    let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with(&format!("m.yaml:{place}: ")), "{said:?}, expected {place}");
    assert!(said[0].contains(message), "{said:?}, expected {message:?}");
}

#[test]
fn what_is_not_yaml() {
    check("a: [1, 2", "6:1", "not YAML");
    check("kind: Pod\n\tmetadata: x", "6:1", "a tab in the indentation");
    check("kind: Pod\nname:\ta", "6:7", "there is a tab in this line");
    check(b"kind: Pod\nname: caf\xe9", "6:10", "not UTF-8");
    check("kind: {{ .Values.kind }}", "5:7", "unrendered template");
    check("{{- if .Values.on }}\nkind: Pod\n{{- end }}", "5:1", "helm template");
    check("a: *nothing", "5:4", "not YAML");
}

#[test]
fn what_is_yaml_but_no_object() {
    check("replicas: 3", "5:1", "no kind");
    check("kind: Pod", "5:1", "no apiVersion");
    check("- a\n- b", "5:1", "isn't a mapping");
    check("apiVersion: v1\nkind: Pod\nmetadata: {labels: {}}", "7:1", "no metadata.name");
    check("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization", "5:1", "kustomize build");
}

#[test]
fn what_is_ambiguous() {
    let twice = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {}\n  name: b";
    check(twice, "10:3", "the key \"name\" is given twice, first at 8:3");
    check("a: &a [*a]", "5:8", "refers to what holds it");
    check("a: {<<: 1}", "5:5", "takes a mapping");
    check("? [a]\n: b", "5:3", "a key that is itself");
}

#[test]
fn the_later_of_two_objects_with_one_name_counts() {
    let file = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {x: 1}\n---\n\
                apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\n---\n\
                apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {x: 2}\n";
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    assert_eq!(loaded.documents.len(), 2);
    assert_eq!(loaded.documents[1].at("/spec/x").and_then(|x| x.as_i64()), Some(2));
    assert_eq!(
        loaded.problems[0].to_string(),
        "m.yaml:12:12: error: a second Pod named \"a\"; the first, at m.yaml:3:12, would be replaced and is left out"
    );
    assert!(loaded.incomplete());
}

#[test]
fn an_alias_bomb_is_refused_where_it_passes_the_bound() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    check(&bomb, "11:20", "more than 4000000 values");
}

#[test]
fn depth_is_bounded_in_both_styles() {
    check("[".repeat(100_000), "5:256", "nested too deep");
    let mut block = String::new();
    for depth in 0..200 {
        writeln!(block, "{}a:", " ".repeat(depth)).unwrap();
    }
    check(&block, "133:129", "nested more than 128 deep");
}

#[test]
fn ten_thousand_documents_are_read_and_one_too_many_is_named() {
    let mut file = String::new();
    for number in 0..10_000 {
        write!(file, "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}}}\n---\n").unwrap();
    }
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    assert_eq!((loaded.documents.len(), loaded.problems.len()), (10_000, 0));
    assert_eq!(loaded.documents[9_999].origin.line, 4 * 9_999 + 1);
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits { documents: 9_999, ..Limits::default() });
    assert_eq!(loaded.documents.len(), 9_999);
    assert!(
        loaded.problems[0].to_string().starts_with("m.yaml:39996:1: error: more than 9999 documents"),
        "{:?}",
        loaded.problems
    );
}

#[test]
fn a_mark_and_line_ends_of_windows_are_noted_and_read() {
    let file = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    assert_eq!(&*loaded.documents[0].name, "good");
    assert_eq!(loaded.documents[0].place("/metadata/name").to_string(), "3:12");
    assert!(loaded.problems.iter().all(|problem| problem.severity == Severity::Note));
    assert_eq!(loaded.problems.len(), 2);
    assert!(!loaded.incomplete());
    let loaded = load_text("m.yaml", b"\xff\xfea\0", &Limits::default());
    assert!(loaded.problems[0].message.contains("UTF-16"));
}
