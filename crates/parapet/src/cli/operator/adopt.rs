//! `parapet operator adopt --dry-run`: what would be done to what another operator left behind.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use parapet_operator::adopt::{Report, Selected, Verdict, survey, text};
use parapet_operator::cluster::{ApiMetrics, counted, of_context};
use parapet_operator::settings::Settings;

use super::{Output, RunArguments};
use crate::exit::{Failure, OrExit as _, Reason};

const EXAMPLES: &str = "\
Examples:
  parapet operator adopt --dry-run
  parapet operator adopt --dry-run elastic/quickstart -o json
  parapet operator adopt --dry-run --context production --config eck.yaml

Give the configuration that the operator will run with: what would change depends on it.
To take over, scale the other operator to zero and start this one.
Exit codes: 0 nothing would be written; 1 something would be; 2 nobody can say, or the command line is wrong.";

/// Arguments of `parapet operator adopt`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AdoptArguments {
    /// Only look: nothing is written, and no Elasticsearch is asked. There is no other way yet.
    #[arg(long, required = true)]
    dry_run: bool,
    /// Of this namespace only, or this application only; of all namespaces if it isn't given.
    #[arg(value_name = "NAMESPACE[/NAME]")]
    what: Option<String>,
    /// Which context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// How it is printed.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
    #[command(flatten)]
    run: RunArguments,
}

impl AdoptArguments {
    pub(crate) fn answer(self) -> Result<ExitCode, Failure> {
        let Self { dry_run: _, what, context, output, run } = self;
        let selected = selected(what.as_deref());
        let mut given = run.given().or_exit(Reason::Usage)?;
        // Whoever looks from outside has no namespace of an operator's; nothing is read there.
        let named = given.file.is_some() || given.environment.contains_key("OPERATOR_NAMESPACE");
        if !named {
            given.flags.entry("operator-namespace").or_insert_with(|| "elastic-system".to_owned());
        }
        let settings = Settings::resolve(&given).or_exit(Reason::Usage)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(anyhow::Error::from)
            .or_exit(Reason::Usage)?;
        let report = runtime.block_on(async {
            let configuration =
                of_context(run.kubeconfig.as_deref(), context.as_deref()).await.or_exit(Reason::Usage)?;
            let client = counted(configuration, ApiMetrics::default()).or_exit(Reason::Usage)?;
            let mut stderr = std::io::stderr();
            if stderr.is_terminal() {
                // Where it can't be written nobody reads it.
                let _ = writeln!(stderr, "Looking at everything that operators made …");
            }
            survey(settings, client, &selected).await.or_exit(Reason::Usage)
        })?;
        output.print(&report, text)?;
        Ok(code(&report))
    }
}

fn selected(what: Option<&str>) -> Selected {
    let (namespace, name) = match what.and_then(|what| what.split_once('/')) {
        Some((namespace, name)) => (Some(namespace), Some(name)),
        None => (what, None),
    };
    let text = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(str::to_owned);
    Selected { namespace: text(namespace), name: text(name) }
}

fn code(report: &Report) -> ExitCode {
    ExitCode::from(match report.verdict() {
        Verdict::Nothing => 0,
        Verdict::Changes => 1,
        Verdict::Unknown { .. } => 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_namespace_or_an_application_in_one() {
        let of = |what| {
            let Selected { namespace, name } = selected(what);
            (namespace, name)
        };
        assert_eq!(of(None), (None, None));
        assert_eq!(of(Some("a")), (Some("a".to_owned()), None));
        assert_eq!(of(Some("a/b")), (Some("a".to_owned()), Some("b".to_owned())));
        assert_eq!(of(Some("a/")), (Some("a".to_owned()), None));
    }
}
