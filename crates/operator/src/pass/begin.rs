//! What a pass of any kind begins with: the application, if there is something to do for it.

use std::sync::Arc;

use serde::Serialize;

use super::{Context, PassError, refused};
use crate::ApplicationKey;
use crate::cluster::{Custom, Managed, Unreadable};

/// The application. `None` where nothing is to be done: one that is gone was cleaned up after, of one that can't be read was
/// told, with the `status` that it gets then, and one that goes, is left to its user or is in a namespace that isn't looked after
/// is left alone.
pub(super) async fn begin<K: Managed, S: Serialize>(
    cx: &Context,
    key: &ApplicationKey,
    status: impl FnOnce(&Unreadable) -> S,
) -> Result<Option<Arc<Custom<K>>>, PassError> {
    if !cx.cluster.manages(&key.object.namespace) {
        // Timers, looks at Elasticsearch and referrers ask for passes, too, and know nothing of namespaces.
        cx.release(key);
        return Ok(None);
    }
    let Some(found) = cx.cluster.application::<K>(&key.object.namespace, &key.object.name) else {
        cx.forget(key).await?;
        return Ok(None);
    };
    cx.meet(key, found.metadata());
    match &*found {
        Custom::Valid(object)
            if object.meta().deletion_timestamp.is_some() || refused::unmanaged(&**object) =>
        {
            Ok(None)
        }
        Custom::Valid(_) => Ok(Some(found)),
        Custom::Unreadable(unreadable) => {
            let status = status(unreadable);
            refused::unreadable::<K>(cx, unreadable, &status).await?;
            Ok(None)
        }
    }
}
