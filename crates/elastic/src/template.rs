//! A user's pod template over ours: what the user wrote stays, what is absent is filled in.
//!
//! The lists that Kubernetes merges by key are merged by the same key: containers, init containers, volumes, variables and
//! ports by name, mounts by name or path. Probes, hooks, security contexts, resources and affinity are taken whole.

mod by_key;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};

pub(crate) use by_key::{add_env, add_mounts, add_ports, add_volumes};

/// What a pod needs, besides its user's template.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    /// Metadata, volumes, settings of the pod, and the main container alone.
    pub template: PodTemplateSpec,
    /// Init containers that come before the user's, in this order. A user's one of the same name takes the place of its
    /// namesake and keeps its own values.
    pub init: Vec<Container>,
    /// Variables that every init container gets before those of the main container.
    pub init_env: Vec<EnvVar>,
    /// Whether init containers get the main container's variables too.
    pub share_env: bool,
}

/// Merges `user` over `ours`, whose template must hold the main container and no other.
///
/// The result is a fixed point: merged again over `ours` it stays as it is.
pub fn merge(user: PodTemplateSpec, ours: Ours) -> PodTemplateSpec {
    let mut merged = user;
    fill_metadata(&mut merged, &ours.template);
    let mut spec = merged.spec.take().unwrap_or_default();
    let base = ours.template.spec.unwrap_or_default();
    fill_pod(&mut spec, &base);
    let default_context = base.containers.first().and_then(|main| main.security_context.clone());
    let mut main_name = String::new();
    for main in base.containers {
        main_name.clone_from(&main.name);
        match spec.containers.iter_mut().find(|container| container.name == main.name) {
            Some(container) => fill_container(container, main),
            None => {
                let mut container = Container { name: main.name.clone(), ..Container::default() };
                fill_container(&mut container, main);
                spec.containers.push(container);
            }
        }
    }
    place_init_containers(&mut spec, ours.init);
    let main =
        spec.containers.iter().find(|container| container.name == main_name).cloned().unwrap_or_default();
    for init in spec.init_containers.iter_mut().flatten() {
        inherit(init, &main, &ours.init_env, ours.share_env);
    }
    let all = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for container in all {
        if container.security_context.is_none() {
            container.security_context.clone_from(&default_context);
        }
    }
    merged.spec = Some(spec);
    merged
}

fn fill_metadata(user: &mut PodTemplateSpec, ours: &PodTemplateSpec) {
    let Some(base) = &ours.metadata else { return };
    let metadata = user.metadata.get_or_insert_default();
    fill_map(&mut metadata.labels, base.labels.as_ref());
    fill_map(&mut metadata.annotations, base.annotations.as_ref());
}

/// Adds the keys that are absent.
pub(crate) fn fill_map(user: &mut Option<BTreeMap<String, String>>, ours: Option<&BTreeMap<String, String>>) {
    let Some(ours) = ours.filter(|map| !map.is_empty()) else { return };
    let user = user.get_or_insert_default();
    for (key, value) in ours {
        user.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn fill<T: Clone>(user: &mut Option<T>, ours: &Option<T>) {
    if user.is_none() {
        user.clone_from(ours);
    }
}

fn fill_pod(user: &mut PodSpec, ours: &PodSpec) {
    fill(&mut user.affinity, &ours.affinity);
    fill(&mut user.automount_service_account_token, &ours.automount_service_account_token);
    fill(&mut user.security_context, &ours.security_context);
    fill(&mut user.termination_grace_period_seconds, &ours.termination_grace_period_seconds);
    add_volumes(&mut user.volumes, ours.volumes.as_deref().unwrap_or_default());
    for constraint in ours.topology_spread_constraints.iter().flatten() {
        let constraints = user.topology_spread_constraints.get_or_insert_default();
        if !constraints.iter().any(|own| own.topology_key == constraint.topology_key) {
            constraints.push(constraint.clone());
        }
    }
}

/// The values of `ours` where `user` has none; the name stays the user's.
pub(crate) fn fill_container(user: &mut Container, ours: Container) {
    fill(&mut user.image, &ours.image);
    fill(&mut user.image_pull_policy, &ours.image_pull_policy);
    fill(&mut user.command, &ours.command);
    fill(&mut user.args, &ours.args);
    fill(&mut user.lifecycle, &ours.lifecycle);
    fill(&mut user.readiness_probe, &ours.readiness_probe);
    fill(&mut user.security_context, &ours.security_context);
    fill_resources(user, &ours);
    add_env(&mut user.env, ours.env.as_deref().unwrap_or_default());
    add_ports(&mut user.ports, ours.ports.as_deref().unwrap_or_default());
    add_mounts(&mut user.volume_mounts, ours.volume_mounts.as_deref().unwrap_or_default());
}

/// A default limit beside a user's request could be below it, so resources are taken whole or not at all.
fn fill_resources(user: &mut Container, ours: &Container) {
    let given = user.resources.as_ref().is_some_and(|resources| {
        let set = |map: &Option<BTreeMap<_, _>>| map.as_ref().is_some_and(|map| !map.is_empty());
        set(&resources.requests) || set(&resources.limits)
    });
    if given {
        return;
    }
    if let Some(defaults) = &ours.resources {
        let resources = user.resources.get_or_insert_default();
        resources.requests.clone_from(&defaults.requests);
        resources.limits.clone_from(&defaults.limits);
    }
}

/// Ours first, in their order, each filled into its namesake among the user's; then the user's others.
fn place_init_containers(spec: &mut PodSpec, ours: Vec<Container>) {
    let mut theirs = spec.init_containers.take().unwrap_or_default();
    let mut all = Vec::with_capacity(ours.len() + theirs.len());
    for container in ours {
        match theirs.iter().position(|user| user.name == container.name) {
            Some(position) => {
                let mut user = theirs.remove(position);
                fill_container(&mut user, container);
                all.push(user);
            }
            None => {
                let mut filled = Container { name: container.name.clone(), ..Container::default() };
                fill_container(&mut filled, container);
                all.push(filled);
            }
        }
    }
    all.append(&mut theirs);
    spec.init_containers = (!all.is_empty()).then_some(all);
}

/// Init containers run what the main container has: its image, mounts and resources, so that a plugin can be installed by
/// a container of three lines.
fn inherit(init: &mut Container, main: &Container, env: &[EnvVar], share_env: bool) {
    fill(&mut init.image, &main.image);
    fill_resources(init, main);
    add_env(&mut init.env, env);
    if share_env {
        add_env(&mut init.env, main.env.as_deref().unwrap_or_default());
    }
    add_mounts(&mut init.volume_mounts, main.volume_mounts.as_deref().unwrap_or_default());
}
