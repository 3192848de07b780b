//! Kibana's pods as releases before 2.16 of the reference made them: what prepares the configuration stood in the pod template, and
//! there was no ConfigMap with scripts.
//!
//! Where such pods run, all that the operator itself puts around Kibana stays as it is until the version of the stack changes:
//! the first init container, the volumes that later releases added, and security contexts that are no user's.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use parapet_api::labels;

use crate::pod::{
    KEYSTORE_CONTAINER, KIBANA_INIT, KIBANA_SCRIPTS, KIBANA_VOLUMES, kibana_pod_security, kibana_security,
};

/// What the container that prepared the configuration was called.
const OLD_INIT: &str = "elastic-internal-init-config";

/// Puts what `live` has of that into `desired`, if both are of the same version of the stack.
pub(super) fn keep(live: &PodTemplateSpec, desired: &mut PodTemplateSpec) {
    if version(live).is_none() || version(live) != version(desired) {
        return;
    }
    let (Some(live), Some(desired)) = (&live.spec, &mut desired.spec) else { return };
    let Some(old_init) = container(live.init_containers.as_deref(), OLD_INIT) else { return };
    if has_volume(live, KIBANA_SCRIPTS) {
        return;
    }
    init(old_init, live, desired);
    let added: BTreeSet<&str> =
        KIBANA_VOLUMES.iter().copied().filter(|name| !has_volume(live, name)).collect();
    desired.volumes.iter_mut().for_each(|all| all.retain(|one| !added.contains(one.name.as_str())));
    if desired.security_context.as_ref() == Some(&kibana_pod_security()) {
        desired.security_context.clone_from(&live.security_context);
    }
    let contexts = |name: &str| {
        let all = live.containers.iter().chain(live.init_containers.iter().flatten());
        all.into_iter().find(|one| one.name == name).map(|one| one.security_context.clone())
    };
    for one in desired.containers.iter_mut().chain(desired.init_containers.iter_mut().flatten()) {
        if let Some(mounts) = &mut one.volume_mounts {
            mounts.retain(|mount| !added.contains(mount.name.as_str()));
        }
        if one.security_context.as_ref() == Some(&kibana_security())
            && let Some(old) = contexts(&one.name)
        {
            one.security_context = old;
        }
    }
}

fn version(template: &PodTemplateSpec) -> Option<&String> {
    template.metadata.as_ref()?.labels.as_ref()?.get(labels::KIBANA_VERSION)
}

/// The old container in the place of ours, with the image of today, and in the order in which it stood to that of the keystore.
fn init(old: &Container, live: &PodSpec, desired: &mut PodSpec) {
    let Some(all) = &mut desired.init_containers else { return };
    let Some(at) = all.iter().position(|one| one.name == KIBANA_INIT) else { return };
    let old = Container { image: all.remove(at).image, ..old.clone() };
    all.retain(|one| one.name != OLD_INIT);
    let place = |name: &str| live.init_containers.iter().flatten().position(|one| one.name == name);
    let keystore = all.iter().position(|one| one.name == KEYSTORE_CONTAINER);
    let is_behind = place(KEYSTORE_CONTAINER).is_some_and(|keystore| place(OLD_INIT) > Some(keystore));
    let at = match keystore {
        Some(keystore) if is_behind => keystore + 1,
        _ => 0,
    };
    all.insert(at, old);
}

fn container<'a>(all: Option<&'a [Container]>, name: &str) -> Option<&'a Container> {
    all?.iter().find(|one| one.name == name)
}

fn has_volume(spec: &PodSpec, name: &str) -> bool {
    spec.volumes.iter().flatten().any(|volume| volume.name == name)
}
