//! One policy changes, and only what depends on it is computed again.

use std::borrow::Cow;

use roaring::RoaringBitmap;

use super::mentions::Mentions;
use super::side::ProfileKey;
use super::{PodId, Reachability, Slot};
use crate::matching::View;
use crate::model::{Direction, NetworkPolicy};

/// A change of one NetworkPolicy.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is new, or replaces the one of the same namespace and name. The namespace must exist.
    Put(NetworkPolicy),
    /// It goes away.
    Remove {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// What an edit took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// Only the classes that the policy selects, or selected, were looked at again.
    Incremental {
        /// How many they are.
        classes: usize,
    },
    /// The policy mentions something that no policy mentioned before (a label key, an address boundary, a port's name),
    /// so that the classes had to be made anew.
    Recomputed,
}

impl<'c> Reachability<'c> {
    /// Applies `change`; every later question is answered as if the cluster had been computed with it.
    pub fn edit(&mut self, change: Change) -> Edited {
        let (namespace, name) = match &change {
            Change::Put(policy) => (policy.namespace.to_string(), policy.name.to_string()),
            Change::Remove { namespace, name } => (namespace.clone(), name.clone()),
        };
        let slot = self.policies.iter().position(|slot| {
            slot.as_ref()
                .is_some_and(|slot| *slot.policy.namespace == *namespace && *slot.policy.name == *name)
        });
        let policy = match change {
            Change::Put(policy) => Some(policy),
            Change::Remove { .. } => None,
        };
        if let Some(policy) = &policy
            && !self.knows_what_it_mentions(policy)
        {
            self.recompute_with(slot, policy.clone());
            return Edited::Recomputed;
        }
        self.replace(slot, policy)
    }

    fn knows_what_it_mentions(&self, policy: &NetworkPolicy) -> bool {
        let mut mentions = Mentions::default();
        mentions.add_network_policy(policy);
        self.classes.are_fine_enough_for(&mentions)
            && mentions.source_blocks.iter().all(|block| self.sources.knows(*block))
            && mentions.destination_blocks.iter().all(|block| self.destinations.knows(*block))
    }

    fn recompute_with(&mut self, slot: Option<usize>, policy: NetworkPolicy) {
        let mut policies: Vec<Option<Cow<'c, NetworkPolicy>>> =
            self.policies.drain(..).map(|slot| slot.map(|slot| slot.policy)).collect();
        match slot {
            Some(slot) => policies[slot] = Some(Cow::Owned(policy)),
            None => policies.push(Some(Cow::Owned(policy))),
        }
        let options = self.options.clone();
        *self = Self::of_policies(self.cluster, policies.into_iter().flatten().collect(), &options, None);
    }

    fn replace(&mut self, slot: Option<usize>, policy: Option<NetworkPolicy>) -> Edited {
        let mut compiler = self.compiler();
        let compiled = policy.map(|policy| {
            let compiled = compiler.network_policy(&policy);
            Slot { policy: Cow::Owned(policy), compiled }
        });
        self.memo = compiler.memo;
        let mut touched: [RoaringBitmap; 2] = std::array::from_fn(|_| RoaringBitmap::new());
        let mut touch = |slot: Option<&Slot<'_>>| {
            let Some(Slot { compiled, .. }) = slot else { return };
            for direction in Direction::BOTH {
                if compiled.rules(direction).is_some() {
                    touched[direction as usize] |= &compiled.subject;
                }
            }
        };
        touch(compiled.as_ref());
        touch(slot.and_then(|slot| self.policies[slot].as_ref()));
        let number = slot.unwrap_or(self.policies.len());
        if number == self.policies.len() {
            self.policies.push(compiled);
        } else {
            self.policies[number] = compiled;
        }
        for direction in Direction::BOTH {
            self.refile(number as u32, &touched[direction as usize], direction);
        }
        self.sets.forget_unused();
        Edited::Incremental { classes: (&touched[0] | &touched[1]).len() as usize }
    }

    /// Files the classes that a slot's old or new policy selects, and computes their profiles.
    fn refile(&mut self, slot: u32, classes: &RoaringBitmap, direction: Direction) {
        let mut keys: Vec<(u32, ProfileKey)> = Vec::new();
        for class in classes {
            let mut key = self.side(direction).profile(class).key.clone();
            key.policies.retain(|policy| *policy != slot);
            let selects = self.policies[slot as usize].as_ref().is_some_and(|policy| {
                policy.compiled.rules(direction).is_some() && policy.compiled.subject.contains(class)
            });
            if selects {
                let at = key.policies.partition_point(|policy| *policy < slot);
                key.policies.insert(at, slot);
            }
            key.ports = None;
            self.side_mut(direction).unfile(class);
            keys.push((class, key));
        }
        // What was computed with the old policy must not be found again.
        let side = self.side_mut(direction);
        side.ids.retain(|key, _| !key.policies.contains(&slot));
        for (class, key) in keys {
            self.file(class, key, direction);
        }
    }

    /// The pods that `policy` selects and can bind.
    pub fn selected(&self, policy: &NetworkPolicy) -> Vec<PodId> {
        let pods = self.cluster.pods.iter().enumerate();
        let view = View { cluster: self.cluster, options: &self.options };
        pods.filter(|(_, pod)| view.selects(policy, pod)).map(|(index, _)| PodId(index)).collect()
    }
}
