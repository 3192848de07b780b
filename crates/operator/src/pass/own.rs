//! The objects of one application, as a pass looks for them and writes them.

use std::sync::Arc;

use parapet_elastic::compare::Compare;

use super::Context;
use crate::ObjectKey;
use crate::cluster::{Applied, Cached, ClusterError, Outcome};

/// Looks for an application's own objects, and writes them.
///
/// Those of a new application aren't asked for, a call for each, but taken for not there if no watch has shown them. One that is
/// there nevertheless, such as the Secret of a password that the user chose beforehand, can't be made then: the pass ends with a
/// conflict, and the next one, to which the application isn't new any more, asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    pub(super) cx: &'a Context,
    is_new: bool,
}

impl<'a> Own<'a> {
    /// `is_new`: the object that passes make first wasn't there when this one began.
    pub(super) fn new(cx: &'a Context, is_new: bool) -> Self {
        Self { cx, is_new: is_new && !cx.cluster.is_recording() }
    }

    /// The object, if it is there.
    pub(super) async fn find<K: Cached>(
        self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<K>>, ClusterError> {
        match self.is_new {
            true => Ok(self.cx.cluster.get(namespace, name)),
            false => self.cx.cluster.find(namespace, name).await,
        }
    }

    /// Makes the object, or changes what differs.
    ///
    /// # Errors
    /// [`ClusterError::Raced`] if it was taken for not there and is.
    pub(super) async fn apply<K: Cached + Compare>(self, desired: &K) -> Result<Applied<K>, ClusterError> {
        let key = ObjectKey::of(desired.meta());
        if self.is_new && !self.cx.cluster.has::<K>(&key.namespace, &key.name) {
            let object = self.cx.cluster.create(desired).await?;
            return Ok(Applied { object, outcome: Outcome::Created });
        }
        self.cx.apply(desired).await
    }
}
