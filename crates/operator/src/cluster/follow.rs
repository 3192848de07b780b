//! What passes read beside their own objects: who is to be told when it changes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use tokio::task::AbortHandle;

use crate::{ApplicationKey, ObjectKey};

use super::resource::Resource;

/// An object that a pass depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Followed {
    /// Which kind.
    pub resource: Resource,
    /// Which object; it need not exist.
    pub key: ObjectKey,
    /// Whether it is a user's, which the watches of the operator's own objects don't show.
    pub foreign: bool,
}

impl Followed {
    /// An application, or an object that the operator made for one.
    pub fn ours(resource: Resource, namespace: &str, name: &str) -> Self {
        Self { resource, key: ObjectKey::new(namespace, name), foreign: false }
    }

    /// A Secret that a user made.
    pub fn secret(namespace: &str, name: &str) -> Self {
        Self { resource: Resource::Secret, key: ObjectKey::new(namespace, name), foreign: true }
    }

    /// A Service that a user made.
    pub fn service(namespace: &str, name: &str) -> Self {
        Self { resource: Resource::Service, key: ObjectKey::new(namespace, name), foreign: true }
    }

    /// A ConfigMap that a user made.
    pub fn config_map(namespace: &str, name: &str) -> Self {
        Self { resource: Resource::ConfigMap, key: ObjectKey::new(namespace, name), foreign: true }
    }
}

/// Who follows what.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    followed: HashMap<ApplicationKey, BTreeSet<Followed>>,
    followers: HashMap<(Resource, ObjectKey), BTreeSet<ApplicationKey>>,
    /// The watches of users' objects.
    watches: HashMap<(Resource, ObjectKey), AbortHandle>,
}

impl Followers {
    /// Replaces all that `who` follows. `watch` starts the watch of a user's object that nobody followed before; a watch
    /// that nobody needs any more ends. True if anything is followed that wasn't: it may have changed after `who` read it
    /// and before anybody would have told.
    pub(crate) fn set(
        &self,
        who: &ApplicationKey,
        followed: BTreeSet<Followed>,
        watch: impl Fn(Resource, ObjectKey) -> AbortHandle,
    ) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.followed.get(who).is_none_or(BTreeSet::is_empty) && followed.is_empty()
            || state.followed.get(who) == Some(&followed)
        {
            return false;
        }
        let before = state.followed.remove(who).unwrap_or_default();
        for gone in before.difference(&followed) {
            let at = (gone.resource, gone.key.clone());
            let Some(followers) = state.followers.get_mut(&at) else { continue };
            followers.remove(who);
            if followers.is_empty() {
                state.followers.remove(&at);
                if let Some(watch) = state.watches.remove(&at) {
                    watch.abort();
                }
            }
        }
        let mut more = false;
        for new in followed.difference(&before) {
            more = true;
            let at = (new.resource, new.key.clone());
            state.followers.entry(at.clone()).or_default().insert(who.clone());
            if new.foreign && !state.watches.contains_key(&at) {
                state.watches.insert(at, watch(new.resource, new.key.clone()));
            }
        }
        if !followed.is_empty() {
            state.followed.insert(who.clone(), followed);
        }
        more
    }

    /// Who follows that object.
    pub(crate) fn of(&self, resource: Resource, key: &ObjectKey) -> Vec<ApplicationKey> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.followers.get(&(resource, key.clone())).into_iter().flatten().cloned().collect()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.watches.values().for_each(AbortHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use parapet_api::Kind;

    use super::*;

    #[tokio::test]
    async fn one_watch_per_object_while_somebody_follows_it() {
        let followers = Followers::default();
        let started = RefCell::new(Vec::new());
        let watch = |_, key: ObjectKey| {
            started.borrow_mut().push(key.name.to_string());
            tokio::spawn(std::future::pending::<()>()).abort_handle()
        };
        let (one, two) = (
            ApplicationKey::new(Kind::Elasticsearch, "ns", "one"),
            ApplicationKey::new(Kind::Kibana, "ns", "two"),
        );
        let secret = Followed::secret("ns", "certificate");
        let target = Followed::ours(Resource::Application(Kind::Elasticsearch), "ns", "one");
        assert!(followers.set(&one, [secret.clone()].into(), watch));
        assert!(followers.set(&two, [secret.clone(), target.clone()].into(), watch));
        assert!(!followers.set(&two, [secret.clone(), target.clone()].into(), watch), "nothing was added");
        assert_eq!(*started.borrow(), ["certificate"]);
        assert_eq!(followers.of(Resource::Secret, &secret.key), [one.clone(), two.clone()]);
        assert_eq!(followers.of(target.resource, &target.key), std::slice::from_ref(&two));
        assert!(followers.of(Resource::ConfigMap, &secret.key).is_empty());

        followers.set(&one, BTreeSet::new(), watch);
        assert_eq!(followers.state.lock().unwrap().watches.len(), 1, "the other still follows it");
        assert!(!followers.set(&two, [target.clone()].into(), watch), "one was taken away");
        assert_eq!(followers.state.lock().unwrap().watches.len(), 0);
        assert!(followers.of(Resource::Secret, &secret.key).is_empty());
        followers.set(&two, BTreeSet::new(), watch);
        assert!(followers.of(target.resource, &target.key).is_empty());
        assert!(followers.state.lock().unwrap().followed.is_empty());
    }
}
