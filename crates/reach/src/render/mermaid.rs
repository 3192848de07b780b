//! Mermaid flowcharts, which GitHub and GitLab draw inside Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::INCOMPLETE;
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
