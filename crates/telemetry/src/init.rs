//! Puts the process's `tracing` subscriber in place: lines on stderr for people or machines, and the recorder.

use std::ffi::OsStr;
use std::io::IsTerminal as _;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::counters::Metrics;
use crate::{Identity, Recorder, system_clock};

/// How the process speaks.
#[derive(Clone, Debug)]
pub struct Options {
    /// A level (`info`), or directives by module (`info,parapet_store=debug`).
    pub level: String,
    /// The form of the lines on stderr.
    pub style: Style,
    /// Who this process is.
    pub identity: Identity,
}

/// The form of the lines on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Human {
        /// Whether levels are coloured.
        colour: bool,
    },
    /// One JSON object a line.
    Json,
}

impl Style {
    /// For people when stderr is a terminal, coloured unless `NO_COLOR` is set and not empty; JSON when it is none.
    pub fn of_stderr() -> Self {
        Self::choose(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref())
    }

    fn choose(is_terminal: bool, no_color: Option<&OsStr>) -> Self {
        if is_terminal { Self::Human { colour: no_color.is_none_or(OsStr::is_empty) } } else { Self::Json }
    }
}

/// Why the subscriber is not in place.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The level is none.
    #[error(
        "invalid log level `{level}`: expected error, warn, info, debug, trace, or module=level directives"
    )]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The process has a subscriber already.
    #[error("logging is already set up")]
    Taken(#[from] TryInitError),
}

impl InitError {
    /// Whether the user gave something wrong, rather than the program being wired wrongly.
    pub fn is_users_fault(&self) -> bool {
        match self {
            Self::Level { .. } => true,
            Self::Taken(_) => false,
        }
    }
}

/// Makes this the subscriber of the whole process: call it once, first thing. The recorder keeps what is said from now on until
/// [`Recorder::run`] delivers it.
pub fn init(options: Options, metrics: Metrics) -> Result<Recorder, InitError> {
    let recorder = Recorder::new(&options.identity, system_clock(), rand::random(), metrics);
    subscriber(&options, recorder.clone(), std::io::stderr)?.try_init()?;
    Ok(recorder)
}

fn subscriber<W>(
    options: &Options,
    recorder: Recorder,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync + use<W>, InitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&options.level)
        .map_err(|source| InitError::Level { level: options.level.clone(), source })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match options.style {
        Style::Human { colour } => lines.with_ansi(colour).boxed(),
        Style::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    Ok(tracing_subscriber::registry().with(filter).with(recorder).with(lines))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(level: &str, style: Style) -> String {
        let lines = Lines::default();
        let identity = Identity { version: "1".to_owned(), pid: 1, host: None };
        let recorder = Recorder::new(&identity, system_clock(), 1, Metrics::default());
        let options = Options { level: level.to_owned(), style, identity };
        let writer = lines.clone();
        let subscriber = subscriber(&options, recorder, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(rows = 3, "flushed");
            tracing::debug!("detail");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_form_follows_the_terminal_and_no_color() {
        assert_eq!(Style::choose(true, None), Style::Human { colour: true });
        assert_eq!(Style::choose(true, Some(OsStr::new(""))), Style::Human { colour: true });
        assert_eq!(Style::choose(true, Some(OsStr::new("1"))), Style::Human { colour: false });
        assert_eq!(Style::choose(false, None), Style::Json);
    }

    #[test]
    fn people_read_lines_and_machines_read_json() {
        let human = said("info", Style::Human { colour: false });
        assert!(human.contains("flushed") && human.contains("rows=3"), "{human}");
        assert!(!human.contains('\u{1b}') && !human.contains("detail"), "{human}");
        let json: serde_json::Value = serde_json::from_str(&said("info", Style::Json)).unwrap();
        assert_eq!((json["message"].as_str(), json["rows"].as_i64()), (Some("flushed"), Some(3)));
        assert_eq!(said("debug", Style::Json).lines().count(), 2);
    }

    #[test]
    fn a_level_that_is_none_is_refused_by_name() {
        let identity = Identity { version: "1".to_owned(), pid: 1, host: None };
        let recorder = Recorder::new(&identity, system_clock(), 1, Metrics::default());
        let options = Options { level: "parapet=loud".to_owned(), style: Style::Json, identity };
        let error = subscriber(&options, recorder, io::sink).err().unwrap();
        assert!(error.is_users_fault());
        assert!(error.to_string().contains("`parapet=loud`"), "{error}");
    }
}
