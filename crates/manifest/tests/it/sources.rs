//! Files, folders, standard input and lists.

use std::fs;

use parapet_manifest::{Limits, Loaded, Source, load, load_text};

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.documents.iter().map(|document| &*document.name).collect()
}

fn pod(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n")
}

#[test]
fn folders_are_read_by_name_and_deeper_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deeper")).unwrap();
    fs::write(folder.path().join("b.yml"), pod("b")).unwrap();
    fs::write(folder.path().join("a.YAML"), pod("a")).unwrap();
    fs::write(folder.path().join("notes.txt"), "not a manifest").unwrap();
    fs::write(
        folder.path().join("deeper/c.json"),
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}"#,
    )
    .unwrap();
    let read = |recursive| {
        let source = Source::from_argument(folder.path(), recursive);
        load(&[source], &Limits::default(), &mut std::io::empty())
    };
    assert_eq!(names(&read(false)), ["a", "b"]);
    assert_eq!(names(&read(true)), ["a", "b", "c"]);
    fs::write(folder.path().join("deeper/Chart.yaml"), "name: chart").unwrap();
    let loaded = read(true);
    assert_eq!(names(&loaded), ["a", "b"]);
    assert!(loaded.problems[0].message.contains("helm template"), "{:?}", loaded.problems);
}

#[test]
fn standard_input_is_named_by_a_dash() {
    let source = Source::from_argument("-".as_ref(), false);
    let loaded = load(&[source], &Limits::default(), &mut pod("a").as_bytes());
    assert_eq!((names(&loaded), &*loaded.documents[0].file), (vec!["a"], "-"));
}

#[test]
fn a_file_over_the_bound_is_refused_without_reading_it_whole() {
    let loaded = load(&[Source::Stdin], &Limits::default(), &mut std::io::repeat(b'a'));
    assert_eq!(
        loaded.problems[0].to_string(),
        "-:1:1: error: larger than 64 MiB: not read; cut it into several files"
    );
    let missing = load(&[Source::File("no such file".into())], &Limits::default(), &mut std::io::empty());
    assert!(missing.problems[0].message.starts_with("can't be read"), "{:?}", missing.problems);
}

#[test]
fn lists_are_expanded_and_typed_lists_give_their_kind() {
    let file = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n- kind: Pod\n---\n\
                apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems:\n- metadata:\n    name: p\n";
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    assert_eq!(names(&loaded), ["a", "p"]);
    let policy = &loaded.documents[1];
    assert_eq!((&*policy.kind, &*policy.api_version), ("NetworkPolicy", "networking.k8s.io/v1"));
    assert_eq!((policy.index, policy.item, policy.origin.to_string().as_str()), (1, Some(0), "12:3"));
    assert_eq!(loaded.problems[0].to_string(), "m.yaml:7:3: warning: not a Kubernetes object: no apiVersion");
}

/// What `helm template` and `kustomize build` put around objects: comments, empty documents, a trailing separator.
#[test]
fn the_noise_of_helm_and_kustomize_is_no_object() {
    let file = "# a chart's NOTES\n---\n# Source: stack/templates/empty.yaml\n---\n# Source: stack/templates/pod.yaml\n\
                apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    \"helm.sh/hook\": pre-install\n---\n\
                # Source: stack/templates/list.yaml\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  \
                metadata: {name: b}\n---\n\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: c\n---\n";
    let loaded = load_text("m.yaml", file.as_bytes(), &Limits::default());
    assert_eq!(loaded.problems, []);
    let named: Vec<(&str, u32)> = loaded
        .documents
        .iter()
        .map(|document| (&*document.name, document.place("/metadata/name").line))
        .collect();
    assert_eq!(named, [("a", 9), ("b", 19), ("c", 26)]);
}
