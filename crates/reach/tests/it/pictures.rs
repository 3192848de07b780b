//! Pictures of what changes. `UPDATE_REFERENCE=1 cargo test -p parapet-reach` writes the golden ones anew.

use std::path::Path;

use parapet_reach::render::{self, Compared, DiffLine, DiffType, Format};
use parapet_reach::{Options, PortSet, Protocol};

const EVERYONE: &str = "0.0.0.0-255.255.255.255[External]";

fn line(diff_type: DiffType, source: &str, destination: &str, before: PortSet, after: PortSet) -> DiffLine {
    DiffLine {
        from_entry_point: source == "{ingress-controller}",
        diff_type,
        source: source.to_owned(),
        destination: destination.to_owned(),
        before,
        after,
        workloads: String::new(),
    }
}

fn added(source: &str, destination: &str) -> DiffLine {
    line(DiffType::Added, source, destination, PortSet::none(), PortSet::one(Protocol::Tcp, 8080))
}

/// One of each kind, from each kind of end.
fn lines() -> Vec<DiffLine> {
    let tcp = |port| PortSet::one(Protocol::Tcp, port);
    let both = tcp(9090).union(&PortSet::one(Protocol::Udp, 53));
    vec![
        line(DiffType::Changed, "shop/web[Deployment]", "shop/orders[Deployment]", tcp(9090), both),
        line(DiffType::Added, EVERYONE, "shop/orders[Deployment]", PortSet::none(), tcp(9090)),
        line(
            DiffType::Removed,
            "jobs/nightly[CronJob]",
            "db/main[StatefulSet]",
            PortSet::all(),
            PortSet::none(),
        ),
        added("{ingress-controller}", "shop/web[Deployment]"),
    ]
}

fn drawn(lines: &[DiffLine], format: Format) -> String {
    let options = Options::default();
    let compared =
        Compared { names: ("before", "after"), options: &options, incomplete: false, compatible: false };
    render::diff(lines, &compared, format)
}

#[test]
fn changes_are_drawn_as_ever() {
    for (format, name) in
        [(Format::Svg, "svg"), (Format::Html, "html"), (Format::Mermaid, "mermaid"), (Format::Dot, "dot")]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/changes").with_extension(name);
        let drawn = drawn(&lines(), format);
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, drawn).unwrap();
        } else {
            assert_eq!(drawn, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn a_picture_tells_what_is_added_from_what_is_removed() {
    let svg = drawn(&lines(), Format::Svg);
    let count = |class: &str| svg.matches(&format!("class=\"edge {class}\"")).count();
    assert_eq!([count("added"), count("removed"), count("changed")], [2, 1, 1]);
    assert!(svg.contains(
        "<title>shop/web[Deployment] → shop/orders[Deployment]: TCP 9090,UDP 53 instead of TCP 9090</title>"
    ));
    // The other way round what was added is removed.
    let swapped: Vec<DiffLine> = lines()
        .into_iter()
        .map(|one| DiffLine {
            diff_type: match one.diff_type {
                DiffType::Added => DiffType::Removed,
                DiffType::Removed => DiffType::Added,
                DiffType::Changed => DiffType::Changed,
            },
            before: one.after,
            after: one.before,
            ..one
        })
        .collect();
    let svg = drawn(&swapped, Format::Svg);
    let count = |class: &str| svg.matches(&format!("class=\"edge {class}\"")).count();
    assert_eq!([count("added"), count("removed"), count("changed")], [1, 2, 1]);
}

#[test]
fn nothing_that_changes_is_a_picture_too() {
    for format in [Format::Svg, Format::Html, Format::Mermaid] {
        let empty = drawn(&[], format);
        assert!(!empty.is_empty() && !empty.contains("NaN"), "{empty}");
    }
}

#[test]
fn many_changes_are_drawn_by_namespace_and_names_are_never_markup() {
    let end = |n: usize| format!("ns-{}/<script>{n}[Deployment]", n % 7);
    let many: Vec<DiffLine> = (0..400).map(|n| added(&end(n), &end((n + 1) % 400))).collect();
    let svg = drawn(&many, Format::Svg);
    assert_eq!(
        svg.matches("class=\"edge added\"").count(),
        8,
        "each of 7 to the next, and the last to the first"
    );
    assert!(svg.contains("57 connections") && svg.contains("(namespaces)"), "{svg}");
    let few = &many[..100];
    for format in [Format::Svg, Format::Html, Format::Mermaid] {
        let drawn = drawn(few, format);
        assert!(!drawn.contains("<script"), "{drawn}");
    }
    assert_eq!(drawn(few, Format::Svg).matches("class=\"edge added\"").count(), 100);
    let outside: Vec<DiffLine> =
        (0..30).map(|n| added(&format!("10.0.{n}.0-10.0.{n}.9[External]"), "a/b[Pod]")).collect();
    assert_eq!(drawn(&outside, Format::Svg).matches("class=\"edge added\"").count(), 1);
}
