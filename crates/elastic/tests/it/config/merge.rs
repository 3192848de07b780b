//! Merging settings, and writing them.

use std::collections::BTreeMap;

use parapet_elastic::config::Yml;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn user(value: Value) -> Result<Yml, String> {
    let Value::Object(map) = value else { panic!("not an object") };
    Yml::from_user(Some(&map)).map_err(|error| error.to_string())
}

fn yml(value: Value) -> Yml {
    user(value).unwrap()
}

#[test]
fn dotted_nested_and_mixed_keys_are_the_same() {
    let nested = yml(json!({ "a": { "b": { "c": 1, "d": 2 } } }));
    for same in [
        json!({ "a.b.c": 1, "a.b.d": 2 }),
        json!({ "a": { "b.c": 1, "b.d": 2 } }),
        json!({ "a.b": { "c": 1 }, "a": { "b.d": 2 } }),
    ] {
        assert_eq!(yml(same.clone()).text(), nested.text(), "{same}");
    }
    assert_eq!(nested.text(), "a:\n    b:\n        c: 1\n        d: 2\n");
}

#[test]
fn what_is_refused() {
    let check = |value: Value, expected: &str| assert_eq!(user(value).unwrap_err(), expected);
    check(json!({ "a.b": 1, "a": { "b": 2 } }), "the setting a.b is given twice");
    check(json!({ "a.b": [1], "a": { "b": [2] } }), "the setting a.b is given twice");
    check(json!({ "a.b": 1, "a.b.c": 2 }), "the setting a.b.c is a value and an object at once");
    check(json!({ "a..b": 1 }), "the key \"a..b\" has an empty part");
    check(json!({ "": 1 }), "the key \"\" has an empty part");
    let deep = (0..70).map(|_| "a").collect::<Vec<_>>().join(".");
    check(json!({ deep: 1 }), "settings are nested deeper than 64 levels");
    assert!(Yml::parse("- a\n").is_err());
    assert!(Yml::parse("a: [").is_err());
}

#[test]
fn later_wins_and_lists_are_appended_to() {
    let check = |below: Value, over: Value, expected: &str| {
        assert_eq!(yml(below).merged(yml(over)).text(), expected);
    };
    check(json!({ "a.b": 1 }), json!({ "a.c": 2 }), "a:\n    b: 1\n    c: 2\n");
    check(json!({ "a": 1 }), json!({ "a": "x" }), "a: x\n");
    check(json!({ "a": [1] }), json!({ "a": [2, 1] }), "a:\n    - 1\n    - 2\n    - 1\n");
    check(json!({ "a": "1" }), json!({ "a": [2] }), "a:\n    - 2\n");
    check(json!({ "a": [1] }), json!({ "a": 2 }), "a: 2\n");
    check(json!({ "a": 1 }), json!({ "a.b": 2 }), "a:\n    b: 2\n");
    check(json!({ "a.b": 1 }), json!({ "a": null }), "a: null\n");
}

#[test]
fn scalars_stay_what_they_are() {
    let check = |value: Value, expected: &str| {
        assert_eq!(yml(json!({ "a": value })).text(), format!("a: {expected}\n"));
    };
    check(json!(1), "1");
    check(json!(1.0), "1");
    check(json!(-5), "-5");
    check(json!(1.5), "1.5");
    check(json!(18_446_744_073_709_551_615_u64), "18446744073709551615");
    check(json!(true), "true");
    check(json!("true"), "\"true\"");
    check(json!("0"), "\"0\"");
    check(json!("0777"), "\"0777\"");
    check(json!("1.0"), "\"1.0\"");
    check(json!("on"), "\"on\"");
    check(json!("null"), "\"null\"");
    check(json!("${POD_NAME}"), "${POD_NAME}");
    check(json!("10gb"), "10gb");
    check(json!([]), "[]");
    check(json!({}), "{}");
    let long = "x y ".repeat(60);
    assert_eq!(yml(json!({ "a": long.trim() })).text(), format!("a: {}\n", long.trim()), "no folding");
    assert_eq!(Yml::default().text(), "{}\n");
    assert_eq!(yml(json!({ "a": "b\nc\n" })).text(), "a: |\n    b\n    c\n");
}

#[test]
fn live_text_that_says_the_same_is_kept() {
    let ours = yml(json!({ "a.b": ["x"], "c": "true" }));
    let live = "# by others\nc: 'true'\na: {b: [x]}\n";
    assert_eq!(ours.text_keeping(Some(live)), live);
    assert_eq!(ours.text_keeping(Some("c: true\na: {b: [x]}\n")), ours.text(), "a flag is no text");
    assert_eq!(ours.text_keeping(Some("a: [")), ours.text());
    assert_eq!(ours.text_keeping(None), ours.text());
}

/// Settings as they come: keys of one to three parts, values of every kind.
fn settings() -> impl Strategy<Value = Map<String, Value>> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|float: f64| json!(float)),
        "\\PC{0,12}".prop_map(Value::from),
        "[ -~\\n\\t]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "on",
            "0777",
            "1e3",
            "~",
            "1_000",
            "0x1f",
            "12:30",
            "2001-01-01",
            "- a",
            "a: b",
            "#"
        ])
        .prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-d_]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-c]{1,2}(\\.[a-c]{1,2}){0,2}", value, 0..6)
        .prop_map(|map| map.into_iter().collect())
}

/// The leaves of settings whose path alone says whether they are a list or a scalar, as real settings are: then no layer
/// makes a value of what was an object in another.
fn typed_layer() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let path = prop::sample::select(vec!["a.x.l", "a.x.s", "a.y.l", "b.l", "b.s", "c.z.z.s", "c.z.l"]);
    prop::collection::btree_map(path, 0..1000_i64, 0..7).prop_map(|leaves| {
        let value =
            |path: &str, number: i64| if path.ends_with('l') { json!([number]) } else { json!(number) };
        leaves.into_iter().map(|(path, number)| (path.to_owned(), value(path, number))).collect()
    })
}

fn layer(leaves: &BTreeMap<String, Value>) -> Yml {
    yml(Value::Object(leaves.clone().into_iter().collect()))
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(map in settings()) {
        let Ok(tree) = Yml::from_user(Some(&map)) else { return Ok(()) };
        let read = Yml::parse(&tree.text());
        prop_assert!(read.is_ok(), "{}", tree.text());
        prop_assert!(read.unwrap() == tree, "{}", tree.text());
        prop_assert!(tree.text().ends_with('\n'));
    }

    #[test]
    fn layers_can_be_merged_in_any_grouping(a in typed_layer(), b in typed_layer(), c in typed_layer()) {
        let left = layer(&a).merged(layer(&b)).merged(layer(&c));
        let right = layer(&a).merged(layer(&b).merged(layer(&c)));
        prop_assert_eq!(left.text(), right.text());
    }

    /// The oracle knows leaves alone: the last scalar wins, lists follow each other.
    #[test]
    fn a_merge_is_that_of_its_leaves(layers in prop::collection::vec(typed_layer(), 1..4)) {
        let mut expected: BTreeMap<String, Value> = BTreeMap::new();
        for (path, value) in layers.iter().flatten() {
            match (expected.get_mut(path), value) {
                (Some(Value::Array(all)), Value::Array(more)) => all.extend(more.iter().cloned()),
                _ => drop(expected.insert(path.clone(), value.clone())),
            }
        }
        let merged = layers.iter().map(layer).fold(Yml::default(), Yml::merged);
        prop_assert_eq!(merged.text(), layer(&expected).text());
    }

    #[test]
    fn nothing_is_lost_under_or_over_nothing(map in settings()) {
        let Ok(tree) = Yml::from_user(Some(&map)) else { return Ok(()) };
        prop_assert!(tree.clone().merged(Yml::default()) == tree);
        prop_assert!(Yml::default().merged(tree.clone()) == tree);
    }
}
