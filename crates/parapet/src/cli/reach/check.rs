//! `parapet reach check`, `explain`, `evaluate` and `queries`.

use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use parapet_reach::{Endpoint, Protocol, Reachability, find_endpoints, odd_policies, render};
use serde_json::json;

use super::input::{self, InputArguments};
use super::list::netpol_analyzers_modes;
use crate::exit::{Failure, Reason};
use crate::manifests::{Manifests, ModeArguments};

const CHECK_EXAMPLES: &str = "\
Examples:
  parapet reach check web/frontend db/postgres 5432 manifests/     may the frontend connect to the database?
  parapet reach explain 203.0.113.9 logging/es 9200 manifests/ -R  why may the outside, or may not?
  parapet reach check shop/web kube-system/coredns udp/53 --context prod

A workload of several pods is allowed only if each of them is. The port is the pods' own, not a Service's.
Exit codes of check: 0 allowed; 1 denied; 2 nothing can be said. explain ends with 0 when it has an answer.";

#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(super) struct CheckArguments {
    /// Who connects: namespace/name of a workload or pod, or an address
    source: String,
    /// To whom: namespace/name of a workload or pod, or an address
    destination: String,
    /// At which port of the destination's pods: 9300, udp/53, tcp-80
    #[arg(value_parser = input::port)]
    port: (Protocol, u16),
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    modes: ModeArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CheckArguments {
    pub(super) fn check(self) -> Result<ExitCode, Failure> {
        let manifests = self.input.read()?;
        let (sources, destinations) = self.ends(&manifests)?;
        let options = self.modes.options();
        let reachability = Reachability::compute(&manifests.cluster, &options);
        let (protocol, port) = self.port;
        // A workload may only if each of its pods may: a verdict that some of them contradict would mislead.
        let mut verdicts = sources.iter().flat_map(|source| destinations.iter().map(|to| (*source, *to)));
        let denied = verdicts.find(|(from, to)| !allowed(&reachability, *from, *to, (protocol, port)));
        let through = match denied {
            Some((from, to)) if from == to => " (itself through its Service)",
            _ => "",
        };
        let word = if denied.is_none() { "allowed" } else { "denied" };
        let (source, destination) = (reachability.name_of(sources[0]), reachability.name_of(destinations[0]));
        let incomplete = manifests.cluster.incomplete;
        let answer = if self.json {
            let value = json!({
                "schema": "parapet.reach.check/v1", "modes": options, "incomplete": incomplete, "source": source,
                "destination": destination, "protocol": protocol, "port": port, "allowed": denied.is_none(),
            });
            format!("{value}\n")
        } else {
            let head = input::head(&options, incomplete);
            format!("{head}{source} => {destination} at {} {port}: {word}{through}\n", protocol.name())
        };
        input::write(&answer, None)?;
        Ok(if denied.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    pub(super) fn explain(self) -> Result<ExitCode, Failure> {
        let manifests = self.input.read()?;
        let (sources, destinations) = self.ends(&manifests)?;
        let options = self.modes.options();
        let reachability = Reachability::compute(&manifests.cluster, &options);
        let (protocol, port) = self.port;
        let mut explained = Vec::new();
        for source in &sources {
            for destination in &destinations {
                let one = reachability.explain(*source, *destination, protocol, port);
                if !explained.contains(&one) {
                    explained.push(one);
                }
            }
        }
        let answer = if self.json {
            let schema = "parapet.reach.explain/v1";
            let incomplete = manifests.cluster.incomplete;
            let value = json!({"schema": schema, "modes": options, "incomplete": incomplete, "explanations": explained});
            format!("{value}\n")
        } else {
            let texts: Vec<String> = explained.iter().map(render::explanation).collect();
            input::head(&options, manifests.cluster.incomplete) + &texts.join("\n")
        };
        input::write(&answer, None)?;
        Ok(ExitCode::SUCCESS)
    }

    fn ends(&self, manifests: &Manifests) -> Result<(Vec<Endpoint>, Vec<Endpoint>), Failure> {
        Ok((endpoints(manifests, &self.source)?, endpoints(manifests, &self.destination)?))
    }
}

/// A pod and itself: where a Service forwards to the port, through that Service, which is how one asks for oneself by name;
/// at its own address, which no policy can close, where none does.
fn allowed(
    reachability: &Reachability<'_>,
    from: Endpoint,
    to: Endpoint,
    (protocol, port): (Protocol, u16),
) -> bool {
    let by_address = reachability.allowed(from, to, protocol, port);
    match (from, to) {
        (Endpoint::Pod(pod), Endpoint::Pod(other)) if pod == other => {
            let served = reachability.ports_behind_services(pod).contains(protocol, port);
            by_address && (!served || reachability.through_service(pod).contains(protocol, port))
        }
        _ => by_address,
    }
}

fn endpoints(manifests: &Manifests, name: &str) -> Result<Vec<Endpoint>, Failure> {
    let found = find_endpoints(&manifests.cluster, name);
    let pods = found.iter().filter_map(|end| match end {
        Endpoint::Pod(pod) => Some(&manifests.cluster.pods[pod.0]),
        Endpoint::Address(_) => None,
    });
    let mut workloads: Vec<String> = pods.map(|pod| pod.workload_string()).collect();
    workloads.sort();
    workloads.dedup();
    if found.is_empty() {
        let error = anyhow!("no workload, pod or address {name:?}; `parapet reach list` shows the names");
        return Err(Failure::new(Reason::Usage, error));
    }
    if workloads.len() > 1 {
        let error = anyhow!("{name:?} may be {}; write one of them", workloads.join(", "));
        return Err(Failure::new(Reason::Usage, error));
    }
    Ok(found)
}

#[derive(Debug, Args)]
pub(super) struct EvaluateArguments {
    /// The source pod's name
    #[arg(short, long, value_name = "POD", required_unless_present = "source_ip")]
    source_pod: Option<String>,
    /// The source pod's namespace
    #[arg(short = 'n', long, value_name = "NAMESPACE", default_value = "default")]
    source_namespace: String,
    /// The destination pod's name
    #[arg(short, long, value_name = "POD", required_unless_present = "destination_ip")]
    destination_pod: Option<String>,
    /// The destination pod's namespace
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    destination_namespace: String,
    /// The source's address, if it is outside
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
    /// The destination's address, if it is outside
    #[arg(long, value_name = "ADDRESS")]
    destination_ip: Option<IpAddr>,
    /// The destination's port
    #[arg(short = 'p', long, value_name = "PORT")]
    destination_port: u16,
    /// The protocol
    #[arg(long, value_name = "PROTOCOL", default_value = "tcp")]
    protocol: String,
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    modes: ModeArguments,
}

impl EvaluateArguments {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Some(protocol) = Protocol::from_name(&self.protocol.to_uppercase()) else {
            return Err(Failure::new(Reason::Usage, anyhow!("there are tcp, udp and sctp")));
        };
        let manifests = self.input.read()?;
        let end = |pod: &Option<String>, namespace: &str, address: Option<IpAddr>| match (pod, address) {
            (_, Some(address)) => address.to_string(),
            (pod, None) => format!("{namespace}/{}", pod.as_deref().unwrap_or_default()),
        };
        let source = end(&self.source_pod, &self.source_namespace, self.source_ip);
        let destination = end(&self.destination_pod, &self.destination_namespace, self.destination_ip);
        let (from, to) = (endpoints(&manifests, &source)?, endpoints(&manifests, &destination)?);
        let options =
            if self.input.dirpath.is_some() { netpol_analyzers_modes() } else { self.modes.options() };
        let reachability = Reachability::compute(&manifests.cluster, &options);
        let port = self.destination_port;
        let allowed =
            from.iter().all(|from| to.iter().all(|to| reachability.allowed(*from, *to, protocol, port)));
        let protocol = self.protocol.to_lowercase();
        input::write(&format!("{source} => {destination} over {protocol}/{port}: {allowed}\n"), None)?;
        Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

const QUERY_EXAMPLES: &str = "\
What is found:
  selects-nothing    the policy is about no pod that was read
  never-matches      a rule whose peers are nobody today
  dead-rules         rules of a direction that policyTypes doesn't name
  redundant          the whole policy; redundant-rule: one rule. Without it every verdict of today is the same
  shadowed           an administrators' rule before which another always decides
  contradicting      administrators' policies of one priority that say opposite things
  ineffective        it is about pods in their node's network, which policies don't see

Exit codes: 0 whatever is found; 2 nothing can be said.";

#[derive(Debug, Args)]
#[command(after_help = QUERY_EXAMPLES)]
pub(super) struct QueryArguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    modes: ModeArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl QueryArguments {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let manifests = self.input.read()?;
        let options = self.modes.options();
        let findings = odd_policies(&manifests.cluster, &options);
        let answer = if self.json {
            let schema = "parapet.reach.queries/v1";
            let incomplete = manifests.cluster.incomplete;
            format!(
                "{}\n",
                json!({"schema": schema, "modes": options, "incomplete": incomplete, "findings": findings})
            )
        } else {
            let mut answer = input::head(&options, manifests.cluster.incomplete);
            if findings.is_empty() {
                answer += "# no policy is odd\n";
            }
            for one in &findings {
                let direction = one.direction.map_or("", |direction| direction.name());
                let rule = one.rule.map_or_else(String::new, |rule| format!(" {direction} rule {rule}"));
                let direction = if one.rule.is_none() && !direction.is_empty() {
                    format!(" {direction}")
                } else {
                    String::new()
                };
                let name = one.oddity.name();
                answer += &format!("{} {}{direction}{rule}: {name}: {}\n", one.kind, one.policy, one.message);
            }
            answer
        };
        input::write(&answer, None)?;
        Ok(ExitCode::SUCCESS)
    }
}
