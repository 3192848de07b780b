//! One direction: classes that the same policies select share a profile, and a profile says which peers may connect to
//! which ports.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::ports::PortsId;

/// What a class's half of the verdict depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ProfileKey {
    /// NetworkPolicies that isolate it, sorted.
    pub(crate) policies: Vec<u32>,
    /// Administrators' policies about it, in their order.
    pub(crate) admin: Vec<u32>,
    /// Its named ports, if a rule of those policies asks for a port by name.
    pub(crate) ports: Option<u32>,
    /// What the mesh applies to it; 0 is nothing.
    pub(crate) mesh: u32,
}

/// Peers and what they may connect to. A profile's parts are disjoint and together they are everybody.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) peers: Arc<RoaringBitmap>,
    pub(crate) ports: PortsId,
}

/// Classes with equal halves.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) key: ProfileKey,
    pub(crate) members: RoaringBitmap,
    pub(crate) parts: Vec<Part>,
}

impl Profile {
    /// What `peer` may connect to.
    pub(crate) fn ports(&self, peer: u32) -> PortsId {
        let part = self.parts.iter().find(|part| part.peers.contains(peer));
        part.map_or(PortsId::NONE, |part| part.ports)
    }

    /// The part with most peers; others are exceptions to it.
    pub(crate) fn largest(&self) -> Option<usize> {
        let sizes = self.parts.iter().enumerate().map(|(index, part)| (part.peers.len(), index));
        sizes.max().map(|(_, index)| index)
    }
}

/// Every class's profile of one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    pub(crate) of_class: Vec<u32>,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) ids: HashMap<ProfileKey, u32>,
}

impl Side {
    /// The profile of a class.
    pub(crate) fn profile(&self, class: u32) -> &Profile {
        &self.profiles[self.of_class[class as usize] as usize]
    }

    /// Files `class` under `key`; true if nobody computed that profile's parts yet.
    pub(crate) fn file(&mut self, class: u32, key: ProfileKey) -> (u32, bool) {
        let (id, new) = match self.ids.get(&key) {
            Some(id) => (*id, false),
            None => {
                let id = self.profiles.len() as u32;
                self.ids.insert(key.clone(), id);
                self.profiles.push(Profile { key, members: RoaringBitmap::new(), parts: Vec::new() });
                (id, true)
            }
        };
        if self.of_class.len() <= class as usize {
            self.of_class.resize(class as usize + 1, id);
        }
        self.of_class[class as usize] = id;
        self.profiles[id as usize].members.insert(class);
        (id, new)
    }

    /// Takes `class` out of its profile, before it is filed anew.
    pub(crate) fn unfile(&mut self, class: u32) {
        let id = self.of_class[class as usize];
        self.profiles[id as usize].members.remove(class);
    }
}
