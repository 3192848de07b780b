//! `parapet operator`: how it is called, also by the name of what it replaces.

mod adopt;
mod explain;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand, ValueEnum};
use parapet_operator::settings::{Given, KEYS, Key, SettingsError};
use serde::Serialize;

use crate::exit::{Failure, OrExit as _, Reason};

/// Manifests call the program by this name, or by the next one, or its image with that word first.
const REFERENCE: &str = "elastic-operator";
const MANAGER: &str = "manager";

pub(crate) const EXAMPLES: &str = "\
Examples:
  parapet operator --config=/conf/eck.yaml
  parapet operator --operator-namespace=elastic-system --metrics-port=8081 --metrics-host=127.0.0.1
  elastic-operator manager --config=/conf/eck.yaml

Every key of the file can be given as a flag or in the environment too (METRICS_PORT for metrics-port); a flag wins over
the environment, and that over the file. Called as elastic-operator it is this command.
Exit codes: 0 ended by SIGTERM, or because the file has changed, to be started again; 1 failed, or lost the lease;
2 the command line, the file or the kubeconfig is wrong: nothing was started.";

/// Arguments of `parapet operator`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct OperatorArguments {
    #[command(subcommand)]
    command: Option<OperatorCommand>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Look after the applications; what is done without a subcommand.
    #[command(alias = MANAGER)]
    Run(RunArguments),
    /// Say what would be done to what another operator made, and to which pods. Nothing is written.
    Adopt(Box<adopt::AdoptArguments>),
    /// Say what an application waits for, what holds it, and what to do next.
    Explain(explain::ExplainArguments),
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Output {
    /// Prints it to standard output.
    fn print<T: Serialize>(self, answer: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let text = match self {
            Self::Text => text(answer),
            Self::Json => serde_json::to_string_pretty(answer).or_exit(Reason::Usage)? + "\n",
        };
        std::io::stdout().write_all(text.as_bytes()).or_exit(Reason::Usage)
    }
}

/// Arguments of `parapet operator run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The configuration file; a ConfigMap's, usually.
    #[arg(long, value_name = "FILE", env = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// How to reach the API server, outside of a pod.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
}

impl OperatorArguments {
    /// Does what is asked for.
    pub(crate) fn answer(self) -> Result<ExitCode, Failure> {
        let run = |arguments| crate::operator::run(arguments).map(|()| ExitCode::SUCCESS);
        match self.command {
            Some(OperatorCommand::Run(arguments)) => run(arguments),
            Some(OperatorCommand::Adopt(arguments)) => arguments.answer(),
            Some(OperatorCommand::Explain(arguments)) => arguments.answer(),
            None => run(self.run),
        }
    }
}

impl RunArguments {
    /// Flags, environment and file as they were given.
    pub(crate) fn given(&self) -> Result<Given, SettingsError> {
        let environment = KEYS.iter().map(Key::variable);
        let environment = environment.filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        Given::read(self.keys.0.clone(), environment.collect(), self.config.as_deref())
    }
}

/// A flag for each key.
#[derive(Clone, Debug, Default)]
struct Keys(BTreeMap<&'static str, String>);

impl Args for Keys {
    fn augment_args(command: Command) -> Command {
        command.next_help_heading("Keys of the file").args(KEYS.iter().map(flag)).next_help_heading(None)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Keys {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |key: &Key| Some((key.name, matches.get_one::<String>(key.name)?.clone()));
        Ok(Self(KEYS.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(key: &'static Key) -> Arg {
    let help = match key.default {
        "" => key.help.to_owned(),
        default => format!("{} [default: {default}]", key.help),
    };
    let flag = Arg::new(key.name).long(key.name).value_name(key.value).help(help).overrides_with(key.name);
    match key.value {
        // As Go's flags have it: --enable-webhook is --enable-webhook=true.
        "BOOL" => flag.num_args(0..=1).require_equals(true).default_missing_value("true"),
        "NUMBER" => flag.allow_negative_numbers(true),
        _ => flag.value_parser(NonEmptyStringValueParser::new()),
    }
}

/// The words of the command line, with the command named that the program was called by.
pub(crate) fn spelled(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let called = words.first().and_then(|word| Path::new(word).file_name());
    let by_name = [REFERENCE, MANAGER].iter().any(|name| called == Some(OsStr::new(name)));
    if by_name || words.get(1).is_some_and(|word| word == MANAGER) {
        words.insert(1, "operator".into());
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn parse(words: &[&str]) -> Result<RunArguments, clap::Error> {
        let parsed = Arguments::try_parse_from(spelled(words.iter().map(OsString::from)))?;
        match parsed.command {
            Command::Operator(arguments) => Ok(match arguments.command {
                Some(OperatorCommand::Run(arguments)) => arguments,
                None => arguments.run,
                Some(other) => panic!("{other:?}"),
            }),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn as_the_manifests_call_it() {
        for words in [
            &["/elastic-operator", "manager", "--config=/conf/eck.yaml"][..],
            &["/usr/local/bin/parapet", "manager", "--config=/conf/eck.yaml"],
            &["/manager", "--config=/conf/eck.yaml"],
            &["parapet", "operator", "run", "--config=/conf/eck.yaml"],
            &["parapet", "operator", "--config", "/conf/eck.yaml"],
        ] {
            let arguments = parse(words).unwrap();
            assert_eq!(arguments.config.as_deref(), Some(Path::new("/conf/eck.yaml")), "{words:?}");
            assert!(arguments.keys.0.is_empty());
        }
    }

    #[test]
    fn every_key_is_a_flag() {
        let arguments = parse(&[
            "elastic-operator",
            "--enable-webhook",
            "--ubi-only=false",
            "--log-verbosity",
            "-2",
            "--metrics-port=1",
            "--metrics-port=2",
        ])
        .unwrap();
        let expected = [
            ("enable-webhook", "true"),
            ("log-verbosity", "-2"),
            ("metrics-port", "2"),
            ("ubi-only", "false"),
        ];
        let given: Vec<_> = arguments.keys.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(given, expected);
        assert!(parse(&["elastic-operator", "manager", "--no-such-key=1"]).is_err());
    }
}
