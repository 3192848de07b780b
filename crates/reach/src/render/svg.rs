//! Pictures: a matrix (rows connect to columns) and a graph (ends on a circle, by namespace).

use std::f64::consts::TAU;
use std::fmt::Write as _;

use super::escape_markup;
use super::picture::{Picture, Tint};

/// Pixels of a matrix cell; labels are one cell high.
const CELL: usize = 12;
/// Pixels that a character of a label takes at the most.
const CHARACTER: usize = 7;
/// Labels longer than this are cut.
const LONGEST_LABEL: usize = 42;

const INFALLIBLE: &str = "a string takes every text";

/// Both pictures below each other, in a file of their own.
pub(super) fn svg(picture: &Picture, of_graph: &Picture) -> String {
    let (matrix, width, height) = matrix(picture);
    let (graph, side) = graph(of_graph);
    let (total_width, total_height) = (width.max(side), height + side);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total_width}\" height=\"{total_height}\" \
         viewBox=\"0 0 {total_width} {total_height}\" font-family=\"system-ui, sans-serif\">\
         <style>{STYLE}</style><rect class=\"paper\" width=\"100%\" height=\"100%\"/>{matrix}\
         <g transform=\"translate(0 {height})\">{graph}</g></svg>\n"
    )
}

/// Colours that differ in lightness, too, for those who don't see them.
pub(super) const STYLE: &str = "text{font-size:10px;fill:#222}.paper{fill:#fff}.all{fill:#c0392b}.some{fill:#2e6da4}\
    .self{fill:#e4e4e4}.rule{stroke:#bbb;stroke-width:1}.thin{stroke:#f0f0f0;stroke-width:1}\
    .edge{fill:none;stroke:#2e6da4;stroke-opacity:.35}.edge.wide{stroke:#c0392b}\
    .added{fill:#1e8449}.removed{fill:#e59866}.changed{fill:#5b2c83}\
    .edge.added,.edge.removed,.edge.changed{fill:none;stroke-opacity:.8;marker-end:url(#tip)}\
    .edge.added{stroke:#1e8449}.edge.removed{stroke:#ca6f1e;stroke-dasharray:5 3}\
    .edge.changed{stroke:#5b2c83;stroke-dasharray:2 2}.group{font-weight:bold}";

/// The tip of a line; as in a listing most lines go both ways, only changes have them.
const TIP: &str = "<defs><marker id=\"tip\" viewBox=\"0 0 6 6\" refX=\"6\" refY=\"3\" markerWidth=\"7\" markerHeight=\"7\" \
    markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L6 3L0 6z\" fill=\"#222\"/></marker></defs>";

/// The matrix, and its width and height.
pub(super) fn matrix(picture: &Picture) -> (String, usize, usize) {
    let count = picture.ends.len();
    let longest = picture.ends.iter().map(|end| label(&end.label).chars().count()).max().unwrap_or(0);
    let margin = (longest * CHARACTER + 20).max(80);
    let size = count * CELL;
    let mut out = format!("<g class=\"matrix\" data-margin=\"{margin}\" data-cell=\"{CELL}\">");
    for (index, end) in picture.ends.iter().enumerate() {
        let at = margin + index * CELL;
        let starts = index == 0 || picture.ends[index - 1].group != end.group;
        let class = if starts { "rule" } else { "thin" };
        let (last, text) = (margin + size, escape_markup(&label(&end.label)));
        write!(
            out,
            "<line class=\"{class}\" x1=\"{margin}\" y1=\"{at}\" x2=\"{last}\" y2=\"{at}\"/>\
             <line class=\"{class}\" x1=\"{at}\" y1=\"{margin}\" x2=\"{at}\" y2=\"{last}\"/>\
             <text data-end=\"{index}\" x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{text}</text>\
             <text data-end=\"{index}\" transform=\"translate({y} {x}) rotate(-90)\">{text}</text>",
            x = margin - 4,
            y = at + CELL - 3,
        )
        .expect(INFALLIBLE);
    }
    for source in 0..count {
        let row = || picture.cells.range((source, 0)..(source + 1, 0));
        for tint in picture.legend {
            let mut path = String::new();
            for ((_, destination), _) in row().filter(|(_, cell)| cell.tint == *tint) {
                let (x, y) = (margin + destination * CELL + 1, margin + source * CELL + 1);
                let side = CELL - 2;
                write!(path, "M{x} {y}h{side}v{side}h-{side}z").expect(INFALLIBLE);
            }
            if !path.is_empty() {
                let class = tint.class();
                write!(out, "<path class=\"{class}\" data-row=\"{source}\" d=\"{path}\"/>")
                    .expect(INFALLIBLE);
            }
        }
    }
    let what = if picture.by_namespace { "namespaces" } else { "workloads" };
    write!(out, "<text x=\"4\" y=\"14\" class=\"group\">rows connect to columns ({what})</text>")
        .expect(INFALLIBLE);
    for (index, tint) in picture.legend.iter().enumerate() {
        let (class, name, y) = (tint.class(), tint.name(), 22 + 14 * index);
        let under = y + 9;
        write!(
            out,
            "<rect class=\"{class}\" x=\"4\" y=\"{y}\" width=\"10\" height=\"10\"/><text x=\"18\" y=\"{under}\">{name}</text>"
        )
        .expect(INFALLIBLE);
    }
    out += "</g>";
    (out, margin + size + 20, margin + size + 20)
}

/// The graph, and its side.
pub(super) fn graph(picture: &Picture) -> (String, usize) {
    let count = picture.ends.len().max(1);
    let longest = picture.ends.iter().map(|end| label(&end.label).chars().count()).max().unwrap_or(0);
    // Twelve pixels of the circle for each label, and room for labels around it.
    let radius = (count as f64 * 13.0 / TAU).max(120.0);
    let side = 2 * (radius as usize + longest * CHARACTER + 30);
    let centre = side as f64 / 2.0;
    let place = |index: usize, radius: f64| {
        let angle = TAU * index as f64 / count as f64 - TAU / 4.0;
        (centre + radius * angle.cos(), centre + radius * angle.sin(), angle.to_degrees())
    };
    let mut out = "<g class=\"graph\">".to_owned();
    if picture.legend.contains(&Tint::Added) {
        out += TIP;
    }
    for ((source, destination), cell) in &picture.cells {
        let ((x1, y1, _), (x2, y2, _)) = (place(*source, radius), place(*destination, radius));
        // Through a point near the middle: edges of far ends meet there, those of near ends stay near.
        let (cx, cy) = ((x1 + x2) / 2.0 * 0.3 + centre * 0.7, (y1 + y2) / 2.0 * 0.3 + centre * 0.7);
        let class = cell.tint.edge();
        let width = 1.0 + (cell.lines as f64).ln();
        let path = if source == destination {
            format!("M{x1:.1} {y1:.1}a5 5 0 1 1 0.1 0")
        } else {
            format!("M{x1:.1} {y1:.1}Q{cx:.1} {cy:.1} {x2:.1} {y2:.1}")
        };
        write!(
            out,
            "<path class=\"{class}\" data-source=\"{source}\" data-destination=\"{destination}\" \
             stroke-width=\"{width:.1}\" d=\"{path}\""
        )
        .expect(INFALLIBLE);
        match cell.says.as_str() {
            "" => out += "/>",
            says => write!(out, "><title>{}</title></path>", escape_markup(says)).expect(INFALLIBLE),
        }
    }
    let mut previous: Option<&str> = None;
    let mut hue = 0;
    for (index, end) in picture.ends.iter().enumerate() {
        if previous != Some(&end.group) {
            // The golden angle keeps neighbours apart.
            hue = (hue + 137) % 360;
            previous = Some(&end.group);
        }
        let (x, y, degrees) = place(index, radius + 4.0);
        let (tx, ty, _) = place(index, radius + 12.0);
        let turned = (90.0..270.0).contains(&degrees.rem_euclid(360.0));
        let (rotation, anchor) = if turned { (degrees + 180.0, "end") } else { (degrees, "start") };
        let colour = if end.outside { "#c0392b".to_owned() } else { format!("hsl({hue} 60% 40%)") };
        let text = escape_markup(&label(&end.label));
        write!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>\
             <text data-end=\"{index}\" text-anchor=\"{anchor}\" dominant-baseline=\"central\" \
             transform=\"translate({tx:.1} {ty:.1}) rotate({rotation:.1})\">{text}</text>"
        )
        .expect(INFALLIBLE);
    }
    (out + "</g>", side)
}

fn label(text: &str) -> String {
    if text.chars().count() <= LONGEST_LABEL {
        return text.to_owned();
    }
    text.chars().take(LONGEST_LABEL - 1).chain(['…']).collect()
}
