//! Explanations as text.

use std::fmt::Write as _;

use crate::explain::{Explanation, SideExplanation};
use crate::portset::PortSet;

const INFALLIBLE: &str = "a string takes every text";

/// Between the blocks of two pairs.
const RULER: usize = 160;

/// One verdict and its reasons.
pub fn explanation(explanation: &Explanation) -> String {
    let Explanation {
        source,
        destination,
        protocol,
        port,
        allowed,
        own_address,
        egress,
        ingress,
        mesh,
        notes,
    } = explanation;
    let verdict = if *allowed { "allowed" } else { "denied" };
    let mut out = format!("{source} => {destination} at {} {port}: {verdict}\n", protocol.name());
    if *own_address {
        out += "\ta pod always reaches its own address: no policy sees that traffic\n";
        return out;
    }
    for side in [egress, ingress] {
        out += &side_text(side, *allowed, "\t");
    }
    if let Some(mesh) = mesh {
        let verdict = if mesh.allowed { "allowed" } else { "denied" };
        writeln!(out, "\tMesh ({verdict})").expect(INFALLIBLE);
        for reason in &mesh.reasons {
            writeln!(out, "\t\t{reason}").expect(INFALLIBLE);
        }
    }
    for note in notes {
        writeln!(out, "\tnote: {note}").expect(INFALLIBLE);
    }
    out
}

/// A pair with its ports by reasons, as [`Reachability::explain_all`](crate::Reachability::explain_all) gives them.
#[derive(Clone, Debug)]
pub struct ExplainedPair {
    /// Who connects.
    pub source: String,
    /// To whom.
    pub destination: String,
    /// Ports with the same reasons.
    pub parts: Vec<(PortSet, Explanation)>,
}

/// Blocks of pairs; those that nothing but defaults decide are collected at the end.
pub fn explanations(pairs: &[ExplainedPair], verdicts: (bool, bool)) -> String {
    let (show_allowed, show_denied) = verdicts;
    let mut out = String::new();
    let mut defaults = Vec::new();
    for ExplainedPair { source, destination, parts } in pairs {
        if parts.iter().all(|(_, one)| {
            one.egress.decision.is_default() && one.ingress.decision.is_default() && one.mesh.is_none()
        }) {
            defaults.push(format!("{source} => {destination}"));
            continue;
        }
        let shown = |allowed: bool| parts.iter().filter(move |(_, one)| one.allowed == allowed);
        if !parts.iter().any(|(_, one)| if one.allowed { show_allowed } else { show_denied }) {
            continue;
        }
        writeln!(out, "Connections between {source} => {destination}:").expect(INFALLIBLE);
        for (title, allowed, wanted) in
            [("Allowed connections:", true, show_allowed), ("Denied connections:", false, show_denied)]
        {
            if !wanted || shown(allowed).next().is_none() {
                continue;
            }
            writeln!(out, "\n{title}").expect(INFALLIBLE);
            for (ports, one) in shown(allowed) {
                writeln!(out, "\t{ports}:").expect(INFALLIBLE);
                out += &side_text(&one.egress, one.allowed, "\t\t");
                out += &side_text(&one.ingress, one.allowed, "\t\t");
                for reason in one.mesh.iter().flat_map(|mesh| &mesh.reasons) {
                    writeln!(out, "\t\tMesh: {reason}").expect(INFALLIBLE);
                }
            }
        }
        writeln!(out, "{}", "-".repeat(RULER)).expect(INFALLIBLE);
    }
    if !defaults.is_empty() && show_allowed {
        out += "Allowed because no policy is about them:\n";
        for pair in defaults {
            writeln!(out, "{pair}").expect(INFALLIBLE);
        }
    }
    out
}

/// `allowed` is the connection's verdict: what one side of it would have to change to turn it is told, and nothing else is.
fn side_text(side: &SideExplanation, allowed: bool, indent: &str) -> String {
    let verdict = if side.allowed { "allowed" } else { "denied" };
    let mut out = format!("{indent}{} ({verdict}): {}\n", side.direction.name(), side.decision.words());
    for step in &side.steps {
        let rule = step.rule.map_or_else(String::new, |rule| format!(" rule {rule}"));
        writeln!(out, "{indent}\t{} {}{rule}: {}", step.kind, step.policy, step.effect.words())
            .expect(INFALLIBLE);
    }
    // Of a denied connection, a side that allows it has nothing to change.
    for change in side.changes.iter().filter(|_| side.allowed == allowed) {
        writeln!(out, "{indent}\twhat would change it: {change}").expect(INFALLIBLE);
    }
    out
}
