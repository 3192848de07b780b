//! One page with both pictures and every line; it asks nobody for anything.

use std::fmt::Write as _;

use super::escape_markup;
use super::picture::Picture;
use super::svg::{self, graph, matrix};
use super::table::head;
use crate::exposure::Exposure;
use crate::listing::Listing;

/// Lines beyond this are left to the other forms: a browser must still open the page.
pub(super) const MOST_LINES: usize = 10_000;

const INFALLIBLE: &str = "a string takes every text";

pub(super) const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page.
pub fn html(listing: &Listing, exposure: Option<&Exposure>) -> String {
    let picture = Picture::of(listing);
    let (matrix, width, height) = matrix(&picture);
    let of_graph = Picture::of_graph(listing);
    let (graph, side) = graph(&of_graph);
    let style = svg::STYLE;
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Who can talk to whom</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width\">\
         <style>{style}{STYLE}</style><h1>Who can talk to whom</h1><pre>{}</pre>\
         <p><label>Filter <input id=\"filter\" type=\"search\" placeholder=\"namespace or workload\"></label> \
         <output id=\"hint\"></output></p>\
         <h2>Matrix</h2><div class=\"scroll\"><svg id=\"matrix\" width=\"{width}\" height=\"{height}\">{matrix}</svg></div>\
         <h2>Graph</h2><div class=\"scroll\"><svg id=\"graph\" width=\"{side}\" height=\"{side}\">{graph}</svg></div>",
        escape_markup(&head(listing, ""))
    );
    out += "<h2>Connections</h2><table id=\"lines\"><thead><tr><th>from<th>to<th>ports</thead><tbody>";
    for line in listing.lines.iter().take(MOST_LINES) {
        let [source, destination, ports] =
            [&listing.peer(line.source).name, &listing.peer(line.destination).name, &line.ports.to_string()]
                .map(|text| escape_markup(text));
        write!(out, "<tr><td>{source}<td>{destination}<td>{ports}").expect(INFALLIBLE);
    }
    out += "</tbody></table>";
    if let Some(left) = listing.lines.len().checked_sub(MOST_LINES).filter(|left| *left > 0) {
        write!(out, "<p>{left} more lines; use the text or CSV form for them.</p>").expect(INFALLIBLE);
    }
    if let Some(exposure) = exposure {
        out += &exposed(exposure);
    }
    let data = serde_json::json!({"matrix": data(&picture), "graph": data(&of_graph)}).to_string();
    // Inside a script element only this could end it.
    let data = data.replace('<', "\\u003c");
    write!(out, "<script>const data = {data};\n{SCRIPT}</script></html>\n").expect(INFALLIBLE);
    out
}

/// What the page's script knows of a picture.
fn data(picture: &Picture) -> serde_json::Value {
    let ends: Vec<&str> = picture.ends.iter().map(|end| end.label.as_str()).collect();
    let groups: Vec<&str> = picture.ends.iter().map(|end| end.group.as_str()).collect();
    let mut texts: Vec<String> = picture.cells.values().map(|cell| cell.ports.to_string()).collect();
    texts.sort();
    texts.dedup();
    let cells: Vec<(usize, usize, Option<usize>)> = picture
        .cells
        .iter()
        .map(|((source, to), cell)| (*source, *to, texts.binary_search(&cell.ports.to_string()).ok()))
        .collect();
    serde_json::json!({"ends": ends, "groups": groups, "texts": texts, "cells": cells})
}

fn exposed(exposure: &Exposure) -> String {
    let mut out =
        "<h2>Exposure</h2><table><thead><tr><th>workload<th><th>peer<th>ports</thead><tbody>".to_owned();
    for (arrow, list) in [("→", &exposure.egress), ("←", &exposure.ingress)] {
        for one in list {
            let [workload, peer, ports] =
                [&one.workload, &one.peer, &one.ports.to_string()].map(|text| escape_markup(text));
            write!(out, "<tr><td>{workload}<td>{arrow}<td>{peer}<td>{ports}").expect(INFALLIBLE);
        }
    }
    for (workload, direction) in &exposure.unprotected {
        let workload = escape_markup(workload);
        write!(out, "<tr><td>{workload}<td><td>not isolated<td>{}", direction.name()).expect(INFALLIBLE);
    }
    out + "</tbody></table>"
}
