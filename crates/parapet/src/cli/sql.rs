//! `parapet sql`: one read-only query.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::client::{Client, ServerArguments};
use crate::exit::{Failure, OrExit as _, Reason};

const EXAMPLES: &str = "\
Examples:
  parapet sql \"SELECT service_name, count(*) FROM logs GROUP BY 1 ORDER BY 2 DESC LIMIT 10\"
  parapet sql \"SELECT attr(attributes, 'http.route'), approx_percentile_cont(duration_ns, 0.99) FROM spans GROUP BY 1\"
  parapet sql - < query.sql

Tables: logs, spans, metrics, traffic, traffic_hourly; `SELECT column_name, data_type FROM information_schema.columns`.
attr(json, 'key') reads one attribute out of the attributes, resource and event columns.";

/// Arguments of `parapet sql`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SqlArguments {
    /// The query; `-` reads it from standard input.
    query: String,
    /// At most so many rows.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_rows: u32,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Columns side by side.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated with a header (RFC 4180).
    Csv,
}

impl SqlArguments {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let query = match self.query.as_str() {
            "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("can't read standard input")?;
                text
            }
            query => query.to_owned(),
        };
        let client = Client::connect(&self.server)?;
        let answer = client.post("sql", &json!({ "query": query, "max_rows": self.max_rows })).await?;
        let columns: Vec<&str> = answer["columns"]
            .as_array()
            .ok_or_else(|| anyhow!("the server's answer has no columns"))
            .or_exit(Reason::Server)?
            .iter()
            .filter_map(|column| column["name"].as_str())
            .collect();
        let rows = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let text = match self.output {
            Output::Table => table(&columns, rows),
            Output::Json => json_lines(&columns, rows),
            Output::Csv => csv(&columns, rows),
        };
        std::io::stdout().write_all(text.as_bytes()).context("can't write to standard output")?;
        if answer["truncated"].as_bool() == Some(true) {
            note(&format!("only the first {} rows; raise --max-rows for more", rows.len()));
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "a remark beside the output, not in it")]
fn note(text: &str) {
    eprintln!("parapet: {text}");
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cells(row: &Value) -> Vec<String> {
    row.as_array().map_or_else(Vec::new, |values| values.iter().map(cell).collect())
}

fn table(columns: &[&str], rows: &[Value]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let width = |at: usize| {
        let widest = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        widest.unwrap_or(0).max(columns[at].chars().count())
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let header: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    [line(&header), line(&rule)].into_iter().chain(rows.iter().map(|row| line(row))).collect()
}

/// Written by hand, because a map of values would lose the columns' order.
fn json_lines(columns: &[&str], rows: &[Value]) -> String {
    let member = |(name, value): (&&str, &Value)| format!("{}:{value}", Value::from(*name));
    let object = |row: &Value| {
        let values = row.as_array().map_or(&[][..], Vec::as_slice);
        let members: Vec<String> = columns.iter().zip(values).map(member).collect();
        format!("{{{}}}\n", members.join(","))
    };
    rows.iter().map(object).collect()
}

fn csv(columns: &[&str], rows: &[Value]) -> String {
    let quoted = |cell: &str| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    };
    let line = |cells: Vec<String>| format!("{}\r\n", cells.join(","));
    let header = line(columns.iter().map(|name| quoted(name)).collect());
    let rows = rows.iter().map(|row| line(cells(row).iter().map(|cell| quoted(cell)).collect()));
    std::iter::once(header).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_says_the_same() {
        let columns = ["name", "n"];
        let rows = [json!(["a,b", 1]), json!([null, 20])];
        assert_eq!(table(&columns, &rows), "name  n\n────  ──\na,b   1\n      20\n");
        assert_eq!(json_lines(&columns, &rows), "{\"name\":\"a,b\",\"n\":1}\n{\"name\":null,\"n\":20}\n");
        assert_eq!(csv(&columns, &rows), "name,n\r\n\"a,b\",1\r\n,20\r\n");
    }
}
