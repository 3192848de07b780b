//! `parapet logs`: newest lines that match, or new ones as they come.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::client::{Client, ServerArguments};
use crate::exit::Failure;

/// The server's own bound on a page.
const PAGE: usize = 1000;

const EXAMPLES: &str = "\
Examples:
  parapet logs timeout --since 1h                       lines that contain the word, newest last
  parapet logs '\"connection reset\" -healthz' --follow   a phrase, without another word, as they come
  parapet logs --severity error --service checkout -o json | jq .body";

/// Arguments of `parapet logs`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LogsArguments {
    /// Words that must all be in the line; \"quote\" a phrase, -word excludes.
    query: Option<String>,
    /// How far back to look: 15m, 2h, 7d.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    since: String,
    /// At least this severity.
    #[arg(long, value_enum)]
    severity: Option<Severity>,
    /// Only this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only this Kubernetes namespace.
    #[arg(long, short = 'n', value_name = "NAME")]
    namespace: Option<String>,
    /// Only this pod.
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,
    /// Only this container.
    #[arg(long, short = 'c', value_name = "NAME")]
    container: Option<String>,
    /// Only lines of this trace.
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// The newest so many lines.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Keep printing lines as they arrive; Ctrl-C ends it.
    #[arg(long, short = 'f')]
    follow: bool,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    /// OTel's number of the lowest of the range.
    fn number(self) -> u8 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Time, severity, service, line.
    Text,
    /// One JSON object a line, all fields.
    Json,
}

impl LogsArguments {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = Client::connect(&self.server)?;
        let filters = self.filters();
        let mut printer = Printer::new(self.output);
        let mut newest = self.newest(&client, &filters).await?;
        newest.reverse();
        for row in &newest {
            printer.print(row)?;
        }
        if self.follow {
            let after =
                newest.last().and_then(|row| row["seq"].as_u64()).map(|seq| ("after", seq.to_string()));
            let parameters: Vec<_> =
                filters.into_iter().filter(|(name, _)| *name != "from").chain(after).collect();
            client
                .follow("logs/follow", &parameters, |data| {
                    let row = serde_json::from_str(data).context("the server sent a row that is no JSON")?;
                    printer.print(&row)
                })
                .await?;
        }
        Ok(())
    }

    fn filters(&self) -> Vec<(&'static str, String)> {
        let mut filters = vec![("from", format!("now-{}", self.since))];
        let optional = [
            ("q", &self.query),
            ("service", &self.service),
            ("namespace", &self.namespace),
            ("pod", &self.pod),
            ("container", &self.container),
            ("trace_id", &self.trace),
        ];
        filters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        filters.extend(self.severity.map(|severity| ("severity_min", severity.number().to_string())));
        filters
    }

    /// Up to `limit` rows, newest first, page by page.
    async fn newest(
        &self,
        client: &Client,
        filters: &[(&'static str, String)],
    ) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        while rows.len() < self.limit {
            let mut parameters = filters.to_vec();
            parameters.push(("limit", (self.limit - rows.len()).min(PAGE).to_string()));
            parameters.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut page = client.get("logs", &parameters).await?;
            if let Value::Array(more) = page["rows"].take() {
                rows.extend(more);
            }
            match page["next_cursor"].take() {
                Value::String(next) => cursor = Some(next),
                _ => break,
            }
        }
        Ok(rows)
    }
}

struct Printer {
    output: Output,
    colour: bool,
    out: std::io::Stdout,
}

impl Printer {
    fn new(output: Output) -> Self {
        let out = std::io::stdout();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { output, colour, out }
    }

    fn print(&mut self, row: &Value) -> anyhow::Result<()> {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let mut out = self.out.lock();
        match self.output {
            Output::Json => writeln!(out, "{row}"),
            Output::Text => {
                let number = row["severity_number"].as_u64().unwrap_or_default();
                let number = i32::try_from(number).unwrap_or_default();
                let severity = parapet_signal::SeverityNumber::from_number(number).name();
                let (on, off) = match severity {
                    _ if !self.colour => ("", ""),
                    "ERROR" | "FATAL" => ("\x1b[31m", "\x1b[0m"),
                    "WARN" => ("\x1b[33m", "\x1b[0m"),
                    "DEBUG" | "TRACE" => ("\x1b[2m", "\x1b[0m"),
                    _ => ("", ""),
                };
                let source = [text("k8s_pod_name"), text("service_name")];
                let source = source.iter().find(|name| !name.is_empty()).unwrap_or(&"-");
                writeln!(out, "{} {on}{severity:<5}{off} {source}  {}", text("ts"), printable(text("body")))
            }
        }
        .context("can't write to standard output")
    }
}

/// A log line must not steer the terminal that it is shown on: control characters other than tab become visible.
fn printable(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '\t' | '\n' => c,
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            '\u{7f}'..='\u{9f}' => '\u{fffd}',
            _ => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\tc\u{9b}"), "a␛[2Jb\tc\u{fffd}");
    }
}
