//! Lines, JSON, CSV and Markdown of listings.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::INCOMPLETE;
use crate::exposure::{Exposed, Exposure};
use crate::listing::Listing;
use crate::portset::PortSet;

/// Version of the native JSON; a change that readers notice gets another.
const LIST_SCHEMA: &str = "parapet.reach.list/v1";

/// Writing into a `String` can't fail.
pub(super) const INFALLIBLE: &str = "a string takes every text";

pub(super) fn text(listing: &Listing, exposure: Option<&Exposure>, compatible: bool) -> String {
    let mut out = String::new();
    if !compatible {
        out += &head(listing, "# ");
    }
    for (source, destination, ports) in rows(listing) {
        writeln!(out, "{source} => {destination} : {ports}").expect(INFALLIBLE);
    }
    if !compatible && !listing.mode_dependent.is_empty() {
        out += "\n# depends on ipblock-pods: never -> always\n";
        for one in &listing.mode_dependent {
            writeln!(out, "# {} => {} : {} -> {}", one.source, one.destination, one.never, one.always)
                .expect(INFALLIBLE);
        }
    }
    if let Some(exposure) = exposure {
        out += &exposure_text(exposure);
    }
    out
}

/// The declared modes, and what a reader should know.
pub(super) fn head(listing: &Listing, prefix: &str) -> String {
    let mut head = format!("{prefix}modes: {}\n", listing.options);
    head += prefix;
    head += "assumed: the network plug-in enforces policies; a pod's own node always reaches it; ICMP and other protocols aren't covered\n";
    if listing.incomplete {
        head += prefix;
        head += INCOMPLETE;
        head.push('\n');
    }
    for note in &listing.notes {
        writeln!(head, "{prefix}note: {note}").expect(INFALLIBLE);
    }
    head
}

fn rows(listing: &Listing) -> impl Iterator<Item = (&str, &str, &PortSet)> {
    listing
        .lines
        .iter()
        .map(|line| (&*listing.peer(line.source).name, &*listing.peer(line.destination).name, &*line.ports))
}

fn exposure_text(exposure: &Exposure) -> String {
    let mut out = "\nExposure Analysis Result:\n".to_owned();
    let width =
        exposure.egress.iter().chain(&exposure.ingress).map(|one| one.workload.len()).max().unwrap_or(0);
    let lists =
        [("Egress Exposure:", "=>", &exposure.egress), ("\nIngress Exposure:", "<=", &exposure.ingress)];
    for (title, arrow, list) in lists {
        if list.is_empty() {
            continue;
        }
        writeln!(out, "{title}").expect(INFALLIBLE);
        for Exposed { workload, peer, ports, .. } in list {
            writeln!(out, "{workload:width$} \t{arrow} \t{peer} : {ports}").expect(INFALLIBLE);
        }
    }
    if !exposure.unprotected.is_empty() {
        out += "\nWorkloads not protected by network policies:\n";
        for (workload, direction) in &exposure.unprotected {
            writeln!(out, "{workload} is not protected on {}", direction.name()).expect(INFALLIBLE);
        }
    }
    out
}

pub(super) fn json(listing: &Listing, exposure: Option<&Exposure>, compatible: bool) -> String {
    let lines: Vec<Value> =
        rows(listing).map(|(src, dst, conn)| json!({"src": src, "dst": dst, "conn": conn})).collect();
    let egress = |exposure: &Exposure| -> Vec<Value> {
        let one = |one: &Exposed| json!({"src": one.workload, "dst": one.peer, "conn": one.ports});
        exposure.egress.iter().map(one).collect()
    };
    let ingress = |exposure: &Exposure| -> Vec<Value> {
        let one = |one: &Exposed| json!({"src": one.peer, "dst": one.workload, "conn": one.ports});
        exposure.ingress.iter().map(one).collect()
    };
    let value = match (compatible, exposure) {
        (true, None) => Value::from(lines),
        (true, Some(exposure)) => json!({
            "connlist_results": lines,
            "exposure_results": {"egress_exposure": egress(exposure), "ingress_exposure": ingress(exposure)},
        }),
        (false, exposure) => {
            let peers: Vec<&crate::listing::Peer> = listing.peers.iter().collect();
            json!({
                "schema": LIST_SCHEMA,
                "modes": listing.options,
                "incomplete": listing.incomplete,
                "notes": listing.notes,
                "peers": peers,
                "connections": lines,
                "modeDependent": listing.mode_dependent,
                "exposure": exposure.map(|exposure| json!({
                    "egress": egress(exposure),
                    "ingress": ingress(exposure),
                    "unprotected": exposure.unprotected.iter()
                        .map(|(workload, direction)| json!({"workload": workload, "direction": direction}))
                        .collect::<Vec<_>>(),
                })),
            })
        }
    };
    pretty(&value)
}

pub(super) fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("values without maps of odd keys serialise");
    text.push('\n');
    text
}

pub(super) fn csv(listing: &Listing, exposure: Option<&Exposure>) -> String {
    let mut out = csv_row(&["src", "dst", "conn"]);
    for (source, destination, ports) in rows(listing) {
        out += &csv_row(&[source, destination, &ports.to_string()]);
    }
    if let Some(exposure) = exposure {
        out += &csv_row(&["Exposure Analysis Result:", "", ""]);
        let lists = [
            ("Egress Exposure:", ["src", "dst", "conn"], &exposure.egress),
            ("Ingress Exposure:", ["dst", "src", "conn"], &exposure.ingress),
        ];
        for (title, header, list) in lists {
            if list.is_empty() {
                continue;
            }
            out += &csv_row(&[title, "", ""]);
            out += &csv_row(&header);
            for Exposed { workload, peer, ports, .. } in list {
                out += &csv_row(&[workload, peer, &ports.to_string()]);
            }
        }
    }
    out
}

pub(super) fn csv_row(cells: &[&str]) -> String {
    let quoted: Vec<String> = cells
        .iter()
        .map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                (*cell).to_owned()
            }
        })
        .collect();
    quoted.join(",") + "\n"
}

pub(super) fn markdown(listing: &Listing, exposure: Option<&Exposure>, compatible: bool) -> String {
    let mut out = String::new();
    if !compatible {
        out += &head(listing, "> ");
        out.push('\n');
    }
    out += "| src | dst | conn |\n|-----|-----|------|\n";
    for (source, destination, ports) in rows(listing) {
        out += &markdown_row(&[source, destination, &ports.to_string()]);
    }
    if let Some(exposure) = exposure {
        out += "## Exposure Analysis Result:\n";
        let lists = [
            ("Egress", "| src | dst | conn |", &exposure.egress),
            ("Ingress", "| dst | src | conn |", &exposure.ingress),
        ];
        let mut first = true;
        for (title, header, list) in lists.into_iter().filter(|(_, _, list)| !list.is_empty()) {
            let gap = if std::mem::take(&mut first) { "" } else { "\n" };
            writeln!(out, "{gap}### {title} Exposure:\n{header}\n|-----|-----|------|").expect(INFALLIBLE);
            for Exposed { workload, peer, ports, .. } in list {
                out += &markdown_row(&[workload, peer, &ports.to_string()]);
            }
        }
    }
    out
}

pub(super) fn markdown_row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    format!("| {} |\n", cells.join(" | "))
}
