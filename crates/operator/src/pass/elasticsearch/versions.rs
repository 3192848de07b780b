//! Whether a formed cluster may go from the versions that its nodes run to the one that is specified: the webhook would refuse
//! what is not, and may not be installed.

use k8s_openapi::api::core::v1::Pod;
use parapet_api::validate::FieldError;
use parapet_api::{Application as _, Elasticsearch, StackVersion, annotations, labels};
use parapet_orchestrate::{UpgradeRefused, upgrade_allowed};

use super::status::ready;
use crate::pass::Context;

/// Why it may not. A node that never became ready says nothing: it may be what the specification is to repair.
pub(super) fn refused(cx: &Context, es: &Elasticsearch) -> Option<FieldError> {
    let formed = es.annotation(annotations::CLUSTER_UUID).is_some_and(|uuid| !uuid.is_empty());
    let to: StackVersion = es.spec.version.parse().ok().filter(|_| formed)?;
    let pods =
        cx.cluster.labelled::<Pod>(Some(es.object_namespace()), labels::CLUSTER_NAME, es.object_name());
    let versions = pods.iter().filter(|pod| ready(pod)).filter_map(|pod| {
        pod.metadata.labels.as_ref()?.get(labels::ELASTICSEARCH_VERSION)?.parse::<StackVersion>().ok()
    });
    let down_anyway = es.annotation(annotations::DISABLE_DOWNGRADE_VALIDATION) == Some("true");
    let refused = versions.filter_map(|from| upgrade_allowed(&from, &to).err());
    let mut refused =
        refused.filter(|refused| !(down_anyway && matches!(refused, UpgradeRefused::Downgrade { .. })));
    refused.next().map(|refused| FieldError::forbidden("spec.version", refused.to_string()))
}
