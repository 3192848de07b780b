//! One connection explained, and one namespace's policies.

use std::collections::BTreeSet;

use parapet_policy::flows::FlowFile;
use parapet_policy::{End, Needs, Plan, Proof, Units, infer, render as policies};
use parapet_reach::model::{Cluster, Direction};
use parapet_reach::{
    Endpoint, Explanation, INGRESS_CONTROLLER, MeshExplanation, Options, Reachability, SideExplanation,
    find_endpoints, render,
};
use parapet_server::posture::{
    Explained, GeneratedPolicy, MOST_WORKLOADS, PostureError, Protocol, Verdict, VerdictSide,
};

use super::DEFAULT_NAMESPACE;
use crate::manifests::Manifests;

/// The id of all addresses outside the cluster.
pub(super) const OUTSIDE: &str = "outside";
/// Verdicts in one answer: pods of a workload that differ from each other are few.
const MOST_VERDICTS: usize = 20;
/// Lines of what a proof objects to in one answer.
const MOST_UNPROVED: usize = 100;

/// Why `source` may or may not connect to `destination`.
pub(super) fn explain(
    cluster: &Cluster,
    source: &str,
    destination: &str,
    protocol: Protocol,
    port: u16,
) -> Result<Explained, PostureError> {
    let options = Options::default();
    let reachability = Reachability::compute(cluster, &options);
    let protocol = match protocol {
        Protocol::Tcp => parapet_reach::Protocol::Tcp,
        Protocol::Udp => parapet_reach::Protocol::Udp,
        Protocol::Sctp => parapet_reach::Protocol::Sctp,
    };
    let sources = endpoints(&reachability, source, Direction::Ingress)?;
    let destinations = endpoints(&reachability, destination, Direction::Egress)?;
    let mut pairs: Vec<(Endpoint, Endpoint)> =
        sources.iter().flat_map(|from| destinations.iter().map(|to| (*from, *to))).collect();
    // Of the outside's addresses, those that may: one is enough for a connection.
    let outside = |name: &str| name == OUTSIDE;
    if outside(source) || outside(destination) {
        let open = pairs.iter().find(|(from, to)| reachability.allowed(*from, *to, protocol, port));
        pairs = open.or(pairs.first()).copied().into_iter().collect();
    }
    let mut explained: Vec<Explanation> = Vec::new();
    for (from, to) in pairs {
        let one = reachability.explain(from, to, protocol, port);
        if explained.len() < MOST_VERDICTS && !explained.contains(&one) {
            explained.push(one);
        }
    }
    Ok(Explained {
        allowed: explained.iter().all(|one| one.allowed),
        modes: options.to_string(),
        verdicts: explained.iter().map(verdict).collect(),
    })
}

/// One endpoint of each class that the name covers.
fn endpoints(
    reachability: &Reachability<'_>,
    name: &str,
    direction: Direction,
) -> Result<Vec<Endpoint>, PostureError> {
    if name == OUTSIDE {
        let ranges = reachability.external_ranges(direction);
        return Ok(ranges.iter().map(|range| Endpoint::Address(range.first)).collect());
    }
    if name == INGRESS_CONTROLLER {
        return Err(PostureError::Unknown(
            "entry points are served by a controller that is not in the manifests: ask about the controller's pods".into(),
        ));
    }
    let found = find_endpoints(reachability.cluster(), name);
    let mut workloads = BTreeSet::new();
    let mut classes = BTreeSet::new();
    let mut kept = Vec::new();
    for end in found {
        if let Endpoint::Pod(pod) = end {
            workloads.insert(reachability.name_of(end));
            // Two of a class, so that one can be asked about the other.
            let class = reachability.class_of(pod);
            if classes.insert((class, 0)) || classes.insert((class, 1)) {
                kept.push(end);
            }
        } else {
            kept.push(end);
        }
    }
    let shown: String = name.chars().take(100).collect();
    match (kept.is_empty(), workloads.len()) {
        (true, _) => {
            Err(PostureError::Unknown(format!("no workload, pod or address {shown:?} is in the manifests")))
        }
        (false, 0 | 1) => Ok(kept),
        (false, _) => {
            let names: Vec<String> = workloads.into_iter().take(10).collect();
            Err(PostureError::Unknown(format!("{shown:?} may be {}; ask for one of them", names.join(", "))))
        }
    }
}

fn verdict(explanation: &Explanation) -> Verdict {
    let mut sides = Vec::new();
    if !explanation.own_address {
        sides.extend([&explanation.egress, &explanation.ingress].map(side));
        sides.extend(explanation.mesh.as_ref().map(mesh));
    }
    Verdict {
        source: explanation.source.clone(),
        destination: explanation.destination.clone(),
        protocol: explanation.protocol.name().to_owned(),
        port: explanation.port,
        allowed: explanation.allowed,
        sides,
        notes: explanation.notes.clone(),
        text: render::explanation(explanation),
    }
}

fn side(side: &SideExplanation) -> VerdictSide {
    let steps = side.steps.iter().map(|step| {
        let rule = step.rule.map_or_else(String::new, |rule| format!(" rule {rule}"));
        format!("{} {}{rule}: {}", step.kind, step.policy, step.effect.words())
    });
    VerdictSide {
        side: side.direction.name().to_owned(),
        allowed: side.allowed,
        decision: side.decision.words().to_owned(),
        steps: steps.collect(),
        changes: side.changes.clone(),
    }
}

fn mesh(mesh: &MeshExplanation) -> VerdictSide {
    VerdictSide {
        side: "Mesh".into(),
        allowed: mesh.allowed,
        decision: "the proxies decide".into(),
        steps: mesh.reasons.clone(),
        changes: Vec::new(),
    }
}

/// The least policies of `namespace` for the flows that the manifests show.
pub(super) fn policy(
    manifests: &Manifests,
    units: &Units,
    namespace: &str,
) -> Result<GeneratedPolicy, PostureError> {
    let cluster = &manifests.cluster;
    if !units.iter().any(|(_, unit)| &*unit.namespace == namespace) {
        let shown: String = namespace.chars().take(100).collect();
        return Err(PostureError::Unknown(format!(
            "no workload of a namespace {shown:?} is in the manifests"
        )));
    }
    if units.iter().count() > MOST_WORKLOADS {
        return Err(PostureError::TooLarge(format!(
            "more than {MOST_WORKLOADS} workloads; `parapet policy generate --infer -n {namespace} -f PATH` takes its time"
        )));
    }
    // Flows of other namespaces are theirs to allow, and what a guess names may not be there: the rest still counts.
    let mut file = FlowFile { namespaces: vec![namespace.to_owned()], ..FlowFile::default() };
    let mut notes = Vec::new();
    let is_here = |end: &End| matches!(end, End::Unit(unit) if &*units.get(*unit).namespace == namespace);
    for flow in infer::flows(&manifests.objects, cluster, units, DEFAULT_NAMESPACE) {
        let alone = FlowFile { flows: vec![flow.clone()], ..FlowFile::default() };
        match Needs::resolve(&alone, cluster, units) {
            Ok(needs) if needs.all.iter().any(|need| is_here(&need.from) || is_here(&need.to)) => {
                file.flows.push(flow);
            }
            Ok(_) => {}
            Err(error) => notes.push(format!("left out, {} to {}: {error}", flow.from, flow.to)),
        }
    }
    let needs =
        Needs::resolve(&file, cluster, units).map_err(|error| PostureError::Failed(error.to_string()))?;
    let plan = Plan::generate(cluster, units, &needs);
    let proof = Proof::of(cluster, units, &needs, &plan.policies);
    let mut yaml = String::new();
    for document in policies::network_policies(&plan, &needs.flows) {
        let text =
            serde_saphyr::to_string(&document).map_err(|error| PostureError::Failed(error.to_string()))?;
        yaml += "---\n";
        yaml += text.trim_end();
        yaml += "\n";
    }
    notes.extend(needs.notes.iter().map(ToString::to_string));
    let missing = proof.missing.iter().map(|tuple| format!("missing: {tuple}"));
    let excess = proof.excess.iter().map(|excess| {
        let why = match excess.reason {
            parapet_policy::ExcessReason::SameLabels => "the same labels as one that may",
            parapet_policy::ExcessReason::Unexplained => "nobody declared it",
        };
        format!("allowed: {} ({why})", excess.tuple)
    });
    let removable = proof.removable.iter().map(|part| format!("to spare: {part}"));
    Ok(GeneratedPolicy {
        namespace: namespace.to_owned(),
        yaml,
        proved: proof.holds(),
        declared: needs.all.len() as u64,
        pairs: proof.pairs,
        unproved: missing.chain(excess).chain(removable).take(MOST_UNPROVED).collect(),
        notes,
    })
}
