//! A listing as text for people and for other programs. Nothing here decides anything.
//!
//! The compatible forms are netpol-analyzer's, so that what reads its output reads this: peer strings, lines, columns and
//! the order of everything. The native forms begin with the declared modes.

mod changes;
mod difference;
mod dot;
mod html;
mod mermaid;
mod picture;
mod reasons;
mod svg;
mod table;

use crate::exposure::Exposure;
use crate::listing::Listing;

pub use difference::{Compared, DiffLine, DiffType, diff_lines};
pub use html::html;
pub use reasons::{ExplainedPair, explanation, explanations};

/// What stands at the head of an answer that something in the input is missing from.
pub const INCOMPLETE: &str = "INCOMPLETE: something in the input could not be read, so the truth may differ";

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Lines.
    Text,
    /// JSON.
    Json,
    /// Comma-separated values.
    Csv,
    /// Markdown tables.
    Markdown,
    /// Graphviz.
    Dot,
    /// Mermaid, as GitHub and GitLab draw it.
    Mermaid,
    /// A picture.
    Svg,
    /// A page with pictures that needs nothing else.
    Html,
}

impl Format {
    /// Every form, by its name on the command line.
    pub const ALL: [(&'static str, Self); 8] = [
        ("txt", Self::Text),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("md", Self::Markdown),
        ("dot", Self::Dot),
        ("mermaid", Self::Mermaid),
        ("svg", Self::Svg),
        ("html", Self::Html),
    ];
}

/// Renders a listing. `compatible`: exactly netpol-analyzer's form, where it has one.
pub fn listing(listing: &Listing, exposure: Option<&Exposure>, format: Format, compatible: bool) -> String {
    match format {
        Format::Text => table::text(listing, exposure, compatible),
        Format::Json => table::json(listing, exposure, compatible),
        Format::Csv => table::csv(listing, exposure),
        Format::Markdown => table::markdown(listing, exposure, compatible),
        Format::Dot => dot::dot(listing, exposure),
        Format::Mermaid => mermaid::mermaid(listing),
        Format::Svg => svg::svg(&picture::Picture::of(listing), &picture::Picture::of_graph(listing)),
        Format::Html => html(listing, exposure),
    }
}

/// Renders a difference.
pub fn diff(lines: &[DiffLine], compared: &Compared<'_>, format: Format) -> String {
    let names = compared.names;
    match format {
        Format::Json => difference::json(lines, compared),
        Format::Csv => difference::csv(lines, names),
        Format::Markdown => difference::markdown(lines, names),
        Format::Dot => dot::diff(lines, names),
        Format::Text => difference::text(lines, compared),
        Format::Mermaid => mermaid::diff(lines, compared),
        Format::Svg => changes::picture(lines),
        Format::Html => changes::page(lines, compared),
    }
}

/// What XML and HTML can't hold as it is.
fn escape_markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 has no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
