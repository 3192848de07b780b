//! `docs/elastic-compatibility.md` is made of `compatibility/table.txt`. `UPDATE_REFERENCE=1 cargo test -p parapet-operator`
//! writes it. Every row that says that something is so names the test that shows it, and that test must be there.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("compatibility/table.txt");
const DOCUMENT: &str = "docs/elastic-compatibility.md";
/// What a newcomer reads first.
const INTRODUCTION: &str = "\
# Elastic manifests: what is the same, what differs, what is missing

Compared with the reference operator, release 3.5 (and what is known of 3.6), for the kinds Elasticsearch, Kibana and ApmServer.
**yes**: as the reference does it. **differs**: on purpose, and why. **no**: not there. The last column is the test that shows it;
tests under `tests/` run against a real API server unless they say otherwise. This page is made of a table by a test, which
fails if a test that is named here does not exist.

";

/// One detail.
struct Row<'a> {
    what: &'a str,
    answer: Answer<'a>,
    test: &'a str,
}

/// Whether it is as in the reference.
enum Answer<'a> {
    Yes,
    Differs(&'a str),
    No(&'a str),
}

enum Line<'a> {
    Heading(&'a str),
    Row(Row<'a>),
}

fn lines() -> Vec<Line<'static>> {
    TABLE.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
}

fn line(text: &'static str) -> Line<'static> {
    if let Some(heading) = text.strip_prefix("# ") {
        return Line::Heading(heading);
    }
    let parts: Vec<&str> = text.split(" | ").map(str::trim).collect();
    let (what, answer, test) = match parts[..] {
        [what, answer, test] => (what, answer, test),
        [what, answer] => (what, answer, ""),
        _ => panic!("a row has three columns: {text}"),
    };
    let answer = match answer.split_once(": ").unwrap_or((answer, "")) {
        ("yes", "") => Answer::Yes,
        ("differs", why) if !why.is_empty() => Answer::Differs(why),
        ("no", why) if !why.is_empty() => Answer::No(why),
        _ => panic!("yes, `differs: why` or `no: why`: {text}"),
    };
    assert_eq!(test.is_empty(), matches!(answer, Answer::No(_)), "what is there is shown by a test: {text}");
    Line::Row(Row { what, answer, test })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The file of a test that is written as `crate/file::function`.
fn file_of(test: &str) -> PathBuf {
    let (place, function) = test.split_once("::").unwrap_or_else(|| panic!("crate/file::function: {test}"));
    let (krate, file) = place.split_once('/').unwrap_or_else(|| panic!("crate/file::function: {test}"));
    let mut found = Vec::new();
    collect(&root().join("crates").join(krate), &mut found);
    let wanted = PathBuf::from(format!("{file}.rs"));
    let says = format!("fn {function}(");
    let is_it = |path: &&PathBuf| {
        path.ends_with(&wanted) && std::fs::read_to_string(path).is_ok_and(|text| text.contains(&says))
    };
    let path = found.iter().find(is_it).unwrap_or_else(|| panic!("there is no such test: {test}"));
    path.strip_prefix(root()).unwrap().to_owned()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    let rows =
        || lines().into_iter().filter_map(|line| if let Line::Row(row) = line { Some(row) } else { None });
    let count = |is_so: fn(&Answer<'_>) -> bool| rows().filter(|row| is_so(&row.answer)).count();
    let (yes, differs, no) = (
        count(|answer| matches!(answer, Answer::Yes)),
        count(|answer| matches!(answer, Answer::Differs(_))),
        count(|answer| matches!(answer, Answer::No(_))),
    );
    writeln!(text, "{} details: {yes} yes, {differs} differ, {no} no.", yes + differs + no).unwrap();
    for line in lines() {
        match line {
            Line::Heading(heading) => {
                write!(text, "\n## {heading}\n\n| field or behaviour | | shown by |\n|---|---|---|\n")
                    .unwrap();
            }
            Line::Row(Row { what, answer, test }) => {
                let answer = match answer {
                    Answer::Yes => "yes".to_owned(),
                    Answer::Differs(why) => format!("**differs**: {why}"),
                    Answer::No(why) => format!("**no**: {why}"),
                };
                let shown = match test.split_once("::") {
                    Some((_, function)) => format!("[`{function}`](../{})", file_of(test).display()),
                    None => String::new(),
                };
                writeln!(text, "| {what} | {answer} | {shown} |").unwrap();
            }
        }
    }
    text
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = root().join(DOCUMENT);
    let document = document();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == document, "{DOCUMENT} is not what the table says: run with UPDATE_REFERENCE=1");
}

#[test]
fn every_point_of_the_interface_is_in_the_table() {
    let all = lines();
    let headings = all.iter().filter(|line| matches!(line, Line::Heading(_))).count();
    let rows = all.iter().filter(|line| matches!(line, Line::Row(_))).count();
    assert_eq!(headings, 12, "one for each point");
    assert!(rows >= 150, "{rows}");
}
