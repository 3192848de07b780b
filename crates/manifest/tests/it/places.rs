//! Every field's place is where the file has it.

use std::fmt::Write as _;

use parapet_manifest::{Limits, Node, Value, load_text};
use proptest::prelude::*;

#[test]
fn places_of_keys_values_and_what_is_missing() {
    let file = "# a policy\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: c\n      \
                ports: [{containerPort: 80}]\n      args:\n      - \"é\"\n      - |\n        text\n      - b\n";
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    let document = &loaded.documents[0];
    let check =
        |pointer: &str, place: &str| assert_eq!(document.place(pointer).to_string(), place, "{pointer}");
    check("", "2:1");
    check("/metadata/name", "5:3");
    check("/spec/containers/0", "8:7");
    check("/spec/containers/0/ports/0/containerPort", "9:16");
    check("/spec/containers/0/args/2", "14:9");
    check("/spec/containers/0/securityContext/privileged", "8:7");
    check("/spec/hostNetwork", "6:1");
    let text = |pointer: &str| {
        let bytes = document.at(pointer).unwrap().bytes;
        &file[bytes.start as usize..bytes.end as usize]
    };
    assert_eq!(text("/spec/containers/0/ports"), "[{containerPort: 80}]");
    assert_eq!(text("/spec/containers/0/args/0"), "\"é\"");
    assert_eq!(text("/spec/containers/0/args/2"), "b");
    assert!(text("/spec/containers").ends_with("- b"));
}

#[test]
fn anchors_and_merge_keys_are_settled() {
    let file = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nx: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\n\
                z:\n  <<: [*x, *y]\n  a: 5\nw: *x\n";
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    assert_eq!(loaded.problems, []);
    let json = loaded.documents[0].root.to_json();
    assert_eq!(json["z"], serde_json::json!({"a": 5, "b": 2, "c": 4}));
    assert_eq!(json["w"], serde_json::json!({"a": 1, "b": 2}));
}

#[test]
fn pointers_are_escaped() {
    let file = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations: {a/b~c: x}\n";
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    let pointer = parapet_manifest::pointer(["metadata", "annotations", "a/b~c"]);
    assert_eq!(loaded.documents[0].at(&pointer).and_then(Node::as_str), Some("x"));
}

#[derive(Clone, Debug)]
enum Tree {
    Leaf,
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![Just(Tree::Leaf), "[ -~äöü€𝄞]{0,8}".prop_map(Tree::Text)];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::vec(inner, 1..4).prop_map(Tree::Map),
        ]
    })
}

/// Writes a tree as block or flow YAML; every key and every leaf has a name that occurs once in the file.
fn write(tree: &Tree, indent: usize, flow: bool, number: &mut usize, out: &mut String) {
    let mut next = || {
        *number += 1;
        *number
    };
    match tree {
        Tree::Leaf => write!(out, "leaf{}x", next()).unwrap(),
        Tree::Text(text) => {
            let quoted = serde_json::to_string(&format!("{text} text{}x", next())).unwrap();
            out.push_str(&quoted);
        }
        Tree::List(items) if flow || items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write(item, indent, true, number, out);
            }
            out.push(']');
        }
        Tree::Map(items) if flow => {
            out.push('{');
            for (index, item) in items.iter().enumerate() {
                *number += 1;
                write!(out, "{}key{}x: ", if index > 0 { ", " } else { "" }, *number).unwrap();
                write(item, indent, true, number, out);
            }
            out.push('}');
        }
        Tree::List(items) => {
            for item in items {
                write!(out, "\n{}- ", " ".repeat(indent)).unwrap();
                write(item, indent + 2, indent.is_multiple_of(4), number, out);
            }
        }
        Tree::Map(items) => {
            for (index, item) in items.iter().enumerate() {
                *number += 1;
                if index > 0 || !out.ends_with("- ") {
                    write!(out, "\n{}", " ".repeat(indent)).unwrap();
                }
                write!(out, "key{}x: ", *number).unwrap();
                write(item, indent + 2, false, number, out);
            }
        }
    }
}

/// The place of the only occurrence of `needle`, found by searching the text.
fn search(text: &str, needle: &str) -> (u32, u32) {
    let at = text.find(needle).unwrap();
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].chars().rev().take_while(|character| *character != '\n').count() + 1;
    (u32::try_from(line).unwrap(), u32::try_from(column).unwrap())
}

fn walk(node: &Node, text: &str, seen: &mut usize) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries.iter() {
                if entry.key.name.starts_with("key") {
                    *seen += 1;
                    assert_eq!((entry.key.span.line, entry.key.span.column), search(text, &entry.key.name));
                }
                walk(&entry.value, text, seen);
            }
        }
        Value::List(items) => items.iter().for_each(|item| walk(item, text, seen)),
        Value::String(value) => {
            let source = &text[node.bytes.start as usize..node.bytes.end as usize];
            if value.starts_with("leaf") {
                *seen += 1;
                assert_eq!((node.span.line, node.span.column), search(text, value));
                assert_eq!(source, &**value);
            } else if value.ends_with('x') && value.contains("text") {
                *seen += 1;
                assert_eq!(serde_json::from_str::<String>(source).unwrap(), **value);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn every_key_and_leaf_is_where_a_search_finds_it(trees in prop::collection::vec(tree(), 1..4)) {
        let mut file = "# übersicht\n".to_owned();
        let mut number = 0;
        for (index, tree) in trees.iter().enumerate() {
            write!(file, "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{index}}}\nspec: ").unwrap();
            write(tree, 2, false, &mut number, &mut file);
            file.push('\n');
        }
        let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
        prop_assert_eq!(&loaded.problems, &[], "{}", file);
        let mut seen = 0;
        for document in &loaded.documents {
            walk(&document.root, &file, &mut seen);
        }
        prop_assert_eq!(seen, number, "{}", file);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        load_text("m.yaml", &bytes, &Limits::default());
    }
}
