//! What `parapet policy` prints: documents, and what was found about them.

use std::io::{self, Write};

use parapet_policy::{ExcessReason, Needs, Proof, Rollout, Twin};
use parapet_reach::model::Direction;
use serde_json::Value;

use crate::exit::{Failure, OrExit as _, Reason};

/// Tuples of a kind that the report lists before it only counts.
const LISTED: usize = 20;

/// The documents, as YAML on standard output.
pub(super) fn documents(documents: &[Value]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for document in documents {
        let text = serde_saphyr::to_string(document).or_exit(Reason::Failed)?;
        writeln!(out, "---\n{}", text.trim_end()).or_exit(Reason::Failed)?;
    }
    Ok(())
}

/// The proof, and what applying the policies would change, on standard error.
pub(super) fn findings(needs: &Needs, proof: &Proof, rollout: Option<&Rollout>) -> io::Result<()> {
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
            ExcessReason::SameLabels => "the same labels as one that may",
            ExcessReason::Unexplained => "nobody declared it",
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
    list(
        &mut out,
        rollout.outside.iter().map(|lost| match lost.direction {
            Direction::Ingress => format!("closed: {} : {} from outside", lost.workload, lost.ports),
            Direction::Egress => format!("closed: {} to the outside : {}", lost.workload, lost.ports),
        }),
    )?;
    writeln!(out, "apply in this order: {}", rollout.order.join(", "))
}

/// What documents of another kind allow, on standard error.
pub(super) fn twin(twin: &Twin) -> io::Result<()> {
    let mut out = io::stderr().lock();
    let word = if twin.holds() { "checked" } else { "NOT as declared" };
    writeln!(
        out,
        "{word}, read back as they are printed: {} missing; {} pairs computed, {} allow more than declared",
        twin.missing.len(),
        twin.pairs,
        twin.wider.len()
    )?;
    list(&mut out, twin.missing.iter().map(|tuple| format!("missing: {tuple}")))?;
    list(&mut out, twin.wider.iter().map(|wider| format!("allowed: {} ({})", wider.tuple, wider.why.words())))
}

/// `namespace/name` of a document, or its name alone.
pub(super) fn name_of(document: &Value) -> String {
    let text = |key: &str| document["metadata"][key].as_str();
    match (text("namespace"), text("name").unwrap_or_default()) {
        (Some(namespace), name) => format!("{namespace}/{name}"),
        (None, name) => name.to_owned(),
    }
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
