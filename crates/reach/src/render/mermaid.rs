//! Mermaid flowcharts, which GitHub and GitLab draw inside Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::INCOMPLETE;
use super::changes::{Place, place};
use super::difference::{Compared, DiffLine, DiffType};
use crate::listing::{Listing, PeerKind};

const INFALLIBLE: &str = "a string takes every text";

pub(super) fn mermaid(listing: &Listing) -> String {
    let mut out = format!("%% modes: {}\n", listing.options);
    if listing.incomplete {
        writeln!(out, "%% {INCOMPLETE}").expect(INFALLIBLE);
    }
    out += "flowchart LR\n";
    let mut used: Vec<usize> =
        listing.lines.iter().flat_map(|line| [line.source, line.destination]).collect();
    used.sort_unstable();
    used.dedup();
    let mut namespaces: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for index in used {
        let peer = listing.peer(index);
        if peer.kind == PeerKind::Workload {
            namespaces.entry(&peer.namespace).or_default().push(index);
        } else {
            writeln!(out, "  n{index}([\"{}\"])", text(&peer.label)).expect(INFALLIBLE);
        }
    }
    for (number, (namespace, members)) in namespaces.into_iter().enumerate() {
        writeln!(out, "  subgraph ns{number}[\"{}\"]", text(namespace)).expect(INFALLIBLE);
        for index in members {
            writeln!(out, "    n{index}[\"{}\"]", text(&listing.peer(index).label)).expect(INFALLIBLE);
        }
        out += "  end\n";
    }
    for line in &listing.lines {
        let ports = line.ports.to_string();
        writeln!(out, "  n{} -->|\"{}\"| n{}", line.source, text(&ports), line.destination)
            .expect(INFALLIBLE);
    }
    out
}

/// What is added has a thick line, what is removed a dotted one.
pub(super) fn diff(lines: &[DiffLine], compared: &Compared<'_>) -> String {
    let mut out = format!("%% modes: {}\n", compared.options);
    if compared.incomplete {
        writeln!(out, "%% {INCOMPLETE}").expect(INFALLIBLE);
    }
    out += "flowchart LR\n";
    let mut ends: Vec<&str> = lines.iter().flat_map(|line| [&*line.source, &*line.destination]).collect();
    ends.sort_unstable();
    ends.dedup();
    let number = |end: &str| ends.binary_search(&end).expect("every end is among the ends");
    let mut namespaces: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for (index, end) in ends.iter().enumerate() {
        match place(end) {
            Place::Inside { namespace, name } => namespaces.entry(namespace).or_default().push((index, name)),
            Place::Entry | Place::Outside => {
                writeln!(out, "  n{index}([\"{}\"])", text(end)).expect(INFALLIBLE);
            }
        }
    }
    for (index, (namespace, members)) in namespaces.into_iter().enumerate() {
        writeln!(out, "  subgraph ns{index}[\"{}\"]", text(namespace)).expect(INFALLIBLE);
        for (member, name) in members {
            writeln!(out, "    n{member}[\"{}\"]", text(name)).expect(INFALLIBLE);
        }
        out += "  end\n";
    }
    for line in lines {
        let arrow = match line.diff_type {
            DiffType::Added => "==>",
            DiffType::Removed => "-.->",
            DiffType::Changed => "-->",
        };
        let (source, destination) = (number(&line.source), number(&line.destination));
        writeln!(out, "  n{source} {arrow}|\"{}\"| n{destination}", text(&line.says())).expect(INFALLIBLE);
    }
    for (diff_type, colour) in
        [(DiffType::Added, "#1e8449"), (DiffType::Removed, "#ca6f1e"), (DiffType::Changed, "#5b2c83")]
    {
        let of_type = lines.iter().enumerate().filter(|(_, line)| line.diff_type == diff_type);
        let links: Vec<String> = of_type.map(|(index, _)| index.to_string()).collect();
        if !links.is_empty() {
            writeln!(out, "  linkStyle {} stroke:{colour}", links.join(",")).expect(INFALLIBLE);
        }
    }
    out
}

/// Inside quotes only the quote itself, `#` and markup mean something.
fn text(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' => write!(escaped, "#{};", u32::from(c)).expect(INFALLIBLE),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
