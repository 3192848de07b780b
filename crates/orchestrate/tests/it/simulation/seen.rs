//! What the operator has seen of Kubernetes: its own writes at once, all else when the watches get to it, each kind in its own time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Objects of one kind, as they are and as a watch has told of them so far.
#[derive(Clone, Debug)]
pub(super) struct Watched<T> {
    /// As they are.
    live: BTreeMap<String, (u64, T)>,
    /// As the operator knows them.
    seen: BTreeMap<String, (u64, T)>,
    /// What the watch has yet to tell: a name, a version, and what is there; nothing if it is gone.
    untold: VecDeque<(String, u64, Option<T>)>,
    /// Versions of what the operator itself deleted: a watch that tells of it later tells nothing new.
    tombstones: BTreeMap<String, u64>,
    version: u64,
}

impl<T> Default for Watched<T> {
    fn default() -> Self {
        Self {
            live: BTreeMap::new(),
            seen: BTreeMap::new(),
            untold: VecDeque::new(),
            tombstones: BTreeMap::new(),
            version: 0,
        }
    }
}

impl<T: Clone + PartialEq> Watched<T> {
    /// Takes note of what is there now.
    pub(super) fn note(&mut self, now: impl IntoIterator<Item = (String, T)>) {
        let mut names = BTreeSet::new();
        for (name, object) in now {
            names.insert(name.clone());
            if self.live.get(&name).is_some_and(|(_, known)| *known == object) {
                continue;
            }
            self.version += 1;
            self.live.insert(name.clone(), (self.version, object.clone()));
            self.untold.push_back((name, self.version, Some(object)));
        }
        let gone: Vec<String> = self.live.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            self.version += 1;
            self.live.remove(&name);
            self.untold.push_back((name, self.version, None));
        }
    }

    /// The watch tells of so many changes.
    pub(super) fn tell(&mut self, changes: usize) {
        for _ in 0..changes {
            let Some((name, version, object)) = self.untold.pop_front() else { return };
            let newest = self.seen.get(&name).map(|(version, _)| *version);
            let newest = newest.max(self.tombstones.get(&name).copied());
            if newest.is_some_and(|newest| newest >= version) {
                continue;
            }
            match object {
                Some(object) => drop(self.seen.insert(name, (version, object))),
                None => drop(self.seen.remove(&name)),
            }
        }
    }

    /// The watch tells until an object is known so, or of everything.
    pub(super) fn tell_until(&mut self, name: &str, is_so: impl Fn(&T) -> bool) {
        while !self.untold.is_empty() && !self.get(name).is_some_and(&is_so) {
            self.tell(1);
        }
    }

    /// The watch tells of everything.
    pub(super) fn tell_all(&mut self) {
        self.tell(self.untold.len());
    }

    /// The operator has written the object, and was answered with what is there now.
    pub(super) fn answered(&mut self, name: &str) {
        match self.live.get(name) {
            Some(object) => drop(self.seen.insert(name.to_owned(), object.clone())),
            None => {
                self.seen.remove(name);
                self.tombstones.insert(name.to_owned(), self.version);
            }
        }
    }

    /// Whether the operator knows the object as it is.
    pub(super) fn is_current(&self, name: &str) -> bool {
        self.live.get(name).map(|(version, _)| version) == self.seen.get(name).map(|(version, _)| version)
    }

    /// What the operator knows, with the version of each.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&String, u64, &T)> {
        self.seen.iter().map(|(name, (version, object))| (name, *version, object))
    }

    /// An object as the operator knows it.
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.seen.get(name).map(|(_, object)| object)
    }
}
