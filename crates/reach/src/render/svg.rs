//! Pictures: a matrix (rows connect to columns) and a graph (ends on a circle, by namespace).

use std::f64::consts::TAU;
use std::fmt::Write as _;

use super::escape_markup;
use super::picture::Picture;

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
    .edge{fill:none;stroke:#2e6da4;stroke-opacity:.35}.edge.wide{stroke:#c0392b}.group{font-weight:bold}";

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
        let (mut all, mut some) = (String::new(), String::new());
        let row = picture.cells.range((source, 0)..(source + 1, 0));
        for ((_, destination), cell) in row {
            let (x, y) = (margin + destination * CELL + 1, margin + source * CELL + 1);
            let path = if cell.ports.is_all() { &mut all } else { &mut some };
            let side = CELL - 2;
            write!(path, "M{x} {y}h{side}v{side}h-{side}z").expect(INFALLIBLE);
        }
        for (class, path) in [("all", all), ("some", some)] {
            if !path.is_empty() {
                write!(out, "<path class=\"{class}\" data-row=\"{source}\" d=\"{path}\"/>")
                    .expect(INFALLIBLE);
            }
        }
    }
    let what = if picture.by_namespace { "namespaces" } else { "workloads" };
    write!(
        out,
        "<text x=\"4\" y=\"14\" class=\"group\">rows connect to columns ({what})</text>\
         <rect class=\"all\" x=\"4\" y=\"22\" width=\"10\" height=\"10\"/><text x=\"18\" y=\"31\">every port</text>\
         <rect class=\"some\" x=\"4\" y=\"36\" width=\"10\" height=\"10\"/><text x=\"18\" y=\"45\">some ports</text></g>"
    )
    .expect(INFALLIBLE);
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
    for ((source, destination), cell) in &picture.cells {
        let ((x1, y1, _), (x2, y2, _)) = (place(*source, radius), place(*destination, radius));
        // Through a point near the middle: edges of far ends meet there, those of near ends stay near.
        let (cx, cy) = ((x1 + x2) / 2.0 * 0.3 + centre * 0.7, (y1 + y2) / 2.0 * 0.3 + centre * 0.7);
        let wide = if cell.ports.is_all() { " wide" } else { "" };
        let width = 1.0 + (cell.lines as f64).ln();
        let path = if source == destination {
            format!("M{x1:.1} {y1:.1}a5 5 0 1 1 0.1 0")
        } else {
            format!("M{x1:.1} {y1:.1}Q{cx:.1} {cy:.1} {x2:.1} {y2:.1}")
        };
        write!(
            out,
            "<path class=\"edge{wide}\" data-source=\"{source}\" data-destination=\"{destination}\" \
             stroke-width=\"{width:.1}\" d=\"{path}\"/>"
        )
        .expect(INFALLIBLE);
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
