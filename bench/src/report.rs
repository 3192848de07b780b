//! Measured values beside their targets: a table for people, one JSON object a line for programs.

use serde::Serialize;

/// What a value should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Measured to be known; nothing was promised.
    None,
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// Values of one bench, in the order they are told.
#[derive(Debug)]
pub struct Report {
    json: bool,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    value: Option<f64>,
    unit: &'static str,
    target: Option<String>,
    pass: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Report {
    /// An empty report; with `json`, [`Report::print`] prints JSON lines.
    pub fn new(json: bool) -> Self {
        Self { json, lines: Vec::new() }
    }

    /// Adds a value.
    pub fn value(&mut self, name: impl Into<String>, value: f64, unit: &'static str, target: Target) {
        let (text, pass) = match target {
            Target::None => (None, None),
            Target::AtLeast(bound) => (Some(format!("≥ {}", readable(bound))), Some(value >= bound)),
            Target::AtMost(bound) => (Some(format!("≤ {}", readable(bound))), Some(value <= bound)),
        };
        self.lines.push(Line { name: name.into(), value: Some(value), unit, target: text, pass, note: None });
    }

    /// Says visibly that a peer is missing, and why.
    pub fn peer_missing(&mut self, peer: &str, why: &str) {
        let note = Some(format!("peer: not available ({why})"));
        self.lines.push(Line { name: peer.into(), value: None, unit: "", target: None, pass: None, note });
    }

    /// Prints everything.
    pub fn print(&self) {
        if self.json {
            for line in &self.lines {
                println!("{}", serde_json::to_string(line).expect("numbers and strings are JSON"));
            }
        } else {
            print!("{}", self.table());
        }
    }

    fn table(&self) -> String {
        let width = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
        let mut table = String::new();
        for line in &self.lines {
            let padding = " ".repeat(width - line.name.chars().count());
            table.push_str(&format!("{}{padding}  ", line.name));
            match (&line.value, &line.note) {
                (Some(value), _) => {
                    let verdict = match line.pass {
                        Some(true) => "met",
                        Some(false) => "MISSED",
                        None => "",
                    };
                    let target = line.target.as_deref().unwrap_or("");
                    let row = format!("{:>12} {:<18} {target:<12} {verdict}", readable(*value), line.unit);
                    table.push_str(row.trim_end());
                }
                (None, note) => table.push_str(note.as_deref().unwrap_or("")),
            }
            table.push('\n');
        }
        table
    }
}

/// The middle one of some measurements; 0 if there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Three or so significant digits, thousands apart.
fn readable(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let digits = format!("{:.0}", value.abs());
        let mut grouped = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                grouped.push(' ');
            }
            grouped.push(digit);
        }
        return if value < 0.0 { format!("-{grouped}") } else { grouped };
    }
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        3
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_which_targets_are_met() {
        let mut report = Report::new(false);
        report.value("rows per second", 1_234_567.0, "rows/s", Target::AtLeast(100_000.0));
        report.value("newest page", 250.0, "ms", Target::AtMost(100.0));
        report.peer_missing("Loki", "no Go");
        let expect = "rows per second     1 234 567 rows/s             ≥ 100 000    met\n\
                      newest page               250 ms                 ≤ 100        MISSED\n\
                      Loki             peer: not available (no Go)\n";
        assert_eq!(report.table(), expect);
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn numbers_are_readable() {
        for (value, text) in [(0.1234, "0.123"), (12.34, "12.3"), (123.4, "123"), (-1234.0, "-1 234")] {
            assert_eq!(readable(value), text);
        }
    }
}
