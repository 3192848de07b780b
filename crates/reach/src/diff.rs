//! What changed between two clusters: both are looked at in the coarsest classes that neither can tell apart, so that
//! each pair of different rows is compared once.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::engine::{AddressRange, PodId, Reachability, Row, RowGroup};
use crate::model::{Direction, Pod};
use crate::portset::PortSet;

/// A difference between two computations.
#[derive(Debug)]
pub struct Diff<'a> {
    before: Sided<'a>,
    after: Sided<'a>,
    joint: Vec<Joint>,
    /// The joint classes, then the ranges of sources.
    from: Vec<Arc<Party>>,
    /// The joint classes, then the ranges of destinations.
    to: Vec<Arc<Party>>,
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
    /// By class; None if each class is the joint class of its own number, as it is where nothing but rules changed.
    joint_of: Option<Vec<Vec<u32>>>,
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
    /// Who connects; one allocation for all pairs of the same.
    pub source: Arc<Party>,
    /// To whom.
    pub destination: Arc<Party>,
    /// What was allowed; None if an end wasn't there.
    pub before: Option<Arc<PortSet>>,
    /// What is allowed now; None if an end isn't there any more.
    pub after: Option<Arc<PortSet>>,
}

impl<'a> Diff<'a> {
    /// Prepares a comparison. Pods are the same in both if namespace, workload and name are; a pod whose name is in one
    /// alone is compared with another of its workload.
    pub fn new(before: &'a Reachability<'a>, after: &'a Reachability<'a>) -> Self {
        let ranges =
            |direction| refined(&before.external_ranges(direction), &after.external_ranges(direction));
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
        let old_and_new = before.rows_of(&sources).into_iter().zip(after.rows_of(&sources));
        for (index, (old, new)) in old_and_new.enumerate() {
            rows.entry((Some(old), Some(new), false)).or_default().push(joint.len() + index);
        }
        let parties = |ranges: &[AddressRange]| {
            let pods = joint.iter().map(|joint| Party::Pods {
                before: joint.pods_before.clone(),
                after: joint.pods_after.clone(),
            });
            pods.chain(ranges.iter().copied().map(Party::Range)).map(Arc::new).collect()
        };
        let (from, to) = (parties(&sources), parties(&destinations));
        Self { before, after, joint, from, to, rows }
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
                    source: Arc::clone(&self.from[*source]),
                    destination: Arc::clone(&self.to[destination]),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        });
        changes
    }

    fn for_each(&self, mut visit: impl FnMut(&[usize], usize, Option<&Arc<PortSet>>, Option<&Arc<PortSet>>)) {
        let nothing = Arc::default();
        for ((old, new, inside), sources) in &self.rows {
            let joint_row = |side: &Sided<'_>, row: Option<usize>| -> Vec<Cell> {
                row.map(|row| side.joint_row(row, self.joint.len(), *inside)).unwrap_or_default()
            };
            let (before, after) = (joint_row(&self.before, *old), joint_row(&self.after, *new));
            for destination in &(differing(&before, &after) | differing(&after, &before)) {
                let joint = self.joint.get(destination as usize);
                let was = old.is_some() && joint.is_none_or(|joint| joint.before.is_some());
                let is = new.is_some() && joint.is_none_or(|joint| joint.after.is_some());
                let (one, two) = (at(&before, destination), at(&after, destination));
                let (one, two) = (one.unwrap_or(&nothing), two.unwrap_or(&nothing));
                visit(sources, destination as usize, was.then_some(one), is.then_some(two));
            }
        }
    }
}

/// Joint destinations that a row allows the same.
type Cell = (Arc<PortSet>, RoaringBitmap);

/// What `row` allows and `other` doesn't allow with the same ports.
fn differing(row: &[Cell], other: &[Cell]) -> RoaringBitmap {
    row.iter().fold(RoaringBitmap::new(), |differing, (ports, destinations)| {
        match other.iter().find(|(others, _)| others == ports) {
            Some((_, same)) => differing | (destinations - same),
            None => differing | destinations,
        }
    })
}

fn at(row: &[Cell], destination: u32) -> Option<&Arc<PortSet>> {
    row.iter().find(|(_, destinations)| destinations.contains(destination)).map(|(ports, _)| ports)
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
        let same = joint_of.iter().enumerate().all(|(class, joint)| *joint == [class as u32]);
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
            joint_of: (!same).then_some(joint_of),
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

    /// The rows of ranges of sources.
    fn rows_of(&self, sources: &[AddressRange]) -> Vec<usize> {
        let ranges = self.reachability.external_ranges(Direction::Ingress);
        sources.iter().map(|range| self.row_of_range[holding(&ranges, range)]).collect()
    }

    /// A row over joint classes and, if its source is a pod, the ranges of destinations after them.
    fn joint_row(&self, row: usize, classes: usize, with_ranges: bool) -> Vec<Cell> {
        let groups = self.rows[row].groups.iter();
        let cell = |group: &RowGroup| {
            let ranges = group.ranges.iter().flat_map(|range| &self.ranges_of[range as usize]);
            let ranges = ranges.map(|range| classes as u32 + range).filter(|_| with_ranges);
            let joint = match &self.joint_of {
                None => {
                    let mut joint = group.classes.clone();
                    joint.extend(ranges);
                    joint
                }
                Some(joint_of) => {
                    let of_classes =
                        group.classes.iter().flat_map(|class| &joint_of[class as usize]).copied();
                    let mut joint: Vec<u32> = of_classes.chain(ranges).collect();
                    joint.sort_unstable();
                    RoaringBitmap::from_sorted_iter(joint).expect("sorted, and nothing is in two classes")
                }
            };
            (Arc::clone(&group.ports), joint)
        };
        groups.map(cell).collect()
    }
}

/// The ranges cut at every edge of both; each covers all addresses.
fn refined(before: &[AddressRange], after: &[AddressRange]) -> Vec<AddressRange> {
    let mut firsts: Vec<_> = before.iter().chain(after).map(|range| range.first).collect();
    firsts.sort();
    firsts.dedup();
    let refine = |first| {
        let start = AddressRange { first, last: first };
        let (one, two) = (before[holding(before, &start)], after[holding(after, &start)]);
        AddressRange { first, last: one.last.min(two.last) }
    };
    firsts.into_iter().map(refine).collect()
}

/// The range that `part` lies in; IPv4 sorts before IPv6.
fn holding(ranges: &[AddressRange], part: &AddressRange) -> usize {
    ranges
        .partition_point(|range| range.first <= part.first)
        .checked_sub(1)
        .expect("ranges cover every address")
}

/// Namespace, workload and its kind, name: the order of a normalised cluster's pods.
type PodKey<'a> = (&'a str, &'a str, &'a str, &'a str);

fn key(pod: &Pod) -> PodKey<'_> {
    (&pod.namespace, &pod.workload.name, &pod.workload.kind, &pod.name)
}

/// For each pod of `mine` the pod of its name in `others`, or else the first one of its workload.
fn counterparts(mine: &[Pod], others: &[Pod]) -> Vec<Option<PodId>> {
    let (mut named, mut of_workload) = (0, 0);
    let mut found = Vec::with_capacity(mine.len());
    for pod in mine {
        let own = key(pod);
        while others.get(named).is_some_and(|other| key(other) < own) {
            named += 1;
        }
        let is_of = |other: &Pod| {
            let other = key(other);
            (other.0, other.1, other.2).cmp(&(own.0, own.1, own.2))
        };
        while others.get(of_workload).is_some_and(|other| is_of(other) == Ordering::Less) {
            of_workload += 1;
        }
        let exact = others.get(named).filter(|other| key(other) == own).map(|_| named);
        let first = others.get(of_workload).filter(|other| is_of(other) == Ordering::Equal);
        found.push(exact.or(first.map(|_| of_workload)).map(PodId));
    }
    found
}

fn join(before: &Reachability<'_>, after: &Reachability<'_>) -> Vec<Joint> {
    let (old, new) = (&before.cluster().pods, &after.cluster().pods);
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
    for (position, counterpart) in counterparts(old, new).into_iter().enumerate() {
        add(Some(PodId(position)), counterpart);
    }
    for (position, counterpart) in counterparts(new, old).into_iter().enumerate() {
        // Pods of the same name were joined from the other side.
        if counterpart.is_none_or(|counterpart| key(&old[counterpart.0]) != key(&new[position])) {
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
