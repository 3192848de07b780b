//! `parapet operator explain`: what an application waits for.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use parapet_operator::Kind;
use parapet_operator::cluster::{ApiMetrics, counted, of_context};
use parapet_operator::explain::{Explanation, explain, gather};

use super::Output;
use crate::exit::{Failure, OrExit as _, Reason};

const EXAMPLES: &str = "\
Examples:
  parapet operator explain elastic/quickstart
  parapet operator explain elastic/quickstart --kind kibana -o json

Exit codes: 0 nothing holds it; 1 something does; 2 there is no such application, or nobody can say.";

/// Arguments of `parapet operator explain`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArguments {
    /// Which application; of the namespace `default` if it names none.
    #[arg(value_name = "NAMESPACE/NAME")]
    what: String,
    /// Which kind; every kind of which there is one by that name, if it isn't given.
    #[arg(long, value_name = "KIND")]
    kind: Option<Named>,
    /// How to reach the API server; as kubectl does, if it isn't given.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// How it is printed.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// A kind, by the name that users give it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Named {
    /// Elasticsearch.
    #[value(alias = "es")]
    Elasticsearch,
    /// Kibana.
    #[value(alias = "kb")]
    Kibana,
    /// APM Server.
    #[value(name = "apmserver", alias = "apm")]
    ApmServer,
}

impl Named {
    fn kind(self) -> Kind {
        match self {
            Self::Elasticsearch => Kind::Elasticsearch,
            Self::Kibana => Kind::Kibana,
            Self::ApmServer => Kind::ApmServer,
        }
    }
}

impl ExplainArguments {
    pub(crate) fn answer(self) -> Result<ExitCode, Failure> {
        let Self { what, kind, kubeconfig, context, output } = self;
        let (namespace, name) = what.split_once('/').unwrap_or(("default", &what));
        let kinds = kind.map_or_else(|| Kind::ALL.to_vec(), |named| vec![named.kind()]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(anyhow::Error::from)
            .or_exit(Reason::Usage)?;
        let explained: Vec<Explanation> = runtime.block_on(async {
            let configuration =
                of_context(kubeconfig.as_deref(), context.as_deref()).await.or_exit(Reason::Usage)?;
            let client = counted(configuration, ApiMetrics::default()).or_exit(Reason::Usage)?;
            let mut explained = Vec::new();
            for kind in kinds {
                let facts =
                    gather(&client, kind, namespace, name, Timestamp::now()).await.or_exit(Reason::Usage)?;
                explained.extend(facts.as_ref().map(explain));
            }
            Ok::<_, Failure>(explained)
        })?;
        if explained.is_empty() {
            let missing =
                anyhow!("there is no application {namespace}/{name}; `kubectl get es,kb,apm -A` lists them");
            return Err(Failure::new(Reason::Usage, missing));
        }
        output.print(&explained, |all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        Ok(match explained.iter().all(Explanation::is_fine) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}
