//! Graphviz, with netpol-analyzer's nodes, colours and weights.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::difference::{DiffLine, DiffType};
use crate::exposure::{Exposed, Exposure};
use crate::listing::{Listing, Peer, PeerKind};

const INFALLIBLE: &str = "a string takes every text";

pub(super) fn dot(listing: &Listing, exposure: Option<&Exposure>) -> String {
    let mut used: Vec<usize> =
        listing.lines.iter().flat_map(|line| [line.source, line.destination]).collect();
    used.sort_unstable();
    used.dedup();
    let workload = |peer: &Peer| peer.kind == PeerKind::Workload;
    let mut namespaces: BTreeMap<&str, Vec<&Peer>> = BTreeMap::new();
    let mut others = Vec::new();
    for (index, peer) in listing.peers.iter().enumerate() {
        if workload(peer) {
            namespaces.entry(&peer.namespace).or_default().push(peer);
        } else if used.binary_search(&index).is_ok() {
            others.push(peer);
        }
    }
    let mut out = "digraph {\n".to_owned();
    for (namespace, peers) in namespaces {
        writeln!(out, "\tsubgraph {} {{", quote(&format!("cluster_{namespace}[namespace]")))
            .expect(INFALLIBLE);
        out += "\t\tcolor=\"black\"\n\t\tfontcolor=\"black\"\n";
        for peer in peers {
            writeln!(out, "\t\t{}", node(&peer.name, &peer.label, "blue")).expect(INFALLIBLE);
        }
        writeln!(out, "\t\tlabel={}\n\t}}", quote(&format!("{namespace}[namespace]"))).expect(INFALLIBLE);
    }
    for peer in others {
        let colour = if peer.kind == PeerKind::External { "red2" } else { "blue" };
        writeln!(out, "\t{}", node(&peer.name, &peer.label, colour)).expect(INFALLIBLE);
    }
    for line in &listing.lines {
        let (source, destination) = (&listing.peer(line.source).name, &listing.peer(line.destination).name);
        let style = "color=\"gold2\" fontcolor=\"darkgreen\"";
        writeln!(out, "\t{}", edge(source, destination, &line.ports.to_string(), style)).expect(INFALLIBLE);
    }
    if let Some(exposure) = exposure {
        out += &exposed(exposure);
    }
    out + "}\n"
}

fn exposed(exposure: &Exposure) -> String {
    let mut out = String::new();
    let mut peers: Vec<&Exposed> = exposure.egress.iter().chain(&exposure.ingress).collect();
    peers.sort_by(|a, b| a.peer.cmp(&b.peer));
    peers.dedup_by(|a, b| a.peer == b.peer);
    for one in peers {
        let shape = if one.peer == "entire-cluster" { " shape=diamond" } else { "" };
        let name = quote(&one.peer);
        writeln!(out, "\t{name} [label={name} color=\"red2\" fontcolor=\"red2\"{shape}]").expect(INFALLIBLE);
    }
    let style = "color=\"darkorange4\" fontcolor=\"darkgreen\" style=dashed";
    for one in &exposure.egress {
        writeln!(out, "\t{}", edge(&one.workload, &one.peer, &one.ports.to_string(), style))
            .expect(INFALLIBLE);
    }
    for one in &exposure.ingress {
        writeln!(out, "\t{}", edge(&one.peer, &one.workload, &one.ports.to_string(), style))
            .expect(INFALLIBLE);
    }
    out
}

pub(super) fn diff(lines: &[DiffLine], (first, _): (&str, &str)) -> String {
    let mut ends: Vec<&str> = lines.iter().flat_map(|line| [&*line.source, &*line.destination]).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut out = "digraph {\n".to_owned();
    for end in ends {
        writeln!(out, "\t{}", node(end, end, "blue")).expect(INFALLIBLE);
    }
    for line in lines {
        let (label, colour) = match line.diff_type {
            DiffType::Changed => (format!("{} ({first}: {})", line.after, line.before), "magenta"),
            DiffType::Added => (line.after.to_string(), "#008000"),
            DiffType::Removed => (line.before.to_string(), "red"),
        };
        let style = format!("color=\"{colour}\" fontcolor=\"{colour}\"");
        writeln!(out, "\t{}", edge(&line.source, &line.destination, &label, &style)).expect(INFALLIBLE);
    }
    out += "\tnodesep=0.5\n\tsubgraph cluster_legend {\n\t\tlabel=\"Legend\"\n";
    for (name, colour) in [("added", "#008000"), ("removed", "red"), ("changed", "magenta")] {
        writeln!(out, "\t\t\"{name} connection\" [color=\"{colour}\" fontcolor=\"{colour}\"]")
            .expect(INFALLIBLE);
    }
    out + "\t}\n}\n"
}

fn node(name: &str, label: &str, colour: &str) -> String {
    format!("{} [label={} color=\"{colour}\" fontcolor=\"{colour}\"]", quote(name), quote(label))
}

/// Heavier the other way round, so that layouts keep pairs apart.
fn edge(source: &str, destination: &str, label: &str, style: &str) -> String {
    let weight = if source < destination { "0.5" } else { "1" };
    format!("{} -> {} [label={} {style} weight={weight}]", quote(source), quote(destination), quote(label))
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " "))
}
