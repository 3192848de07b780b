//! All verdicts, row by row: equal rows are computed and handed out once, and no more than one row is held.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::ports::{PortTable, PortsId};
use super::side::Part;
use super::{AddressRange, Direction, PodId, Reachability};
use crate::portset::PortSet;

/// Sources with the same verdicts, and those verdicts.
#[derive(Clone, Debug)]
pub struct Row {
    /// Classes of pods that are sources.
    pub source_classes: Vec<usize>,
    /// Outside ranges that are sources: indices into [`Reachability::external_ranges`] of ingress.
    pub source_ranges: Vec<usize>,
    /// Destinations by what they allow; nothing is left out but what allows nothing.
    pub groups: Vec<RowGroup>,
}

/// Destinations of a row that allow the same.
#[derive(Clone, Debug)]
pub struct RowGroup {
    /// The ports; never empty.
    pub ports: Arc<PortSet>,
    /// Classes of pods.
    pub classes: RoaringBitmap,
    /// Outside ranges: indices into [`Reachability::external_ranges`] of egress.
    pub ranges: RoaringBitmap,
}

/// An ingress profile and what exceptional sources get from it.
type ForProfile = (u32, PortsId);

/// Where a destination's half differs from what it says to most.
struct Exceptions {
    /// Sets of sources that are exceptions for somebody, and for whom.
    sets: Vec<(Arc<RoaringBitmap>, Vec<ForProfile>)>,
    /// By profile: what most sources get.
    usual: Vec<PortsId>,
    /// What most sources get, with the destinations that say so.
    base: BTreeMap<PortsId, RoaringBitmap>,
}

impl Reachability<'_> {
    /// Hands every row to `visit`. The verdict of a class with itself is the one between two different pods of it.
    ///
    /// Memory: one row and the grouping of sources, not the square of the cluster.
    pub fn rows(&self, mut visit: impl FnMut(Row)) {
        let mut table = self.ports.clone();
        let exceptions = self.exceptions();
        let classes = self.classes.len();
        let mut everything_inside = RoaringBitmap::new();
        everything_inside.insert_range(0..classes);
        let outside = [Part { peers: Arc::new(everything_inside), ports: PortsId::ALL }];
        let mut kept: HashMap<PortsId, Arc<PortSet>> = HashMap::new();
        for ((egress, sets), sources) in self.equal_sources(&exceptions) {
            let ingress = self.ingress_groups(&exceptions, &sets, egress.is_some());
            let egress = match egress {
                Some(profile) => self.egress.profiles[profile as usize].parts.as_slice(),
                None => &outside,
            };
            let groups = intersect(egress, &ingress, &mut table).into_iter().map(|(ports, mut peers)| {
                let ranges =
                    peers.iter().skip_while(|peer| *peer < classes).map(|peer| peer - classes).collect();
                peers.remove_range(classes..);
                let ports = kept.entry(ports).or_insert_with(|| Arc::new(table.get(ports).clone()));
                RowGroup { ports: Arc::clone(ports), classes: peers, ranges }
            });
            let groups = groups.collect();
            let (source_classes, source_ranges): (Vec<u32>, Vec<u32>) =
                sources.into_iter().partition(|source| *source < classes);
            visit(Row {
                source_classes: source_classes.into_iter().map(|class| class as usize).collect(),
                source_ranges: source_ranges.into_iter().map(|range| (range - classes) as usize).collect(),
                groups,
            });
        }
    }

    /// How many pods a class has, replicas counted.
    pub fn class_size(&self, class: usize) -> u64 {
        self.classes.all[class].pods
    }

    /// The first pod of a class.
    pub fn class_example(&self, class: usize) -> PodId {
        PodId(self.classes.all[class].example as usize)
    }

    /// One outside range of a row.
    pub fn external_range(&self, direction: Direction, index: usize) -> AddressRange {
        self.atoms(direction).range(index)
    }

    fn exceptions(&self) -> Exceptions {
        let mut sets: Vec<(Arc<RoaringBitmap>, Vec<ForProfile>)> = Vec::new();
        let mut position: HashMap<*const RoaringBitmap, usize> = HashMap::new();
        let mut base: BTreeMap<PortsId, RoaringBitmap> = BTreeMap::new();
        let mut usual = Vec::with_capacity(self.ingress.profiles.len());
        for (id, profile) in self.ingress.profiles.iter().enumerate() {
            let largest = profile.largest();
            let most = largest.map_or(PortsId::NONE, |index| profile.parts[index].ports);
            usual.push(most);
            *base.entry(most).or_default() |= &profile.members;
            if profile.members.is_empty() {
                continue;
            }
            for (index, part) in profile.parts.iter().enumerate() {
                if Some(index) == largest {
                    continue;
                }
                // Equal sets are one allocation.
                let at = *position.entry(Arc::as_ptr(&part.peers)).or_insert_with(|| {
                    sets.push((Arc::clone(&part.peers), Vec::new()));
                    sets.len() - 1
                });
                sets[at].1.push((id as u32, part.ports));
            }
        }
        Exceptions { sets, usual, base }
    }

    /// Sources that have the same egress profile (None: outside) and are the same destinations' exceptions.
    fn equal_sources(&self, exceptions: &Exceptions) -> BTreeMap<(Option<u32>, Vec<u32>), Vec<u32>> {
        let sources = self.classes.len() as usize + self.sources.len();
        let mut sets_of: Vec<Vec<u32>> = vec![Vec::new(); sources];
        for (set, (members, _)) in exceptions.sets.iter().enumerate() {
            for member in &**members {
                sets_of[member as usize].push(set as u32);
            }
        }
        let mut equal: BTreeMap<(Option<u32>, Vec<u32>), Vec<u32>> = BTreeMap::new();
        for (source, sets) in sets_of.into_iter().enumerate() {
            let egress = self.egress.of_class.get(source).copied();
            equal.entry((egress, sets)).or_default().push(source as u32);
        }
        equal
    }

    /// Destinations by what their own side says to sources in these exceptions.
    fn ingress_groups(
        &self,
        exceptions: &Exceptions,
        sets: &[u32],
        to_outside: bool,
    ) -> BTreeMap<PortsId, RoaringBitmap> {
        let mut groups = exceptions.base.clone();
        for set in sets {
            for (profile, ports) in &exceptions.sets[*set as usize].1 {
                let members = &self.ingress.profiles[*profile as usize].members;
                if let Some(usual) = groups.get_mut(&exceptions.usual[*profile as usize]) {
                    *usual -= members;
                }
                *groups.entry(*ports).or_default() |= members;
            }
        }
        if to_outside {
            let first = self.classes.len();
            let last = first + self.destinations.len() as u32;
            groups.entry(PortsId::ALL).or_default().insert_range(first..last);
        }
        groups.remove(&PortsId::NONE);
        groups
    }
}

fn intersect(
    egress: &[Part],
    ingress: &BTreeMap<PortsId, RoaringBitmap>,
    table: &mut PortTable,
) -> BTreeMap<PortsId, RoaringBitmap> {
    let mut both: BTreeMap<PortsId, RoaringBitmap> = BTreeMap::new();
    for part in egress.iter().filter(|part| part.ports != PortsId::NONE) {
        for (ports, destinations) in ingress {
            let ports = table.intersection(part.ports, *ports);
            if ports == PortsId::NONE {
                continue;
            }
            let here = &*part.peers & destinations;
            if !here.is_empty() {
                *both.entry(ports).or_default() |= here;
            }
        }
    }
    both
}
