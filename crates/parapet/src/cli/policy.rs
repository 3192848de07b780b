//! `parapet policy`: the least policies for what is declared, referenced or seen, and the proof that they are.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use parapet_policy::flows::{Flow, FlowFile, PresetUse};
use parapet_policy::{
    Cidr, Needs, Plan, PolicyError, Proof, Rollout, Units, infer, observed, presets, render,
};
use serde_json::{Value, json};

use crate::exit::{Failure, OrExit as _, Reason};
use crate::manifests::{ManifestArguments, Manifests};
use crate::yaml;

/// Tuples of a kind that the report lists before it only counts.
const LISTED: usize = 20;

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
    /// An address of the Kubernetes API, as `apiServer.addresses` in a file of flows; repeatable
    #[arg(long, value_name = "ADDRESS", value_parser = cidr, help_heading = "Flows")]
    api_server: Vec<Cidr>,
    /// The nodes' addresses, as `nodes` in a file of flows; repeatable. Default: those of the nodes that are read
    #[arg(long, value_name = "CIDR", value_parser = cidr, help_heading = "Flows")]
    node: Vec<Cidr>,
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

/// Everything that a question about flows needs.
struct World {
    manifests: Manifests,
    units: Units,
    file: FlowFile,
    /// Flows that manifests show or that were seen, whether they count as declared or not.
    known: Vec<Flow>,
}

impl FlowArguments {
    fn read(&self) -> Result<World, Failure> {
        let manifests = self.manifests.read()?;
        manifests.report()?;
        let mut file = FlowFile::default();
        for path in &self.flows {
            let more: FlowFile = yaml::read(path, "flows").or_exit(Reason::Usage)?;
            let nothing = FlowFile::default();
            file.flows.extend(more.flows);
            file.presets.extend(more.presets);
            file.namespaces.extend(more.namespaces);
            file.nodes.extend(more.nodes);
            if more.dns != nothing.dns {
                file.dns = more.dns;
            }
            if more.api_server != nothing.api_server {
                file.api_server = more.api_server;
            }
        }
        file.presets.extend(self.preset.iter().cloned());
        file.namespaces.extend(self.namespace.iter().cloned());
        file.api_server.addresses.extend(&self.api_server);
        file.nodes.extend(&self.node);
        if file.nodes.is_empty() {
            let addresses = manifests.cluster.nodes.iter().flat_map(|node| &node.addresses);
            file.nodes = addresses.map(|address| Cidr((*address).into())).collect();
        }
        let units = Units::of(&manifests.cluster);
        let inferred =
            infer::flows(&manifests.objects, &manifests.cluster, &units, &self.manifests.default_namespace);
        let mut known = inferred.clone();
        for path in &self.observed {
            let seen = self.observations(path)?;
            known.extend(seen.iter().cloned());
            file.flows.extend(seen);
        }
        if self.infer {
            file.flows.extend(inferred);
        }
        Ok(World { manifests, units, file, known })
    }

    fn observations(&self, path: &Path) -> Result<Vec<Flow>, Failure> {
        let record = File::open(path)
            .with_context(|| format!("can't read the record {}", path.display()))
            .or_exit(Reason::Usage)?;
        let format = match self.observed_format {
            RecordFormat::Parapet => observed::Format::Parapet,
            RecordFormat::Hubble => observed::Format::Hubble,
            RecordFormat::Calico => observed::Format::Calico,
        };
        let mut failed = None;
        let lines = BufReader::new(record).split(b'\n').map_while(|line| match line {
            Ok(line) => Some(String::from_utf8_lossy(&line).into_owned()),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        let seen = observed::read(lines, format);
        if let Some(error) = failed {
            let error = anyhow!(error).context(format!("can't read the record {}", path.display()));
            return Err(Failure::new(Reason::Usage, error));
        }
        let mut stderr = io::stderr().lock();
        for (line, why) in &seen.unreadable {
            writeln!(stderr, "{}:{line}:1: warning: {why}", path.display()).or_exit(Reason::Failed)?;
        }
        Ok(seen.flows)
    }

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
        report(&needs, &proof, None).or_exit(Reason::Failed)?;
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
        let text = serde_saphyr::to_string(&json!({ "flows": flows })).or_exit(Reason::Failed)?;
        let head = "# What manifests show and records hold: a guess to confirm, not a decision.\n";
        io::stdout().lock().write_all(format!("{head}{text}").as_bytes()).or_exit(Reason::Failed)
    }
}

impl World {
    fn needs(&self) -> Result<Needs, Failure> {
        let needs = Needs::resolve(&self.file, &self.manifests.cluster, &self.units);
        let needs = needs.map_err(|error| match &error {
            PolicyError::AddressesMissing { key, .. } => {
                let flag = if *key == "nodes" { "--node" } else { "--api-server" };
                anyhow!("{error}, or with {flag}")
            }
            _ => error.into(),
        });
        let needs = needs.or_exit(Reason::Usage)?;
        if needs.scope.is_empty() {
            let error = anyhow!(
                "no flow was declared; give --flows, --preset or --infer, or name what to lock down with --namespace \
                 (`parapet policy flows PATH` prints what manifests show)"
            );
            return Err(Failure::new(Reason::Usage, error));
        }
        Ok(needs)
    }

    /// Flows that are known, as needs, for the list of what is cut; those that can't be understood are left out.
    fn known(&self) -> Option<Needs> {
        let one = |flow: &Flow| {
            let file = FlowFile { presets: Vec::new(), flows: vec![flow.clone()], ..self.file.clone() };
            Needs::resolve(&file, &self.manifests.cluster, &self.units).is_ok()
        };
        let flows: Vec<Flow> = self.known.iter().filter(|flow| one(flow)).cloned().collect();
        let file = FlowFile { presets: Vec::new(), flows, ..self.file.clone() };
        Needs::resolve(&file, &self.manifests.cluster, &self.units).ok()
    }
}

impl GenerateArguments {
    fn run(self) -> Result<(), Failure> {
        let world = self.of.read()?;
        let needs = world.needs()?;
        let cluster = &world.manifests.cluster;
        let plan = Plan::generate(cluster, &world.units, &needs);
        let proof = Proof::of(cluster, &world.units, &needs, &plan.policies);
        let rollout = Rollout::of(cluster, &world.units, &needs, &plan.policies, world.known().as_ref());
        let mut limits = Vec::new();
        let documents = match self.output {
            Output::NetworkPolicy => render::network_policies(&plan, &needs.flows),
            Output::ClusterNetworkPolicy => {
                limits.push("clients outside of the cluster are left to NetworkPolicies".to_owned());
                render::cluster_network_policies(&plan, &needs.flows).or_exit(Reason::Failed)?
            }
            Output::Istio => {
                let (documents, more) = render::authorization_policies(cluster, &world.units, &needs, &plan);
                limits = more;
                documents
            }
        };
        if self.json {
            let notes: Vec<String> = needs.notes.iter().map(ToString::to_string).collect();
            let all = json!({
                "documents": documents, "proved": proof.holds(), "proof": proof, "rollout": rollout,
                "notes": notes, "limits": limits,
            });
            let text = serde_json::to_string_pretty(&all).or_exit(Reason::Failed)?;
            writeln!(io::stdout().lock(), "{text}").or_exit(Reason::Failed)?;
        } else {
            print(&documents)?;
            report(&needs, &proof, Some(&rollout)).or_exit(Reason::Failed)?;
            let mut stderr = io::stderr().lock();
            for limit in limits {
                writeln!(stderr, "limit: {limit}").or_exit(Reason::Failed)?;
            }
        }
        if proof.holds() {
            return Ok(());
        }
        Err(anyhow!("the policies could not be proved; please report this with the manifests and flows")
            .into())
    }
}

fn print(documents: &[Value]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for document in documents {
        let text = serde_saphyr::to_string(document).or_exit(Reason::Failed)?;
        writeln!(out, "---\n{}", text.trim_end()).or_exit(Reason::Failed)?;
    }
    Ok(())
}

fn report(needs: &Needs, proof: &Proof, rollout: Option<&Rollout>) -> io::Result<()> {
    let mut out = io::stderr().lock();
    for note in &needs.notes {
        writeln!(out, "note: {note}")?;
    }
    let scope: Vec<&str> = needs.scope.iter().map(String::as_str).collect();
    let word = if proof.holds() { "proved" } else { "NOT proved" };
    writeln!(
        out,
        "{word} for {}: {} connections declared, {} missing; {} pairs computed, {} allow more than declared; {} parts to spare",
        scope.join(", "),
        needs.all.len(),
        proof.missing.len(),
        proof.pairs,
        proof.excess.len(),
        proof.removable.len()
    )?;
    let missing = proof.missing.iter().map(|tuple| format!("missing: {tuple}"));
    let excess = proof.excess.iter().map(|excess| {
        let why = match excess.reason {
            parapet_policy::ExcessReason::SameLabels => "the same labels as one that may",
            parapet_policy::ExcessReason::Unexplained => "nobody declared it",
        };
        format!("allowed: {} ({why})", excess.tuple)
    });
    let removable = proof.removable.iter().map(|part| format!("to spare: {part}"));
    list(&mut out, missing)?;
    list(&mut out, excess)?;
    list(&mut out, removable)?;
    let Some(rollout) = rollout else { return Ok(()) };
    list(
        &mut out,
        rollout.known.iter().map(|cut| format!("WOULD BE CUT: {} ({})", cut.tuple, cut.known_by)),
    )?;
    list(
        &mut out,
        rollout.by_server.iter().map(|(server, ports, clients)| {
            format!("closed: {server} : {ports} to {clients} workloads that may use it today")
        }),
    )?;
    writeln!(out, "apply in this order: {}", rollout.order.join(", "))
}

/// The first few lines, and how many more there are.
fn list(out: &mut impl Write, lines: impl ExactSizeIterator<Item = String>) -> io::Result<()> {
    let more = lines.len().saturating_sub(LISTED);
    for line in lines.take(LISTED) {
        writeln!(out, "{line}")?;
    }
    if more > 0 {
        writeln!(out, "… and {more} more; --json lists them all")?;
    }
    Ok(())
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
