//! Port sets as small numbers. Clusters name few different sets, so each is kept once, and each union, intersection and
//! difference is computed once: what port atoms of fixed width would give, without a bound on how many there are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::portset::PortSet;

/// A port set in a [`PortTable`]: equal numbers, equal sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PortsId(u32);

impl PortsId {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(1);
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// Every port set of a computation.
#[derive(Clone, Debug)]
pub(crate) struct PortTable {
    sets: Vec<Arc<PortSet>>,
    ids: HashMap<Arc<PortSet>, PortsId>,
    unions: HashMap<(PortsId, PortsId), PortsId>,
    intersections: HashMap<(PortsId, PortsId), PortsId>,
    differences: HashMap<(PortsId, PortsId), PortsId>,
}

impl PortTable {
    pub(crate) fn new() -> Self {
        let mut table = Self {
            sets: Vec::new(),
            ids: HashMap::new(),
            unions: HashMap::new(),
            intersections: HashMap::new(),
            differences: HashMap::new(),
        };
        table.intern(PortSet::none());
        table.intern(PortSet::all());
        table
    }

    pub(crate) fn intern(&mut self, set: PortSet) -> PortsId {
        if let Some(id) = self.ids.get(&set) {
            return *id;
        }
        let id = PortsId(u32::try_from(self.sets.len()).expect("fewer than 2^32 port sets fit into memory"));
        let set = Arc::new(set);
        self.sets.push(Arc::clone(&set));
        self.ids.insert(set, id);
        id
    }

    pub(crate) fn get(&self, id: PortsId) -> &PortSet {
        &self.sets[id.0 as usize]
    }

    pub(crate) fn union(&mut self, a: PortsId, b: PortsId) -> PortsId {
        match (a, b) {
            (PortsId::ALL, _) | (_, PortsId::ALL) => PortsId::ALL,
            (PortsId::NONE, other) | (other, PortsId::NONE) => other,
            _ if a == b => a,
            _ => self.combine(Operation::Union, a.min(b), a.max(b)),
        }
    }

    pub(crate) fn intersection(&mut self, a: PortsId, b: PortsId) -> PortsId {
        match (a, b) {
            (PortsId::NONE, _) | (_, PortsId::NONE) => PortsId::NONE,
            (PortsId::ALL, other) | (other, PortsId::ALL) => other,
            _ if a == b => a,
            _ => self.combine(Operation::Intersection, a.min(b), a.max(b)),
        }
    }

    pub(crate) fn difference(&mut self, a: PortsId, b: PortsId) -> PortsId {
        match (a, b) {
            (PortsId::NONE, _) | (_, PortsId::ALL) => PortsId::NONE,
            (_, PortsId::NONE) => a,
            _ if a == b => PortsId::NONE,
            _ => self.combine(Operation::Difference, a, b),
        }
    }

    fn combine(&mut self, operation: Operation, a: PortsId, b: PortsId) -> PortsId {
        let known = match operation {
            Operation::Union => &self.unions,
            Operation::Intersection => &self.intersections,
            Operation::Difference => &self.differences,
        };
        if let Some(id) = known.get(&(a, b)) {
            return *id;
        }
        let (left, right) = (self.get(a), self.get(b));
        let result = match operation {
            Operation::Union => left.union(right),
            Operation::Intersection => left.intersection(right),
            Operation::Difference => left.difference(right),
        };
        let id = self.intern(result);
        let known = match operation {
            Operation::Union => &mut self.unions,
            Operation::Intersection => &mut self.intersections,
            Operation::Difference => &mut self.differences,
        };
        known.insert((a, b), id);
        id
    }
}
