//! `parapet policy`: the least policies for what is declared, referenced or seen, and the proof that they are.

mod report;
mod world;

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use parapet_policy::flows::{Party, PresetUse};
use parapet_policy::{Cidr, Plan, Proof, Rollout, Twin, presets, render};
use serde_json::json;

use crate::exit::{Failure, OrExit as _, Reason};
use crate::manifests::ManifestArguments;

/// What `--help` says at its end.
pub(crate) const EXAMPLES: &str = "\
Examples:
  parapet policy flows manifests/ > flows.yaml           what the manifests show: a guess to edit
  parapet policy generate manifests/ --flows flows.yaml > policies.yaml
  parapet policy generate manifests/ --preset elasticsearch=logging/main --infer
  parapet policy prove manifests/ policies.yaml --flows flows.yaml
  parapet policy generate --context prod --flows flows.yaml

A flow says who opens connections to whom, at which ports of the pods:
  flows:
  - from: {workload: {namespace: shop, name: web}}
    to: {pods: {namespace: shop, labels: {app: orders}}}
    ports: [8080]
  - {from: world, to: {workload: {namespace: shop, name: web}}, ports: [https]}

Exit codes: 0 written, or proved; 1 not proved; 2 the command line, a flow or a manifest is wrong.";

#[derive(Debug, Args)]
pub(crate) struct PolicyArguments {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Write the least policies that allow the flows, and prove them.
    ///
    /// For each namespace one policy that denies everything, and one for each workload with what its flows need.
    /// The policies go to standard output in the order in which they are to be applied, the report to standard error:
    /// what was proved, what labels can't tell apart, and what the policies would cut in the cluster as it is.
    #[command(after_help = EXAMPLES)]
    Generate(GenerateArguments),
    /// Prove that the manifests' own NetworkPolicies allow the flows, nothing else, and have no rule to spare.
    ///
    /// Exit code 0: proved; 1: not.
    #[command(after_help = EXAMPLES)]
    Prove(FlowArguments),
    /// Print the flows that manifests show and records hold, as a flows.yaml to edit.
    #[command(after_help = EXAMPLES)]
    Flows(FlowArguments),
    /// List the presets: flows of well-known components.
    Presets,
}

#[derive(Debug, Args)]
struct FlowArguments {
    #[command(flatten)]
    manifests: ManifestArguments,
    /// Declared flows: a YAML file with the key `flows`; repeatable
    #[arg(long, value_name = "FILE", help_heading = "Flows")]
    flows: Vec<PathBuf>,
    /// Flows of a well-known component, NAME=NAMESPACE; `parapet policy presets` lists them; repeatable
    ///
    /// NAME=NAMESPACE/CLUSTER where the component belongs to a cluster or a release; @NAMESPACE at the end is where those who
    /// use it are: apm-server=logging/main@shop.
    #[arg(long, value_name = "NAME=NAMESPACE", value_parser = preset, help_heading = "Flows")]
    preset: Vec<PresetUse>,
    /// Add what manifests show: Services named in environments, arguments and ConfigMaps; Ingresses; LoadBalancers
    #[arg(long, help_heading = "Flows")]
    infer: bool,
    /// Add what was seen: a record of connections, one JSON object a line; repeatable
    #[arg(long, value_name = "FILE", help_heading = "Flows")]
    observed: Vec<PathBuf>,
    /// Who wrote the record
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "parapet", help_heading = "Flows")]
    observed_format: RecordFormat,
    /// The workload that serves Ingresses, Routes and Gateways, NAMESPACE/NAME; repeatable. Default: those whose labels say so
    #[arg(long, value_name = "WORKLOAD", help_heading = "Flows")]
    ingress_controller: Vec<String>,
    /// An address of the Kubernetes API, as `apiServer.addresses` in a file of flows; repeatable
    ///
    /// Default: where the Service `kubernetes` leads, if its EndpointSlice or Endpoints are read, as they are of a cluster.
    #[arg(long, value_name = "ADDRESS", value_parser = cidr, help_heading = "Flows")]
    api_server: Vec<Cidr>,
    /// The nodes' addresses, as `nodes` in a file of flows; repeatable. Default: those of the nodes that are read
    #[arg(long, value_name = "CIDR", value_parser = cidr, help_heading = "Flows")]
    node: Vec<Cidr>,
    /// Addresses that pods get, as `podCidrs` in a file of flows: no part of the world; repeatable. Default: what the nodes that
    /// are read give to their pods
    #[arg(long, value_name = "CIDR", value_parser = cidr, help_heading = "Flows")]
    pod_cidr: Vec<Cidr>,
    /// Lock down this namespace, too, whether flows touch it or not; repeatable. Default: those that flows touch
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Flows")]
    namespace: Vec<String>,
}

#[derive(Debug, Args)]
struct GenerateArguments {
    #[command(flatten)]
    of: FlowArguments,
    /// The kind of policies
    #[arg(
        short,
        long,
        value_name = "KIND",
        value_enum,
        default_value = "network-policy",
        help_heading = "Output"
    )]
    output: Output,
    /// Print JSON: the documents and the report in one object
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// networking.k8s.io/v1
    NetworkPolicy,
    /// policy.networking.k8s.io/v1alpha2: an administrator's, which namespaces' owners can't loosen
    ClusterNetworkPolicy,
    /// security.istio.io/v1 AuthorizationPolicy: by the clients' identities
    Istio,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RecordFormat {
    /// {"from": …, "to": …, "port": 9200, "protocol": "TCP"}, parties as in flows.yaml
    Parapet,
    /// `hubble observe -o json`
    Hubble,
    /// Calico's flow logs, or the flows of its console Whisker, one a line
    Calico,
}

impl PolicyArguments {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.command {
            PolicyCommand::Generate(arguments) => arguments.run(),
            PolicyCommand::Prove(arguments) => arguments.prove(),
            PolicyCommand::Flows(arguments) => arguments.print(),
            PolicyCommand::Presets => {
                let mut out = io::stdout().lock();
                for (name, what) in presets::NAMES {
                    writeln!(out, "{name:<22} {what}").or_exit(Reason::Failed)?;
                }
                Ok(())
            }
        }
    }
}

impl FlowArguments {
    fn prove(self) -> Result<(), Failure> {
        let world = self.read()?;
        let needs = world.needs()?;
        let cluster = &world.manifests.cluster;
        let own: Vec<_> = cluster
            .network_policies
            .iter()
            .filter(|policy| needs.scope.contains(&*policy.namespace))
            .cloned()
            .collect();
        let proof = Proof::of(cluster, &world.units, &needs, &own);
        report::findings(&needs, &proof, None).or_exit(Reason::Failed)?;
        if proof.holds() {
            return Ok(());
        }
        Err(anyhow!("not proved; `parapet policy generate` writes policies that are").into())
    }

    fn print(self) -> Result<(), Failure> {
        let mut world = self.read()?;
        let mut flows = std::mem::take(&mut world.file.flows);
        flows.extend(world.known);
        flows.sort();
        flows.dedup();
        let names = |party: &Party| flows.iter().any(|flow| [&flow.from, &flow.to].contains(&party));
        let mut told = json!({ "flows": flows });
        if names(&Party::Nodes) && !world.file.nodes.is_empty() {
            told["nodes"] = json!(world.file.nodes);
        }
        if names(&Party::ApiServer) && !world.file.api_server.addresses.is_empty() {
            told["apiServer"] = json!(world.file.api_server);
        }
        let text = serde_saphyr::to_string(&told).or_exit(Reason::Failed)?;
        let head = "# What manifests show and records hold: a guess to confirm, not a decision.\n";
        io::stdout().lock().write_all(format!("{head}{text}").as_bytes()).or_exit(Reason::Failed)
    }
}

impl GenerateArguments {
    fn run(self) -> Result<(), Failure> {
        let world = self.of.read()?;
        let needs = world.needs()?;
        let cluster = &world.manifests.cluster;
        let plan = Plan::generate(cluster, &world.units, &needs);
        let proof = Proof::of(cluster, &world.units, &needs, &plan.policies);
        let mut rollout = Rollout::of(cluster, &world.units, &needs, &plan.policies, world.known().as_ref());
        let (mut limits, mut twin) = (Vec::new(), None);
        let documents = match self.output {
            Output::NetworkPolicy => render::network_policies(&plan, &needs.flows),
            Output::ClusterNetworkPolicy => {
                limits.push("clients outside of the cluster are left to NetworkPolicies".to_owned());
                let documents =
                    render::cluster_network_policies(&plan, &needs.flows).or_exit(Reason::Failed)?;
                twin = Some(Twin::of_cluster_network_policies(cluster, &world.units, &needs, &documents));
                documents
            }
            Output::Istio => {
                let (documents, more) = render::authorization_policies(cluster, &world.units, &needs, &plan);
                limits = more;
                twin = Some(Twin::of_authorization_policies(cluster, &world.units, &needs, &documents));
                documents
            }
        };
        rollout.order = documents.iter().map(report::name_of).collect();
        if self.json {
            let notes: Vec<String> = needs.notes.iter().map(ToString::to_string).collect();
            let all = json!({
                "documents": documents, "proved": proof.holds(), "proof": proof, "rollout": rollout,
                "notes": notes, "limits": limits, "twin": twin,
            });
            let text = serde_json::to_string_pretty(&all).or_exit(Reason::Failed)?;
            writeln!(io::stdout().lock(), "{text}").or_exit(Reason::Failed)?;
        } else {
            report::documents(&documents)?;
            report::findings(&needs, &proof, Some(&rollout)).or_exit(Reason::Failed)?;
            if let Some(twin) = &twin {
                report::twin(twin).or_exit(Reason::Failed)?;
            }
            let mut stderr = io::stderr().lock();
            for limit in limits {
                writeln!(stderr, "limit: {limit}").or_exit(Reason::Failed)?;
            }
        }
        if proof.holds() && twin.is_none_or(|twin| twin.holds()) {
            return Ok(());
        }
        Err(anyhow!("the policies could not be proved; please report this with the manifests and flows")
            .into())
    }
}

/// `NAME=NAMESPACE` or `NAME=NAMESPACE/CLUSTER`.
fn cidr(text: &str) -> Result<Cidr, String> {
    Cidr::try_from(text.to_owned())
}

/// `NAME=NAMESPACE/CLUSTER@USERS`; the last two may be left out.
fn preset(text: &str) -> Result<PresetUse, String> {
    let (name, rest) =
        text.split_once('=').ok_or("write NAME=NAMESPACE, for example elasticsearch=logging")?;
    let (rest, users) = match rest.split_once('@') {
        Some((rest, users)) => (rest, Some(users.to_owned())),
        None => (rest, None),
    };
    let (namespace, cluster) = match rest.split_once('/') {
        Some((namespace, cluster)) => (namespace, Some(cluster.to_owned())),
        None => (rest, None),
    };
    Ok(PresetUse { name: name.to_owned(), namespace: namespace.to_owned(), cluster, users })
}
