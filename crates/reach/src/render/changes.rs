//! Pictures of what changed between two clusters: only ends that have a part in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::difference::{Compared, DiffLine, DiffType};
use super::picture::{
    Cell, ENTRY, INSIDE, Key, MOST_EDGES, MOST_ENDS, MOST_RANGES, OUTSIDE, Picture, Tint, outside,
};
use super::{INCOMPLETE, escape_markup, html, svg};
use crate::listing::INGRESS_CONTROLLER;

const INFALLIBLE: &str = "a string takes every text";

/// Colours of changes.
const LEGEND: [Tint; 3] = [Tint::Added, Tint::Removed, Tint::Changed];

/// What stands behind the name of an outside range.
const EXTERNAL: &str = "[External]";

/// Where an end of a changed connection is, by its name.
pub(super) enum Place<'a> {
    /// What lets the outside in.
    Entry,
    /// A workload.
    Inside { namespace: &'a str, name: &'a str },
    /// A range of addresses.
    Outside,
}

/// Of a name as [`DiffLine`] has it.
pub(super) fn place(end: &str) -> Place<'_> {
    match end.split_once('/') {
        _ if end == INGRESS_CONTROLLER => Place::Entry,
        Some((namespace, name)) if !end.ends_with(EXTERNAL) => Place::Inside { namespace, name },
        _ => Place::Outside,
    }
}

/// Matrix and graph below each other, in a file of their own.
pub(super) fn picture(lines: &[DiffLine]) -> String {
    svg::svg(&Picture::of_changes(lines), &Picture::of_changes_as_graph(lines))
}

/// A page with both pictures and every line; it has no script.
pub(super) fn page(lines: &[DiffLine], compared: &Compared<'_>) -> String {
    let (before, after) = compared.names;
    let mut head = format!("modes: {}\n", compared.options);
    if compared.incomplete {
        head += INCOMPLETE;
        head.push('\n');
    }
    let counted = LEGEND.map(|tint| {
        let count = lines.iter().filter(|line| Tint::of(line.diff_type) == tint).count();
        format!("{count} {}", tint.name())
    });
    writeln!(head, "connections: {}", counted.join(", ")).expect(INFALLIBLE);
    let (matrix, width, height) = svg::matrix(&Picture::of_changes(lines));
    let (graph, side) = svg::graph(&Picture::of_changes_as_graph(lines));
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>What changes</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{}{}</style><h1>What changes</h1><pre>{}</pre>\
         <h2>Matrix</h2><div class=\"scroll\"><svg width=\"{width}\" height=\"{height}\">{matrix}</svg></div>\
         <h2>Graph</h2><div class=\"scroll\"><svg width=\"{side}\" height=\"{side}\">{graph}</svg></div>\
         <h2>Connections</h2><table><thead><tr><th>change<th>from<th>to<th>{}<th>{}<th>workloads</thead><tbody>",
        svg::STYLE,
        html::STYLE,
        escape_markup(&head),
        escape_markup(before),
        escape_markup(after),
    );
    for line in lines.iter().take(html::MOST_LINES) {
        let [source, destination, before, after, workloads] = [
            &line.source,
            &line.destination,
            &line.before.to_string(),
            &line.after.to_string(),
            &line.workloads,
        ]
        .map(|text| escape_markup(text));
        let change = line.diff_type.name();
        write!(out, "<tr><td>{change}<td>{source}<td>{destination}<td>{before}<td>{after}<td>{workloads}")
            .expect(INFALLIBLE);
    }
    out += "</tbody></table>";
    if let Some(left) = lines.len().checked_sub(html::MOST_LINES).filter(|left| *left > 0) {
        write!(out, "<p>{left} more lines; use the text or CSV form for them.</p>").expect(INFALLIBLE);
    }
    out + "</html>\n"
}

impl DiffLine {
    /// The ports, and which ones before if there were any.
    pub(super) fn says(&self) -> String {
        match self.diff_type {
            DiffType::Added => format!("added: {}", self.after),
            DiffType::Removed => format!("removed: {}", self.before),
            DiffType::Changed => format!("{} instead of {}", self.after, self.before),
        }
    }
}

impl Tint {
    fn of(diff_type: DiffType) -> Self {
        match diff_type {
            DiffType::Added => Self::Added,
            DiffType::Removed => Self::Removed,
            DiffType::Changed => Self::Changed,
        }
    }
}

impl Picture {
    /// For a matrix: by workload as long as rows have room for a label.
    fn of_changes(lines: &[DiffLine]) -> Self {
        let ends: BTreeSet<&str> =
            lines.iter().flat_map(|line| [&*line.source, &*line.destination]).collect();
        Self::of_changes_grouped(lines, ends.len() > MOST_ENDS)
    }

    /// For a graph: by workload as long as eyes can follow the lines.
    fn of_changes_as_graph(lines: &[DiffLine]) -> Self {
        let by_workload = Self::of_changes(lines);
        if by_workload.cells.len() > MOST_EDGES && !by_workload.by_namespace {
            return Self::of_changes_grouped(lines, true);
        }
        by_workload
    }

    fn of_changes_grouped(lines: &[DiffLine], by_namespace: bool) -> Self {
        let mut picture = Self::new(by_namespace, &LEGEND);
        let names: BTreeSet<&str> =
            lines.iter().flat_map(|line| [&*line.source, &*line.destination]).collect();
        let ranges = names.iter().filter(|name| matches!(place(name), Place::Outside)).count();
        let key = |name: &str| -> Key {
            match place(name) {
                Place::Entry => (ENTRY, String::new(), name.to_owned()),
                Place::Outside if ranges > MOST_RANGES => outside(),
                Place::Outside => (OUTSIDE, String::new(), name.trim_end_matches(EXTERNAL).to_owned()),
                Place::Inside { namespace, .. } if by_namespace => {
                    (INSIDE, namespace.to_owned(), namespace.to_owned())
                }
                Place::Inside { namespace, name } => (INSIDE, namespace.to_owned(), name.to_owned()),
            }
        };
        let keys: BTreeSet<Key> = names.iter().map(|name| key(name)).collect();
        let ends: BTreeMap<Key, usize> =
            keys.into_iter().map(|key| (key.clone(), picture.add_end(key))).collect();
        for line in lines {
            let pair = (ends[&key(&line.source)], ends[&key(&line.destination)]);
            let tint = Tint::of(line.diff_type);
            let says = || format!("{} → {}: {}", line.source, line.destination, line.says());
            let cell = picture.cells.entry(pair).or_insert_with(|| Cell {
                ports: line.after.clone(),
                tint,
                lines: 0,
                says: says(),
            });
            cell.lines += 1;
            if cell.lines > 1 {
                cell.says = format!("{} connections", cell.lines);
            }
            if cell.tint != tint {
                cell.tint = Tint::Changed;
            }
        }
        picture
    }
}
