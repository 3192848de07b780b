//! Security contexts by application and version.

use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SeccompProfile, SecurityContext};
use parapet_api::StackVersion;

/// The group of the user that all three images run as.
const GROUP: i64 = 1000;

fn runtime_default() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }
}

fn drop_all() -> Capabilities {
    Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }
}

/// Elasticsearch's pods: since 8.0 the image runs without root, so volumes must belong to its group.
pub(super) fn elasticsearch_pod(version: &StackVersion, by_default: bool) -> Option<PodSecurityContext> {
    (by_default && version.at_least(8, 0, 0)).then(|| PodSecurityContext {
        fs_group: Some(GROUP),
        seccomp_profile: Some(runtime_default()),
        ..PodSecurityContext::default()
    })
}

/// Elasticsearch's containers. `data_mounted`: the data folder is a volume, so the image's file system need not be written.
pub(super) fn elasticsearch(version: &StackVersion, data_mounted: bool) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(data_mounted),
        capabilities: version.at_least(8, 0, 0).then(drop_all),
        run_as_non_root: version.at_least(8, 8, 0).then_some(true),
        ..SecurityContext::default()
    }
}

/// The Beats beside an application. Their images name their user by number since 8.8.
pub(crate) fn beat(version: &StackVersion) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(drop_all()),
        run_as_non_root: version.at_least(8, 8, 0).then_some(true),
        ..SecurityContext::default()
    }
}

/// Kibana's pods.
pub(crate) fn kibana_pod() -> PodSecurityContext {
    PodSecurityContext {
        fs_group: Some(GROUP),
        seccomp_profile: Some(runtime_default()),
        ..PodSecurityContext::default()
    }
}

/// Kibana's containers.
pub(crate) fn kibana() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(drop_all()),
        run_as_user: Some(GROUP),
        run_as_group: Some(GROUP),
        ..SecurityContext::default()
    }
}

/// APM Server's pods.
pub(super) fn apm_server_pod() -> PodSecurityContext {
    PodSecurityContext { seccomp_profile: Some(runtime_default()), ..PodSecurityContext::default() }
}
