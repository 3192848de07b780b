//! Lines, JSON, CSV and Markdown of differences.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use super::INCOMPLETE;
use super::table::{INFALLIBLE, csv_row, markdown_row, pretty};
use crate::diff::{Changed, Diff, Party};
use crate::engine::{AddressRange, PodId, Reachability};
use crate::entry;
use crate::listing::{INGRESS_CONTROLLER, View};
use crate::model::Cluster;
use crate::options::Options;
use crate::portset::PortSet;

/// Version of the native JSON; a change that readers notice gets another.
const SCHEMA: &str = "parapet.reach.diff/v1";

/// How a connection changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DiffType {
    /// It was there and is there, with other ports.
    Changed,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

impl DiffType {
    /// From what was and is allowed; none if nothing ever was.
    fn of(before: &PortSet, after: &PortSet) -> Option<Self> {
        match (before.is_empty(), after.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Self::Added),
            (false, true) => Some(Self::Removed),
            (false, false) => Some(Self::Changed),
        }
    }

    /// `changed`, `added` or `removed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// One changed connection between workloads or ranges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DiffLine {
    /// Comes from an entry point; those are listed last.
    pub from_entry_point: bool,
    /// How it changed.
    pub diff_type: DiffType,
    /// Who connects.
    pub source: String,
    /// To whom.
    pub destination: String,
    /// What was allowed.
    pub before: PortSet,
    /// What is allowed.
    pub after: PortSet,
    /// `workload X added` or `removed`, joined by ` and `; empty if both ends are in both.
    pub workloads: String,
}

/// The lines of a difference, as netpol-analyzer orders them: changed, added, removed, and those of entry points (Ingress,
/// Route, the Gateway API's) after all others. Neighbouring ranges with the same change are one.
pub fn diff_lines(before: &Reachability<'_>, after: &Reachability<'_>, compatible: bool) -> Vec<DiffLine> {
    let diff = Diff::new(before, after);
    let mut lines = Vec::new();
    let mut known: HashMap<*const Party, Vec<Named>> = HashMap::new();
    for change in diff.changes() {
        for party in [&change.source, &change.destination] {
            known
                .entry(Arc::as_ptr(party))
                .or_insert_with(|| names(party, before.cluster(), after.cluster()));
        }
        for source in &known[&Arc::as_ptr(&change.source)] {
            for destination in &known[&Arc::as_ptr(&change.destination)] {
                let own = source.name == destination.name;
                if !(own && (compatible || source.replicas.iter().all(|count| *count < 2))) {
                    lines.extend(line(&change, source, destination));
                }
            }
        }
    }
    lines.sort();
    lines.dedup();
    let mut lines = merge_ranges(lines);
    lines.extend(entry_lines(before, after, compatible));
    lines
}

/// What entry points reach in one cluster and not, or otherwise, in the other.
fn entry_lines(before: &Reachability<'_>, after: &Reachability<'_>, compatible: bool) -> Vec<DiffLine> {
    let view = View { compatible, ..View::default() };
    let open = |reachability: &Reachability<'_>| -> BTreeMap<String, PortSet> {
        let mut by_name: BTreeMap<String, PortSet> = BTreeMap::new();
        for (pod, ports) in entry::connections(reachability, &view, &mut Vec::new()) {
            let name = reachability.cluster().pods[pod.0].workload_string();
            let known = by_name.entry(name).or_default();
            *known = known.union(&ports);
        }
        by_name
    };
    let (old, new) = (open(before), open(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let ports = |open: &BTreeMap<String, PortSet>, name: &String| open.get(name).cloned().unwrap_or_default();
    let changed = names.into_iter().map(|name| (name, ports(&old, name), ports(&new, name)));
    let is_in = |reachability: &Reachability<'_>, name: &String| {
        reachability.cluster().pods.iter().any(|pod| pod.workload_string() == *name)
    };
    let line = |(name, before_ports, after_ports): (&String, PortSet, PortSet)| {
        let fate = match (is_in(before, name), is_in(after, name)) {
            (true, false) => format!("workload {name} removed"),
            (false, true) => format!("workload {name} added"),
            _ => String::new(),
        };
        Some(DiffLine {
            from_entry_point: true,
            diff_type: DiffType::of(&before_ports, &after_ports)?,
            source: INGRESS_CONTROLLER.to_owned(),
            destination: name.clone(),
            before: before_ports,
            after: after_ports,
            workloads: fate,
        })
    };
    let mut lines: Vec<DiffLine> = changed.filter(|(_, old, new)| old != new).filter_map(line).collect();
    lines.sort();
    lines
}

struct Named {
    name: String,
    fate: Option<&'static str>,
    /// Before, and after.
    replicas: [u32; 2],
}

fn names(party: &Party, before: &Cluster, after: &Cluster) -> Vec<Named> {
    let (old, new) = match party {
        Party::Range(range) => {
            return vec![Named { name: format!("{range}[External]"), fate: None, replicas: [0, 0] }];
        }
        Party::Pods { before, after } => (before, after),
    };
    let mut named: BTreeMap<String, Named> = BTreeMap::new();
    let mut add = |cluster: &Cluster, pods: &[PodId], side: usize, fate| {
        for pod in pods.iter().map(|pod| &cluster.pods[pod.0]) {
            let name = pod.workload_string();
            let new = || Named { name: name.clone(), fate, replicas: [0, 0] };
            let one = named.entry(name.clone()).or_insert_with(new);
            one.replicas[side] = one.replicas[side].saturating_add(pod.replicas);
        }
    };
    add(before, old, 0, new.is_empty().then_some("removed"));
    add(after, new, 1, old.is_empty().then_some("added"));
    named.into_values().collect()
}

fn line(change: &Changed, source: &Named, destination: &Named) -> Option<DiffLine> {
    let ports =
        |side: &Option<Arc<PortSet>>| side.as_ref().map(|ports| (**ports).clone()).unwrap_or_default();
    let (before, after) = (ports(&change.before), ports(&change.after));
    let diff_type = DiffType::of(&before, &after)?;
    let fates = [source, destination].into_iter().filter_map(|end| Some((&end.name, end.fate?)));
    let fates: Vec<String> = fates.map(|(name, fate)| format!("workload {name} {fate}")).collect();
    Some(DiffLine {
        from_entry_point: false,
        diff_type,
        source: source.name.clone(),
        destination: destination.name.clone(),
        before,
        after,
        workloads: fates.join(" and "),
    })
}

/// Neighbouring outside ranges whose lines are otherwise equal become one range.
fn merge_ranges(mut lines: Vec<DiffLine>) -> Vec<DiffLine> {
    for by_source in [true, false] {
        let end = |line: &DiffLine| if by_source { line.source.clone() } else { line.destination.clone() };
        let rest = |line: &DiffLine| {
            let other = if by_source { line.destination.clone() } else { line.source.clone() };
            (line.diff_type, other, line.before.clone(), line.after.clone(), line.workloads.clone())
        };
        lines.sort_by_cached_key(|line| {
            (rest(line), range(&end(line)).map(|range| (range.is_v6(), range.first)))
        });
        let mut merged: Vec<DiffLine> = Vec::with_capacity(lines.len());
        for line in lines {
            if let Some(last) = merged.last_mut()
                && rest(last) == rest(&line)
                && let (Some(one), Some(next)) = (range(&end(last)), range(&end(&line)))
                && one.touches(&next)
            {
                let whole = format!("{}-{}[External]", one.first, next.last);
                *(if by_source { &mut last.source } else { &mut last.destination }) = whole;
            } else {
                merged.push(line);
            }
        }
        lines = merged;
    }
    lines.sort();
    lines
}

fn range(name: &str) -> Option<AddressRange> {
    let (first, last) = name.strip_suffix("[External]")?.split_once('-')?;
    Some(AddressRange { first: first.parse().ok()?, last: last.parse().ok()? })
}

/// What a difference is of.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// What the two clusters are called.
    pub names: (&'a str, &'a str),
    /// The modes that both were computed in.
    pub options: &'a Options,
    /// Something of one of them could not be read.
    pub incomplete: bool,
    /// Exactly netpol-analyzer's form: nothing but the lines.
    pub compatible: bool,
}

pub(super) fn text(lines: &[DiffLine], compared: &Compared<'_>) -> String {
    let Compared { names, options, incomplete, compatible } = compared;
    let mut out = String::new();
    if !compatible {
        writeln!(out, "# modes: {options}").expect(INFALLIBLE);
        if *incomplete {
            writeln!(out, "# {INCOMPLETE}").expect(INFALLIBLE);
        }
        if lines.is_empty() {
            out += "# no difference\n";
        }
    }
    if !lines.is_empty() {
        out += "Connectivity diff:\n";
    }
    for line in lines {
        let DiffLine { diff_type, source, destination, before, after, workloads, .. } = line;
        write!(
            out,
            "diff-type: {}, source: {source}, destination: {destination}, {}: {before}, {}: {after}",
            diff_type.name(),
            names.0,
            names.1
        )
        .expect(INFALLIBLE);
        if !workloads.is_empty() {
            write!(out, ", workloads-diff-info: {workloads}").expect(INFALLIBLE);
        }
        out.push('\n');
    }
    out
}

pub(super) fn json(lines: &[DiffLine], compared: &Compared<'_>) -> String {
    let Compared { options, incomplete, .. } = compared;
    pretty(
        &serde_json::json!({"schema": SCHEMA, "modes": options, "incomplete": incomplete, "changes": lines}),
    )
}

fn cells(line: &DiffLine) -> [String; 6] {
    [
        line.diff_type.name().to_owned(),
        line.source.clone(),
        line.destination.clone(),
        line.before.to_string(),
        line.after.to_string(),
        line.workloads.clone(),
    ]
}

pub(super) fn csv(lines: &[DiffLine], names: (&str, &str)) -> String {
    let mut out = csv_row(&["diff-type", "source", "destination", names.0, names.1, "workloads-diff-info"]);
    for line in lines {
        out += &csv_row(&cells(line).each_ref().map(String::as_str));
    }
    out
}

pub(super) fn markdown(lines: &[DiffLine], names: (&str, &str)) -> String {
    let mut out =
        markdown_row(&["diff-type", "source", "destination", names.0, names.1, "workloads-diff-info"]);
    out += "|-----------|--------|-------------|------|------|---------------------|\n";
    for line in lines {
        out += &markdown_row(&cells(line).each_ref().map(String::as_str));
    }
    out
}
