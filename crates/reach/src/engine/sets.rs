//! Sets of classes and addresses, each kept once, so that what is the same is computed once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use roaring::RoaringBitmap;

/// How many elements take part in a hash: enough to tell real sets apart, few enough to stay cheap.
const HASHED_ELEMENTS: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct SetTable {
    by_hash: HashMap<u64, Vec<Arc<RoaringBitmap>>>,
}

impl SetTable {
    /// The one copy of `set`; equal sets share their allocation.
    pub(crate) fn intern(&mut self, set: RoaringBitmap) -> Arc<RoaringBitmap> {
        let candidates = self.by_hash.entry(hash(&set)).or_default();
        if let Some(known) = candidates.iter().find(|known| ***known == set) {
            return Arc::clone(known);
        }
        let set = Arc::new(set);
        candidates.push(Arc::clone(&set));
        set
    }

    /// Forgets sets that nobody else holds any more.
    pub(crate) fn forget_unused(&mut self) {
        self.by_hash.retain(|_, sets| {
            sets.retain(|set| Arc::strong_count(set) > 1);
            !sets.is_empty()
        });
    }
}

fn hash(set: &RoaringBitmap) -> u64 {
    let mut hasher = DefaultHasher::new();
    (set.len(), set.max()).hash(&mut hasher);
    for element in set.iter().take(HASHED_ELEMENTS) {
        element.hash(&mut hasher);
    }
    hasher.finish()
}
