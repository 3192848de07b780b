//! What the operator says on standard error: JSON lines with the fields that adopters' pipelines know (Elastic Common
//! Schema), words for people at a terminal.

use std::fmt;
use std::io::IsTerminal as _;

use parapet_guard::AUDIT_TARGET;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The version of the schema whose names are used.
const ECS: &str = "1.4.0";

/// By `log-verbosity`.
pub(super) fn init(verbosity: i8) -> anyhow::Result<()> {
    let own = match verbosity {
        ..=-2 => LevelFilter::ERROR,
        -1 => LevelFilter::WARN,
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        2.. => LevelFilter::TRACE,
    };
    // Crates of the workspace all begin with parapet. Others' words are left out below warnings, and the client's of the
    // API server altogether: its failures are told by whoever asked.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(own))
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("kube_runtime", LevelFilter::OFF)
        .with_target("parapet", own)
        .with_target(AUDIT_TARGET, LevelFilter::OFF);
    let registry = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        registry.with(lines.with_ansi(colours)).try_init()?;
    } else {
        registry.with(lines.fmt_fields(JsonFields::new()).event_format(Lines)).try_init()?;
    }
    Ok(())
}

/// One JSON object a line.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            let extensions = span.extensions();
            // JsonFields wrote them, so they are an object.
            let fields = extensions.get::<FormattedFields<N>>().map_or("{}", |fields| &fields.fields);
            line.extend(serde_json::from_str::<Map<String, Value>>(fields).unwrap_or_default());
        }
        event.record(&mut Fields(&mut line));
        let metadata = event.metadata();
        let mut put = |name: &str, value: String| line.insert(name.to_owned(), value.into());
        put("@timestamp", jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
        put("log.level", level(*metadata.level()).to_owned());
        put("service.version", env!("CARGO_PKG_VERSION").to_owned());
        put("service.type", "eck".to_owned());
        put("ecs.version", ECS.to_owned());
        line.entry("log.logger").or_insert_with(|| metadata.target().into());
        writeln!(writer, "{}", Value::Object(line))
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// Puts fields into a line.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_fields_that_pipelines_know() {
        let written = Written::default();
        let to = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || to.clone())
            .fmt_fields(JsonFields::new())
            .event_format(Lines);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let span = tracing::info_span!(
                "pass",
                log.logger = "kibana-controller",
                iteration = 7,
                kibana_name = "k"
            );
            span.in_scope(|| tracing::warn!(error = "503 Service Unavailable", "a pass \"failed\""));
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["log.level"], "warn");
        assert_eq!(line["log.logger"], "kibana-controller");
        assert_eq!(line["message"], "a pass \"failed\"");
        assert_eq!(line["error"], "503 Service Unavailable");
        assert_eq!(line["iteration"], 7);
        assert_eq!(line["kibana_name"], "k");
        assert_eq!(line["service.type"], "eck");
        assert!(line["@timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(text.lines().count(), 1);
    }
}
