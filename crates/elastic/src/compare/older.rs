//! Defaults that came with later releases of the reference: by themselves they are no reason to restart what runs.
//!
//! Where a live pod template was made before such a default, and nothing else about it is the user's, it stays as it was
//! until its version changes.

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, SecurityContext};
use parapet_api::labels;

use crate::monitoring::Beat;
use crate::pod::{KIBANA_MAIN, beat_security};

/// Puts older defaults of `live` into `desired`, if both are of the same version of the stack.
pub(super) fn keep(live: &PodTemplateSpec, desired: &mut PodTemplateSpec) {
    if version(live).is_none() || version(live) != version(desired) {
        return;
    }
    watched_label(live, desired);
    seccomp(live, desired);
    kibana(live, desired);
    beats(live, desired);
}

fn version(template: &PodTemplateSpec) -> Option<&String> {
    let all = template.metadata.as_ref()?.labels.as_ref()?;
    [labels::ELASTICSEARCH_VERSION, labels::KIBANA_VERSION, labels::APM_VERSION]
        .into_iter()
        .find_map(|label| all.get(label))
}

/// 3.5: the label on pods that says that they are watched.
fn watched_label(live: &PodTemplateSpec, desired: &mut PodTemplateSpec) {
    let has = |template: &PodTemplateSpec| {
        let labels = template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
        labels.is_some_and(|all| all.contains_key(labels::WATCHED))
    };
    if !has(live)
        && let Some(all) = desired.metadata.as_mut().and_then(|meta| meta.labels.as_mut())
    {
        all.remove(labels::WATCHED);
    }
}

/// 3.4: Elasticsearch's pods got the runtime's seccomp profile beside their group.
fn seccomp(live: &PodTemplateSpec, desired: &mut PodTemplateSpec) {
    let Some(live) = live.spec.as_ref().and_then(|spec| spec.security_context.as_ref()) else { return };
    let Some(desired) = desired.spec.as_mut().and_then(|spec| spec.security_context.as_mut()) else { return };
    let without = k8s_openapi::api::core::v1::PodSecurityContext { seccomp_profile: None, ..desired.clone() };
    let default = desired.seccomp_profile.as_ref().is_some_and(|profile| profile.type_ == "RuntimeDefault");
    if default && *live == without {
        desired.seccomp_profile = None;
    }
}

/// 3.4: Kibana's memory went from 1 to 2 GiB; 3.5: its probe asks for the status instead of the login page.
fn kibana(live: &PodTemplateSpec, desired: &mut PodTemplateSpec) {
    let main = |template: &PodTemplateSpec| -> Option<Container> {
        template.spec.as_ref()?.containers.iter().find(|one| one.name == KIBANA_MAIN).cloned()
    };
    let is_kibana = |template: &PodTemplateSpec| {
        let labels = template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
        labels.is_some_and(|all| all.contains_key(labels::KIBANA_VERSION))
    };
    let (Some(old), true) = (main(live), is_kibana(desired)) else { return };
    let Some(new) =
        desired.spec.as_mut().and_then(|spec| spec.containers.iter_mut().find(|one| one.name == KIBANA_MAIN))
    else {
        return;
    };
    if only_memory(&old, "1Gi") && only_memory(new, "2Gi") {
        let before = new.resources.clone();
        new.resources.clone_from(&old.resources);
        let Some(spec) = desired.spec.as_mut() else { return };
        for init in spec.init_containers.iter_mut().flatten().filter(|init| init.resources == before) {
            init.resources.clone_from(&old.resources);
        }
    }
    let Some(new) =
        desired.spec.as_mut().and_then(|spec| spec.containers.iter_mut().find(|one| one.name == KIBANA_MAIN))
    else {
        return;
    };
    let path = |container: &Container| container.readiness_probe.as_ref()?.http_get.as_ref()?.path.clone();
    if let (Some(old_path), Some(new_path)) = (path(&old), path(new))
        && let (Some(before), Some(after)) =
            (old_path.strip_suffix("/login"), new_path.strip_suffix("/api/status"))
        && before == after
        && let Some(get) = new.readiness_probe.as_mut().and_then(|probe| probe.http_get.as_mut())
    {
        get.path = Some(old_path);
    }
}

/// The reference gives the Beats beside Kibana no security context.
fn beats(live: &PodTemplateSpec, desired: &mut PodTemplateSpec) {
    let Some(version) = version(desired).and_then(|version| version.parse().ok()) else { return };
    let ours = beat_security(&version);
    let containers = desired.spec.iter_mut().flat_map(|spec| &mut spec.containers);
    for beat in containers.filter(|one| Beat::ALL.iter().any(|beat| beat.name() == one.name)) {
        let old = live.spec.iter().flat_map(|spec| &spec.containers).find(|one| one.name == beat.name);
        let has_none = |old: &Container| {
            old.security_context.as_ref().is_none_or(|context| *context == SecurityContext::default())
        };
        if beat.security_context.as_ref() == Some(&ours)
            && let Some(old) = old.filter(|old| has_none(old))
        {
            beat.security_context.clone_from(&old.security_context);
        }
    }
}

/// Whether a container asks for exactly this memory and nothing else.
fn only_memory(container: &Container, amount: &str) -> bool {
    let Some(resources) = &container.resources else { return false };
    [&resources.requests, &resources.limits].into_iter().all(|map| {
        map.as_ref().is_some_and(|map| map.len() == 1 && map.get("memory").is_some_and(|own| own.0 == amount))
    })
}
