//! Who can reach whom, and the findings, as one answer.

use std::collections::{BTreeSet, HashMap};
use std::io;

use jiff::civil::Date;
use parapet_audit::{Finding, Severity};
use parapet_policy::Units;
use parapet_reach::model::Direction;
use parapet_reach::{INGRESS_CONTROLLER, Listing, Options, PeerKind, PodId, PortSet, Reachability, View};
use parapet_server::posture::{
    MOST_CELLS, MOST_FINDINGS, MOST_PROBLEMS, MOST_WORKLOADS, ManifestProblem, Posture, PostureFinding,
    PostureWorkload,
};

use super::answers::OUTSIDE;
use super::proposals::Proposals;
use crate::manifests::Manifests;

/// Everything but when it was computed and where from; `read` gives a file's bytes by the name that documents have.
pub(super) fn of(
    manifests: &Manifests,
    units: &Units,
    today: Date,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Posture {
    let cluster = &manifests.cluster;
    let options = Options::default();
    let reachability = Reachability::compute(cluster, &options);
    let total = units.iter().count();
    let by_unit = (total <= MOST_WORKLOADS).then(|| Ends::of_units(&reachability, units));
    let entries = Listing::of_computed(
        &reachability,
        &View { focus: vec![INGRESS_CONTROLLER.to_owned()], ..View::default() },
    );
    let by_unit = by_unit.and_then(|ends| Some((Cells::of(&reachability, &ends, &entries)?, ends)));
    let grouped = by_unit.is_none();
    let (cells, mut ends) = by_unit.unwrap_or_else(|| {
        let ends = Ends::of_namespaces(&reachability, units);
        let cells = Cells::unbounded(&reachability, &ends, &entries);
        (cells, ends)
    });
    for [from, to, _] in &cells.all {
        if *from >= ends.outside() {
            ends.all[*to as usize].exposed_outside = true;
        }
    }
    let (findings_total, findings) = findings(manifests, &reachability, &ends, today, Proposals::new(read));
    let mut problems: Vec<&parapet_manifest::Problem> = manifests.problems.iter().collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let Cells { all, ports, has_entry, .. } = cells;
    if !has_entry {
        // The last end; no cell refers to it.
        ends.all.pop();
    }
    Posture {
        configured: true,
        modes: options.to_string(),
        incomplete: cluster.incomplete,
        problems: problems.into_iter().take(MOST_PROBLEMS).map(problem).collect(),
        notes: entries.notes,
        grouped,
        workloads_total: total as u64,
        workloads: ends.all,
        ports: ports.iter().map(PortSet::to_string).collect(),
        cells: all,
        findings_total,
        findings,
        ..Posture::default()
    }
}

/// What connections begin and end at: workloads or namespaces, then the outside, then the entry points.
struct Ends {
    all: Vec<PostureWorkload>,
    /// The ends that the pods of a class are in, ascending.
    of_class: Vec<Vec<u32>>,
    of_pod: Vec<u32>,
    /// Whether there is more than one pod in it: then it can connect to itself.
    several: Vec<bool>,
}

impl Ends {
    fn of_units(reachability: &Reachability<'_>, units: &Units) -> Self {
        let mut ends = Self::empty(reachability);
        for (_, unit) in units.iter() {
            let (namespace, name) = (unit.namespace.to_string(), unit.workload.name.to_string());
            ends.add(
                reachability,
                &unit.pods,
                PostureWorkload {
                    id: unit.to_string(),
                    namespace,
                    name,
                    kind: unit.workload.kind.to_string(),
                    ..nothing()
                },
            );
        }
        ends.closed()
    }

    fn of_namespaces(reachability: &Reachability<'_>, units: &Units) -> Self {
        let mut pods: std::collections::BTreeMap<&str, Vec<usize>> = std::collections::BTreeMap::new();
        for (_, unit) in units.iter() {
            pods.entry(&unit.namespace).or_default().extend(&unit.pods);
        }
        let mut ends = Self::empty(reachability);
        for (namespace, pods) in pods {
            let name = namespace.to_owned();
            let end = PostureWorkload {
                id: name.clone(),
                namespace: name.clone(),
                name,
                kind: "Namespace".into(),
                ..nothing()
            };
            ends.add(reachability, &pods, end);
        }
        ends.closed()
    }

    fn empty(reachability: &Reachability<'_>) -> Self {
        Self {
            all: Vec::new(),
            of_class: vec![Vec::new(); reachability.class_count()],
            of_pod: vec![0; reachability.cluster().pods.len()],
            several: Vec::new(),
        }
    }

    fn add(&mut self, reachability: &Reachability<'_>, pods: &[usize], mut end: PostureWorkload) {
        let number = number(self.all.len());
        for pod in pods {
            self.of_pod[*pod] = number;
            let of_class = &mut self.of_class[reachability.class_of(PodId(*pod))];
            if of_class.last() != Some(&number) {
                of_class.push(number);
            }
        }
        let isolated = |direction| pods.iter().all(|pod| reachability.is_isolated(PodId(*pod), direction));
        end.isolated_ingress = isolated(Direction::Ingress);
        end.isolated_egress = isolated(Direction::Egress);
        let replicas = pods.iter().map(|pod| u64::from(reachability.cluster().pods[*pod].replicas));
        self.several.push(replicas.sum::<u64>() > 1);
        self.all.push(end);
    }

    /// With what is not in the cluster.
    fn closed(mut self) -> Self {
        for (id, name, kind) in
            [(OUTSIDE, "Outside the cluster", "External"), (INGRESS_CONTROLLER, "Entry points", "Entry")]
        {
            self.all.push(PostureWorkload {
                id: id.into(),
                name: name.into(),
                kind: kind.into(),
                ..nothing()
            });
            self.several.push(false);
        }
        self
    }

    fn outside(&self) -> u32 {
        number(self.all.len() - 2)
    }

    fn entry(&self) -> u32 {
        number(self.all.len() - 1)
    }
}

fn nothing() -> PostureWorkload {
    PostureWorkload {
        id: String::new(),
        namespace: String::new(),
        name: String::new(),
        kind: String::new(),
        exposed_outside: false,
        isolated_ingress: false,
        isolated_egress: false,
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("fewer workloads than pods, which are counted in 32 bits")
}

/// Pairs that may connect.
struct Cells {
    all: Vec<[u32; 3]>,
    ports: Vec<PortSet>,
    has_entry: bool,
}

/// Pairs while they are collected.
struct Collected {
    of_pair: HashMap<(u32, u32), u32>,
    ports: Vec<PortSet>,
    numbers: HashMap<PortSet, u32>,
    most: usize,
}

impl Cells {
    /// None if there are too many.
    fn of(reachability: &Reachability<'_>, ends: &Ends, entries: &Listing) -> Option<Self> {
        Self::within(MOST_CELLS, reachability, ends, entries)
    }

    /// However many there are: namespaces are few.
    fn unbounded(reachability: &Reachability<'_>, ends: &Ends, entries: &Listing) -> Self {
        let none = Self { all: Vec::new(), ports: Vec::new(), has_entry: false };
        Self::within(usize::MAX, reachability, ends, entries).unwrap_or(none)
    }

    fn within(most: usize, reachability: &Reachability<'_>, ends: &Ends, entries: &Listing) -> Option<Self> {
        let mut collected =
            Collected { of_pair: HashMap::new(), ports: Vec::new(), numbers: HashMap::new(), most };
        let outside = ends.outside();
        reachability.rows(|row| {
            let classes = row.source_classes.iter().flat_map(|class| &ends.of_class[*class]);
            let mut sources: BTreeSet<u32> = classes.copied().collect();
            if !row.source_ranges.is_empty() {
                sources.insert(outside);
            }
            for group in &row.groups {
                let ports = collected.number(&group.ports);
                let classes = group.classes.iter().flat_map(|class| &ends.of_class[class as usize]);
                let mut destinations: BTreeSet<u32> = classes.copied().collect();
                if !group.ranges.is_empty() {
                    destinations.insert(outside);
                }
                for from in &sources {
                    for to in destinations.iter().filter(|to| from != *to || ends.several[**to as usize]) {
                        collected.add(*from, *to, ports);
                    }
                }
            }
        });
        let by_name: HashMap<(&str, &str), u32> = reachability
            .cluster()
            .pods
            .iter()
            .zip(&ends.of_pod)
            .map(|(pod, end)| ((&*pod.namespace, &*pod.workload.name), *end))
            .collect();
        let mut has_entry = false;
        for line in &entries.lines {
            let (from, to) = (entries.peer(line.source), entries.peer(line.destination));
            let to = by_name.get(&(to.namespace.as_str(), to.workload.as_str()));
            if let (PeerKind::IngressController, Some(to)) = (from.kind, to) {
                let ports = collected.number(&line.ports);
                collected.add(ends.entry(), *to, ports);
                has_entry = true;
            }
        }
        let Collected { of_pair, ports, .. } = collected;
        if of_pair.len() > most {
            return None;
        }
        let mut all: Vec<[u32; 3]> =
            of_pair.into_iter().map(|((from, to), ports)| [from, to, ports]).collect();
        all.sort_unstable();
        Some(Self { all, ports, has_entry })
    }
}

impl Collected {
    fn number(&mut self, ports: &PortSet) -> u32 {
        if let Some(known) = self.numbers.get(ports) {
            return *known;
        }
        let next = number(self.ports.len());
        self.numbers.insert(ports.clone(), next);
        self.ports.push(ports.clone());
        next
    }

    fn add(&mut self, from: u32, to: u32, ports: u32) {
        match self.of_pair.get(&(from, to)).copied() {
            // One more than the most is enough to know.
            None if self.of_pair.len() <= self.most => {
                self.of_pair.insert((from, to), ports);
            }
            Some(known) if known != ports => {
                let both = self.ports[known as usize].union(&self.ports[ports as usize]);
                let both = self.number(&both);
                self.of_pair.insert((from, to), both);
            }
            None | Some(_) => {}
        }
    }
}

fn problem(problem: &parapet_manifest::Problem) -> ManifestProblem {
    let severity = match problem.severity {
        parapet_manifest::Severity::Error => "error",
        parapet_manifest::Severity::Warning => "warning",
        parapet_manifest::Severity::Note => "note",
    };
    ManifestProblem {
        severity: severity.into(),
        file: problem.file.to_string(),
        line: problem.line,
        column: problem.column,
        message: problem.message.clone(),
    }
}

/// How many count, and the worst of them. Every workload is looked at, as with `parapet audit --all-workloads`.
fn findings(
    manifests: &Manifests,
    reachability: &Reachability<'_>,
    ends: &Ends,
    today: Date,
    mut proposals: Proposals<'_>,
) -> (u64, Vec<PostureFinding>) {
    let options = parapet_audit::Options { every_workload: true, ..parapet_audit::Options::new(today) };
    let audit = parapet_audit::audit(&manifests.documents, Vec::new(), &options);
    let mut counted: Vec<&Finding> =
        audit.findings.iter().filter(|finding| finding.suppressed.is_none()).collect();
    counted.sort_by_key(|finding| std::cmp::Reverse::<Severity>(finding.severity));
    let total = counted.len() as u64;
    let shown = counted.into_iter().take(MOST_FINDINGS).map(|finding| {
        let proposal = proposals.of(finding);
        let decision = finding.rule.remedy().decision();
        PostureFinding {
            rule: finding.rule.id.to_owned(),
            title: finding.rule.title.to_owned(),
            severity: finding.severity.name().to_owned(),
            group: finding.rule.group.title().to_owned(),
            object: finding.object.to_string(),
            namespace: finding.object.namespace.as_deref().unwrap_or_default().to_owned(),
            file: finding.place.file.to_string(),
            line: finding.place.span.line,
            column: finding.place.span.column,
            message: finding.message.clone(),
            evidence: finding.evidence.clone(),
            why: finding.rule.why.to_owned(),
            fix: finding.rule.fix.to_owned(),
            patch: proposal.diff,
            patch_omitted: proposal.omitted,
            repairs: finding.patch.as_ref().is_some_and(|patch| patch.repairs),
            decide: decision.map_or("", |decision| decision.decide).to_owned(),
            sample: decision.map_or("", |decision| decision.sample).to_owned(),
            workloads: concerned(finding, reachability, ends),
        }
    });
    (total, shown.collect())
}

/// The workloads that an object is, or selects.
fn concerned(finding: &Finding, reachability: &Reachability<'_>, ends: &Ends) -> Vec<u32> {
    let cluster = reachability.cluster();
    let Some(namespace) = finding.object.namespace.as_deref() else { return Vec::new() };
    let (kind, name) = (&*finding.object.kind, &*finding.object.name);
    let pods: Vec<usize> = match kind {
        "NetworkPolicy" => {
            let mut policies = cluster.network_policies.iter();
            let policy = policies.find(|one| &*one.namespace == namespace && &*one.name == name);
            policy
                .map(|policy| reachability.selected(policy))
                .unwrap_or_default()
                .iter()
                .map(|pod| pod.0)
                .collect()
        }
        "Service" => {
            let mut services = cluster.services.iter();
            let service = services.find(|one| &*one.namespace == namespace && &*one.name == name);
            let pods = cluster.pods.iter().enumerate();
            pods.filter(|(_, pod)| service.is_some_and(|service| service.selects(pod)))
                .map(|(index, _)| index)
                .collect()
        }
        _ => {
            let is_it = |pod: &parapet_reach::model::Pod| {
                &*pod.namespace == namespace && &*pod.workload.name == name && &*pod.workload.kind == kind
            };
            cluster.pods.iter().enumerate().filter(|(_, pod)| is_it(pod)).map(|(index, _)| index).collect()
        }
    };
    let concerned: BTreeSet<u32> = pods.into_iter().map(|pod| ends.of_pod[pod]).collect();
    concerned.into_iter().collect()
}
