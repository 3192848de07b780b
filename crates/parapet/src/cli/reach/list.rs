//! `parapet reach list`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use parapet_reach::model::{Direction, Pod};
use parapet_reach::render::{self, Format};
use parapet_reach::{
    Exposure, HostNetwork, IpBlockPods, Listing, MOST_LINES, Options, Protocol, Reachability, View,
    explain_pairs,
};

use super::input::{self, InputArguments};
use crate::exit::{Failure, Reason};
use crate::manifests::ModeArguments;

#[derive(Debug, Args)]
#[command(after_help = super::EXAMPLES)]
pub(super) struct ListArguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    modes: ModeArguments,
    #[command(flatten)]
    view: ViewArguments,
    /// The form of the output: txt, json, csv, md, dot, mermaid, svg, html
    #[arg(short, long, value_name = "FORMAT", default_value = "txt", value_parser = input::format, help_heading = "Output")]
    output: Format,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    file: Option<PathBuf>,
    /// Add what pods that don't exist yet could reach, or be reached by
    #[arg(long, help_heading = "Output")]
    exposure: bool,
    /// Say why, rule by rule (txt only)
    #[arg(long, help_heading = "Output")]
    explain: bool,
    /// With --explain: only what is allowed, or denied
    #[arg(long, value_enum, value_name = "VERDICT", requires = "explain", help_heading = "Output")]
    explain_only: Option<Verdict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Verdict {
    Allow,
    Deny,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is shown")]
pub(super) struct ViewArguments {
    /// Only connections of these workloads: name, namespace/name, ingress-controller; comma-separated
    #[arg(long = "focus", visible_alias = "focusworkload", value_name = "WORKLOAD", value_delimiter = ',')]
    focus: Vec<String>,
    /// With --focus: only connections with these workloads at the other end
    #[arg(
        long = "focus-peer",
        visible_alias = "focusworkload-peer",
        value_name = "WORKLOAD",
        value_delimiter = ',',
        requires = "focus"
    )]
    focus_peer: Vec<String>,
    /// With --focus: only into it, or out of it
    #[arg(long, value_enum, value_name = "DIRECTION", requires = "focus")]
    focus_direction: Option<FocusDirection>,
    /// Only connections that allow this, such as tcp-80
    #[arg(long, value_name = "PORT", value_parser = input::port)]
    focus_conn: Option<(Protocol, u16)>,
    /// Only connections with an end in these namespaces; comma-separated
    #[arg(short, long, value_name = "NAMESPACE", value_delimiter = ',')]
    namespace: Vec<String>,
    /// Connections with outside addresses
    #[arg(long, value_enum, value_name = "WHICH", default_value = "yes")]
    external: External,
    /// The workload that serves Ingress and Route objects: namespace/name
    #[arg(long, value_name = "WORKLOAD")]
    ingress_controller: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FocusDirection {
    Ingress,
    Egress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum External {
    /// Shown
    Yes,
    /// Left out
    No,
    /// Nothing else is shown
    Only,
}

impl ListArguments {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { input, modes, view, output, file, exposure, explain, explain_only } = self;
        let compatible = input.dirpath.is_some();
        let manifests = input.read()?;
        let cluster = &manifests.cluster;
        let options = if compatible { netpol_analyzers_modes() } else { modes.options() };
        let view = view.view(compatible);
        if explain {
            if output != Format::Text {
                return Err(Failure::new(Reason::Usage, anyhow!("explanations are txt: leave out --output")));
            }
            let Some(pairs) = explain_pairs(&Reachability::compute(cluster, &options), &view) else {
                let error = anyhow!("too many pairs to explain: choose some with --focus or --namespace");
                return Err(Failure::new(Reason::Usage, error));
            };
            let wanted = (explain_only != Some(Verdict::Deny), explain_only != Some(Verdict::Allow));
            let answer = render::explanations(&pairs, wanted);
            let head = if compatible { String::new() } else { input::head(&options, cluster.incomplete) };
            input::write(&(head + &answer), file.as_deref())?;
            return Ok(ExitCode::SUCCESS);
        }
        let listing = Listing::of(cluster, &options, &view);
        if listing.too_many {
            let error =
                anyhow!("more than {MOST_LINES} connections: choose some with --focus or --namespace");
            return Err(Failure::new(Reason::Usage, error));
        }
        let exposure = exposure.then(|| {
            let reachability = Reachability::compute(cluster, &options);
            Exposure::of(&reachability, |pod| is_focused(pod, &view)).towards(view.focus_direction)
        });
        // Forms without room for a head have it on standard error.
        if matches!(output, Format::Csv | Format::Dot | Format::Svg) || compatible {
            for line in std::iter::once(format!("modes: {options}")).chain(listing.notes.iter().cloned()) {
                tell(&line, input.quiet);
            }
        }
        input::write(&render::listing(&listing, exposure.as_ref(), output, compatible), file.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What netpol-analyzer computes with.
pub(super) fn netpol_analyzers_modes() -> Options {
    Options { ip_block_pods: IpBlockPods::Never, host_network: HostNetwork::AsPods, ..Options::default() }
}

#[expect(clippy::print_stderr, reason = "what goes beside the output")]
fn tell(line: &str, quiet: bool) {
    if !quiet {
        eprintln!("{line}");
    }
}

impl ViewArguments {
    pub(super) fn view(self, compatible: bool) -> View {
        let Self { focus, focus_peer, focus_direction, focus_conn, namespace, external, ingress_controller } =
            self;
        View {
            compatible,
            external: external != External::No,
            internal: external != External::Only,
            focus,
            focus_peers: focus_peer,
            focus_direction: focus_direction.map(|direction| match direction {
                FocusDirection::Ingress => Direction::Ingress,
                FocusDirection::Egress => Direction::Egress,
            }),
            focus_connection: focus_conn,
            namespaces: namespace,
            ingress_controller,
            most_lines: MOST_LINES,
        }
    }
}

fn is_focused(pod: &Pod, view: &View) -> bool {
    let named = |name: &String| {
        *name == *pod.workload.name || *name == format!("{}/{}", pod.namespace, pod.workload.name)
    };
    (view.focus.is_empty() || view.focus.iter().any(named))
        && (view.namespaces.is_empty() || view.namespaces.iter().any(|name| **name == *pod.namespace))
}
