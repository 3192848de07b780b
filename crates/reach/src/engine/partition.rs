//! Peers grouped by what has been decided about them so far, while the rules of one side are applied in order.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::ports::{PortTable, PortsId};
use crate::model::Action;

/// What is decided for one group of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decided {
    /// No rule of this tier has said anything yet.
    pub(crate) open: PortsId,
    /// Allowed, finally.
    pub(crate) allowed: PortsId,
    /// A rule of this tier has passed it on.
    pub(crate) passed: PortsId,
}

impl Decided {
    /// Nothing yet.
    pub(crate) const NOTHING: Self =
        Self { open: PortsId::ALL, allowed: PortsId::NONE, passed: PortsId::NONE };

    /// After one rule of an ordered tier: it decides what is still open.
    pub(crate) fn by_rule(self, action: Action, ports: PortsId, table: &mut PortTable) -> Self {
        let matched = table.intersection(self.open, ports);
        let mut next = Self { open: table.difference(self.open, ports), ..self };
        match action {
            Action::Allow => next.allowed = table.union(self.allowed, matched),
            Action::Pass => next.passed = table.union(self.passed, matched),
            Action::Deny => {}
        }
        next
    }

    /// At the end of a tier: what is open or passed on is the next tier's.
    pub(crate) fn next_tier(self, table: &mut PortTable) -> Self {
        let open = table.union(self.open, self.passed);
        Self { open, passed: PortsId::NONE, ..self }
    }

    /// After an unordered allowing rule.
    pub(crate) fn allow(self, ports: PortsId, table: &mut PortTable) -> Self {
        let matched = table.intersection(self.open, ports);
        Self { allowed: table.union(self.allowed, matched), ..self }
    }

    /// After a layer that only takes away.
    pub(crate) fn narrow(self, ports: PortsId, table: &mut PortTable) -> Self {
        Self { allowed: table.intersection(self.allowed, ports), ..self }
    }

    /// When nobody else has a say: what is open is allowed.
    pub(crate) fn default_allow(self, table: &mut PortTable) -> Self {
        Self { allowed: table.union(self.allowed, self.open), ..self }
    }
}

/// Peers by what is decided about them.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    parts: BTreeMap<Decided, RoaringBitmap>,
}

impl Partition {
    pub(crate) fn new(everybody: RoaringBitmap) -> Self {
        Self { parts: BTreeMap::from([(Decided::NOTHING, everybody)]) }
    }

    /// Applies a decision to the peers in `set`.
    pub(crate) fn apply(&mut self, set: &RoaringBitmap, mut decide: impl FnMut(Decided) -> Decided) {
        let mut moved: Vec<(Decided, RoaringBitmap)> = Vec::new();
        for (decided, peers) in &mut self.parts {
            let next = decide(*decided);
            if next == *decided {
                continue;
            }
            let here = &*peers & set;
            if !here.is_empty() {
                *peers -= &here;
                moved.push((next, here));
            }
        }
        for (decided, peers) in moved {
            *self.parts.entry(decided).or_default() |= peers;
        }
        self.parts.retain(|_, peers| !peers.is_empty());
    }

    /// Applies a decision to every peer.
    pub(crate) fn apply_to_all(&mut self, mut decide: impl FnMut(Decided) -> Decided) {
        let mut parts: BTreeMap<Decided, RoaringBitmap> = BTreeMap::new();
        for (decided, peers) in std::mem::take(&mut self.parts) {
            *parts.entry(decide(decided)).or_default() |= peers;
        }
        self.parts = parts;
    }

    /// The peers by what is allowed to them in the end; together they are everybody.
    pub(crate) fn into_allowed(self) -> BTreeMap<PortsId, RoaringBitmap> {
        let mut allowed: BTreeMap<PortsId, RoaringBitmap> = BTreeMap::new();
        for (decided, peers) in self.parts {
            *allowed.entry(decided.allowed).or_default() |= peers;
        }
        allowed
    }
}
