//! One audit: documents in, findings out.

use parapet_manifest::{Document, Problem, Severity as ProblemSeverity};

use crate::finding::Finding;
use crate::options::Options;
use crate::reach::{Engine, cluster};
use crate::rules;
use crate::suppress;
use crate::world::World;

/// What an audit found, and what it could not look at.
#[derive(Debug)]
pub struct Audit {
    /// What is wrong, in the order of files and places; suppressed ones included.
    pub findings: Vec<Finding>,
    /// What could not be read, or would be refused by the API server.
    pub problems: Vec<Problem>,
    /// Something was not read: more may be wrong than is said.
    pub incomplete: bool,
    /// Objects that were looked at.
    pub objects: usize,
    /// Workloads among them.
    pub workloads: usize,
    /// The declared modes of reachability, as `name=value`.
    pub modes: Vec<String>,
}

/// What is to be said where a cluster's certificates were not read.
fn unread_certificates(documents: &[Document]) -> Option<Problem> {
    let is_live = |document: &&Document| &*document.file == "cluster" && &*document.kind == "Secret";
    let of_tls = |document: &&Document| {
        document.root.get("type").and_then(parapet_manifest::Node::as_str) == Some("kubernetes.io/tls")
    };
    let mut secrets = documents.iter().filter(is_live).filter(of_tls);
    let unread = secrets.find(|document| document.root.get("data").is_none())?;
    let message = "certificates in Secrets were not looked at, so OBS-SEC-10 and OBS-SEC-13 say nothing of them: --read-secrets reads those of type kubernetes.io/tls";
    Some(Problem::new(&unread.file, parapet_manifest::Span::START, ProblemSeverity::Note, message))
}

/// Audits documents; `problems` are those of reading them.
pub fn audit(documents: &[Document], mut problems: Vec<Problem>, options: &Options) -> Audit {
    let world = World::new(documents, options);
    let (cluster, objected) = cluster(documents, &world.workloads, options);
    problems.extend(objected.into_iter().map(|(index, problem)| {
        let document = &documents[index];
        let severity = match problem.severity {
            parapet_reach::Severity::Error => ProblemSeverity::Error,
            parapet_reach::Severity::Warning => ProblemSeverity::Warning,
        };
        let message = format!("{}: {}", problem.object, problem.message);
        Problem::new(&document.file, document.place(&problem.path), severity, message)
    }));
    problems.extend(unread_certificates(documents));
    problems.sort();
    problems.dedup();
    let modes = parapet_reach::Options::default();
    let engine = Engine::new(&cluster, &world.workloads, &modes);
    let world = world.with_reach(&engine);
    let mut findings = rules::run(&world);
    suppress::by_annotations(&mut findings, documents, &world, &mut problems);
    let incomplete = problems.iter().any(|problem| problem.severity == ProblemSeverity::Error);
    Audit {
        findings,
        problems,
        incomplete,
        objects: documents.len(),
        workloads: world.workloads.len(),
        modes: vec![
            format!("ipblock-pods={}", modes.ip_block_pods.name()),
            format!("hostnetwork={}", modes.host_network.name()),
            format!("hairpin={}", modes.hairpin.name()),
            format!("cni={}", options.cni.as_deref().unwrap_or("unknown")),
        ],
    }
}
