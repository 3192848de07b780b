//! What changed between two clusters: both are looked at in the coarsest classes that neither can tell apart, so that
//! each pair of different rows is compared once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::engine::{AddressRange, PodId, Reachability, Row};
use crate::model::{Direction, Pod};
use crate::portset::PortSet;

/// A difference between two computations.
#[derive(Debug)]
pub struct Diff<'a> {
    before: Sided<'a>,
    after: Sided<'a>,
    joint: Vec<Joint>,
    sources: Vec<AddressRange>,
    destinations: Vec<AddressRange>,
    /// By joint class, then by range of sources: the rows before and after.
    rows: BTreeMap<(Option<usize>, Option<usize>, bool), Vec<usize>>,
}

/// Pods that neither computation can tell apart.
#[derive(Clone, Debug)]
struct Joint {
    before: Option<usize>,
    after: Option<usize>,
    pods_before: Vec<PodId>,
    pods_after: Vec<PodId>,
}

/// One computation, prepared.
#[derive(Debug)]
struct Sided<'a> {
    reachability: &'a Reachability<'a>,
    rows: Vec<Row>,
    row_of_class: Vec<usize>,
    row_of_range: Vec<usize>,
    /// By class.
    joint_of: Vec<Vec<u32>>,
    /// By range of destinations.
    ranges_of: Vec<Vec<u32>>,
}

/// Pods or addresses of a changed pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// Pods that are alike in both clusters; by their positions in each.
    Pods {
        /// In the first cluster.
        before: Vec<PodId>,
        /// In the second.
        after: Vec<PodId>,
    },
    /// Outside addresses.
    Range(AddressRange),
}

/// One changed pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Who connects.
    pub source: Party,
    /// To whom.
    pub destination: Party,
    /// What was allowed; None if an end wasn't there.
    pub before: Option<Arc<PortSet>>,
    /// What is allowed now; None if an end isn't there any more.
    pub after: Option<Arc<PortSet>>,
}

impl<'a> Diff<'a> {
    /// Prepares a comparison. Pods are the same in both if namespace, workload and name are; a pod whose name is in one
    /// alone is compared with another of its workload.
    pub fn new(before: &'a Reachability<'a>, after: &'a Reachability<'a>) -> Self {
        let ranges = |direction| {
            refined(&[before.external_ranges(direction), after.external_ranges(direction)].concat())
        };
        let (sources, destinations) = (ranges(Direction::Ingress), ranges(Direction::Egress));
        let joint = join(before, after);
        let before = Sided::new(before, &joint, |joint| joint.before, &destinations);
        let after = Sided::new(after, &joint, |joint| joint.after, &destinations);
        let mut rows: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, joint) in joint.iter().enumerate() {
            let old = joint.before.map(|class| before.row_of_class[class]);
            let new = joint.after.map(|class| after.row_of_class[class]);
            rows.entry((old, new, true)).or_default().push(index);
        }
        for (index, range) in sources.iter().enumerate() {
            let (old, new) = (before.row_of(range), after.row_of(range));
            rows.entry((Some(old), Some(new), false)).or_default().push(joint.len() + index);
        }
        Self { before, after, joint, sources, destinations, rows }
    }

    /// How many pairs of classes and ranges changed.
    pub fn count(&self) -> usize {
        let mut count = 0;
        self.for_each(|sources, _, _, _| count += sources.len());
        count
    }

    /// Every changed pair; pairs with an end in one cluster alone only if something was, or is, allowed.
    pub fn changes(&self) -> Vec<Changed> {
        let mut changes = Vec::new();
        self.for_each(|sources, destination, before, after| {
            for source in sources {
                changes.push(Changed {
                    source: self.party(*source, &self.sources),
                    destination: self.party(destination, &self.destinations),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        });
        changes
    }

    fn party(&self, index: usize, ranges: &[AddressRange]) -> Party {
        match self.joint.get(index) {
            Some(Joint { pods_before, pods_after, .. }) => {
                Party::Pods { before: pods_before.clone(), after: pods_after.clone() }
            }
            None => Party::Range(ranges[index - self.joint.len()]),
        }
    }

    fn for_each(&self, mut visit: impl FnMut(&[usize], usize, Option<&Arc<PortSet>>, Option<&Arc<PortSet>>)) {
        let mut table = Flat::default();
        for ((old, new, inside), sources) in &self.rows {
            let destinations = self.joint.len() + if *inside { self.destinations.len() } else { 0 };
            let before = old.map(|row| table.flatten(&self.before, row, self.joint.len(), destinations));
            let after = new.map(|row| table.flatten(&self.after, row, self.joint.len(), destinations));
            let nothing = vec![Flat::NONE; destinations];
            let (one, two) = (before.as_ref().unwrap_or(&nothing), after.as_ref().unwrap_or(&nothing));
            for destination in (0..destinations).filter(|destination| one[*destination] != two[*destination])
            {
                let joint = self.joint.get(destination);
                let was = before.is_some() && joint.is_none_or(|joint| joint.before.is_some());
                let is = after.is_some() && joint.is_none_or(|joint| joint.after.is_some());
                let ports = |there: bool, id: u32| there.then(|| &table.sets[id as usize]);
                visit(sources, destination, ports(was, one[destination]), ports(is, two[destination]));
            }
        }
    }
}

impl<'a> Sided<'a> {
    fn new(
        reachability: &'a Reachability<'a>,
        joint: &[Joint],
        class_of: impl Fn(&Joint) -> Option<usize>,
        destinations: &[AddressRange],
    ) -> Self {
        let mut joint_of = vec![Vec::new(); reachability.class_count()];
        for (index, joint) in joint.iter().enumerate() {
            if let Some(class) = class_of(joint) {
                joint_of[class].push(index as u32);
            }
        }
        let egress = reachability.external_ranges(Direction::Egress);
        let mut ranges_of = vec![Vec::new(); egress.len()];
        for (index, range) in destinations.iter().enumerate() {
            ranges_of[holding(&egress, range)].push(index as u32);
        }
        let mut sided = Self {
            reachability,
            rows: Vec::new(),
            row_of_class: vec![0; reachability.class_count()],
            row_of_range: vec![0; reachability.external_ranges(Direction::Ingress).len()],
            joint_of,
            ranges_of,
        };
        reachability.rows(|row| {
            for class in &row.source_classes {
                sided.row_of_class[*class] = sided.rows.len();
            }
            for range in &row.source_ranges {
                sided.row_of_range[*range] = sided.rows.len();
            }
            sided.rows.push(row);
        });
        sided
    }

    fn row_of(&self, range: &AddressRange) -> usize {
        let ranges = self.reachability.external_ranges(Direction::Ingress);
        self.row_of_range[holding(&ranges, range)]
    }
}

/// Port sets of both sides as numbers that compare.
#[derive(Default)]
struct Flat {
    sets: Vec<Arc<PortSet>>,
    ids: HashMap<Arc<PortSet>, u32>,
}

impl Flat {
    const NONE: u32 = 0;

    fn id(&mut self, set: &Arc<PortSet>) -> u32 {
        if self.sets.is_empty() {
            self.sets.push(Arc::default());
            self.ids.insert(Arc::default(), Self::NONE);
        }
        let next = self.sets.len() as u32;
        let id = *self.ids.entry(Arc::clone(set)).or_insert(next);
        if id == next {
            self.sets.push(Arc::clone(set));
        }
        id
    }

    /// A row with one number per joint destination.
    fn flatten(&mut self, side: &Sided<'_>, row: usize, classes: usize, destinations: usize) -> Vec<u32> {
        self.id(&Arc::default());
        let mut flat = vec![Self::NONE; destinations];
        for group in &side.rows[row].groups {
            let id = self.id(&group.ports);
            for class in &group.classes {
                for joint in &side.joint_of[class as usize] {
                    flat[*joint as usize] = id;
                }
            }
            for range in &group.ranges {
                for joint in &side.ranges_of[range as usize] {
                    if let Some(entry) = flat.get_mut(classes + *joint as usize) {
                        *entry = id;
                    }
                }
            }
        }
        flat
    }
}

/// The ranges cut at every edge of any of them.
fn refined(ranges: &[AddressRange]) -> Vec<AddressRange> {
    let mut ranges = ranges.to_vec();
    ranges.sort_by_key(|range| (range.is_v6(), range.first, range.last));
    ranges.dedup();
    // Both computations cover everything, so the next start ends a range.
    let mut starts: Vec<AddressRange> = ranges.clone();
    starts.dedup_by_key(|range| range.first);
    starts
        .iter()
        .map(|start| {
            let last =
                ranges.iter().filter(|range| range.contains(start.first)).map(|range| range.last).min();
            AddressRange { first: start.first, last: last.unwrap_or(start.last) }
        })
        .collect()
}

fn holding(ranges: &[AddressRange], part: &AddressRange) -> usize {
    ranges.iter().position(|range| range.contains(part.first)).expect("ranges cover every address")
}

type PodKey<'a> = (&'a str, &'a str, &'a str, &'a str);

fn key(pod: &Pod) -> PodKey<'_> {
    (&pod.namespace, &pod.workload.kind, &pod.workload.name, &pod.name)
}

fn join(before: &Reachability<'_>, after: &Reachability<'_>) -> Vec<Joint> {
    let index = |reachability: &Reachability<'_>| {
        let mut by_name: HashMap<String, PodId> = HashMap::new();
        for (position, pod) in reachability.cluster().pods.iter().enumerate() {
            let (namespace, kind, workload, name) = key(pod);
            by_name.insert(format!("{namespace}/{kind}/{workload}/{name}"), PodId(position));
            by_name.entry(format!("{namespace}/{kind}/{workload}")).or_insert(PodId(position));
        }
        by_name
    };
    let find = |by_name: &HashMap<String, PodId>, pod: &Pod| {
        let (namespace, kind, workload, name) = key(pod);
        by_name
            .get(&format!("{namespace}/{kind}/{workload}/{name}"))
            .or_else(|| by_name.get(&format!("{namespace}/{kind}/{workload}")))
            .copied()
    };
    let (old, new) = (index(before), index(after));
    let mut joint: BTreeMap<(Option<usize>, Option<usize>), Joint> = BTreeMap::new();
    let mut add = |old: Option<PodId>, new: Option<PodId>| {
        let classes = (old.map(|pod| before.class_of(pod)), new.map(|pod| after.class_of(pod)));
        let entry = joint.entry(classes).or_insert_with(|| Joint {
            before: classes.0,
            after: classes.1,
            pods_before: Vec::new(),
            pods_after: Vec::new(),
        });
        entry.pods_before.extend(old);
        entry.pods_after.extend(new);
    };
    for (position, pod) in before.cluster().pods.iter().enumerate() {
        add(Some(PodId(position)), find(&new, pod));
    }
    for (position, pod) in after.cluster().pods.iter().enumerate() {
        let counterpart = find(&old, pod);
        // Pods of the same name were joined from the other side.
        if counterpart.is_none_or(|counterpart| key(&before.cluster().pods[counterpart.0]) != key(pod)) {
            add(counterpart, Some(PodId(position)));
        }
    }
    let mut joint: Vec<Joint> = joint.into_values().collect();
    for one in &mut joint {
        one.pods_before.sort();
        one.pods_before.dedup();
        one.pods_after.sort();
        one.pods_after.dedup();
    }
    joint
}
