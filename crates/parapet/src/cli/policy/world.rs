//! What a question about flows is asked of: the manifests, and the flows that are declared, shown and seen.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use parapet_policy::flows::{Flow, FlowFile};
use parapet_policy::{Cidr, Needs, PolicyError, Unit, UnitId, Units, addresses, infer, observed};

use super::{FlowArguments, RecordFormat};
use crate::exit::{Failure, OrExit as _, Reason};
use crate::manifests::Manifests;
use crate::yaml;

/// Everything that a question about flows needs.
pub(super) struct World {
    pub(super) manifests: Manifests,
    pub(super) units: Units,
    pub(super) file: FlowFile,
    /// Flows that manifests show or that were seen, whether they count as declared or not.
    pub(super) known: Vec<Flow>,
}

impl FlowArguments {
    pub(super) fn read(&self) -> Result<World, Failure> {
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
            file.pod_cidrs.extend(more.pod_cidrs);
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
        file.pod_cidrs.extend(&self.pod_cidr);
        let units = Units::of(&manifests.cluster);
        let inferred = self.inferred(&manifests, &units)?;
        let mut known = inferred.clone();
        let mut seen = observed::Observed::default();
        for path in &self.observed {
            let more = self.observations(path)?;
            known.extend(more.flows.iter().cloned());
            file.flows.extend(more.flows);
            seen.nodes.extend(more.nodes);
            seen.api_server.extend(more.api_server);
        }
        if self.infer {
            file.flows.extend(inferred);
        }
        add_addresses(&mut file, &manifests, seen)?;
        Ok(World { manifests, units, file, known })
    }

    /// What the manifests show, through whatever serves their Ingresses.
    fn inferred(&self, manifests: &Manifests, units: &Units) -> Result<Vec<Flow>, Failure> {
        let mut controllers: Vec<UnitId> = Vec::new();
        for name in &self.ingress_controller {
            let is_it = |unit: &Unit| format!("{}/{}", unit.namespace, unit.workload.name) == *name;
            let mut found = units.iter().filter(|(_, unit)| is_it(unit)).map(|(id, _)| id).peekable();
            if found.peek().is_none() {
                let error = anyhow!("no workload {name:?} that could serve Ingresses; write NAMESPACE/NAME");
                return Err(Failure::new(Reason::Usage, error));
            }
            controllers.extend(found);
        }
        if controllers.is_empty() {
            controllers = infer::controllers(units);
        }
        if controllers.is_empty() && !manifests.cluster.entry_points.is_empty() {
            let note = "note: what serves the Ingresses, Routes or Gateways isn't in the input: their requests are taken to \
                        come from outside. If pods serve them, name the workload with --ingress-controller";
            writeln!(io::stderr().lock(), "{note}").or_exit(Reason::Failed)?;
        }
        let namespace = &self.manifests.default_namespace;
        Ok(infer::flows_through(&manifests.objects, &manifests.cluster, units, namespace, &controllers))
    }

    fn observations(&self, path: &Path) -> Result<observed::Observed, Failure> {
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
        Ok(seen)
    }
}

impl World {
    pub(super) fn needs(&self) -> Result<Needs, Failure> {
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
    pub(super) fn known(&self) -> Option<Needs> {
        let one = |flow: &Flow| {
            let file = FlowFile { presets: Vec::new(), flows: vec![flow.clone()], ..self.file.clone() };
            Needs::resolve(&file, &self.manifests.cluster, &self.units).is_ok()
        };
        let flows: Vec<Flow> = self.known.iter().filter(|flow| one(flow)).cloned().collect();
        let file = FlowFile { presets: Vec::new(), flows, ..self.file.clone() };
        Needs::resolve(&file, &self.manifests.cluster, &self.units).ok()
    }
}

/// What nobody gives and the input tells: addresses of the nodes, of the Kubernetes API, and those that pods get.
fn add_addresses(
    file: &mut FlowFile,
    manifests: &Manifests,
    seen: observed::Observed,
) -> Result<(), Failure> {
    if file.nodes.is_empty() {
        let addresses = manifests.cluster.nodes.iter().flat_map(|node| &node.addresses);
        file.nodes = addresses.map(|address| Cidr((*address).into())).collect();
    }
    if file.nodes.is_empty() {
        file.nodes.extend(seen.nodes);
    }
    if file.pod_cidrs.is_empty() {
        file.pod_cidrs = addresses::of_pods(&manifests.objects);
    }
    if file.api_server.addresses.is_empty() {
        if let Some(found) = addresses::api_server(&manifests.objects) {
            let told: Vec<String> =
                found.addresses.iter().map(|address| address.0.addr().to_string()).collect();
            writeln!(io::stderr().lock(), "note: the Kubernetes API is at {}", told.join(", "))
                .or_exit(Reason::Failed)?;
            file.api_server = found;
        } else {
            file.api_server.addresses.extend(seen.api_server);
        }
    }
    Ok(())
}
