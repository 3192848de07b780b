//! What may not change. Asked by the webhook alone: without it, the reconciler carries such changes out as far as it can.

use super::claims::{self, Live};
use super::versions;
use crate::{ApmServer, Application, Elasticsearch, FieldError, Kibana, annotations};

/// What is wrong with changing `old` into `new`; besides [`super::elasticsearch`].
pub fn elasticsearch(old: &Elasticsearch, new: &Elasticsearch, live: Option<Live<'_>>) -> Vec<FieldError> {
    let mut found = version(old, new);
    let running = old.status.as_ref().and_then(|status| status.version.as_deref());
    let current = running.filter(|version| !version.is_empty()).unwrap_or(old.version());
    found.extend(versions::upgrade_path(current, new.version()));
    found.extend(live.into_iter().flat_map(|live| claims::changed(new, live)));
    found
}

/// What is wrong with changing `old` into `new`; besides [`super::kibana`].
pub fn kibana(old: &Kibana, new: &Kibana) -> Vec<FieldError> {
    version(old, new)
}

/// What is wrong with changing `old` into `new`; besides [`super::apm_server`].
pub fn apm_server(old: &ApmServer, new: &ApmServer) -> Vec<FieldError> {
    version(old, new)
}

fn version<K: Application>(old: &K, new: &K) -> Vec<FieldError> {
    if new.annotation(annotations::DISABLE_DOWNGRADE_VALIDATION) == Some("true") {
        return Vec::new();
    }
    versions::no_downgrade(old.version(), new.version()).into_iter().collect()
}
