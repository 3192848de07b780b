//! How much one caller may have under way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests and streams of one user or token at once: a console with several tabs, each loading a page of panels.
const MAX_PER_PRINCIPAL: usize = 32;

/// Counts what each caller has under way. It holds one entry a caller with something under way, so the number of
/// connections bounds it.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    under_way: Mutex<HashMap<String, usize>>,
}

/// A place, taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    guard: Arc<Guard>,
    principal: String,
}

impl Guard {
    /// A place for one more request of `principal`; `None` if it has too many.
    pub(crate) fn enter(self: &Arc<Self>, principal: String) -> Option<Place> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(principal.clone()).or_default();
        if *count >= MAX_PER_PRINCIPAL {
            return None;
        }
        *count += 1;
        Some(Place { guard: self.clone(), principal })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.guard.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_per_principal_and_come_back() {
        let guard = Arc::new(Guard::default());
        let mut mine: Vec<_> = (0..MAX_PER_PRINCIPAL).map(|_| guard.enter("a".into()).unwrap()).collect();
        assert!(guard.enter("a".into()).is_none());
        let others = guard.enter("b".into()).unwrap();
        mine.pop();
        mine.push(guard.enter("a".into()).unwrap());
        drop((mine, others));
        assert!(guard.under_way.lock().unwrap().is_empty());
    }
}
