//! Lists that are merged by a key: what is there stays, what is missing is added.

use k8s_openapi::api::core::v1::{ContainerPort, EnvVar, Volume, VolumeMount};

/// Adds variables whose name is missing, behind those that are there: a variable may refer to earlier ones.
pub(crate) fn add_env(user: &mut Option<Vec<EnvVar>>, ours: &[EnvVar]) {
    for variable in ours {
        let list = user.get_or_insert_default();
        if !list.iter().any(|own| own.name == variable.name) {
            list.push(variable.clone());
        }
    }
}

/// Adds ports whose name is missing, and sorts by name.
pub(crate) fn add_ports(user: &mut Option<Vec<ContainerPort>>, ours: &[ContainerPort]) {
    for port in ours {
        let list = user.get_or_insert_default();
        if !list.iter().any(|own| own.name == port.name) {
            list.push(port.clone());
        }
    }
    if let Some(list) = user {
        list.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// Adds mounts of which neither name nor path is taken, and sorts by name.
pub(crate) fn add_mounts(user: &mut Option<Vec<VolumeMount>>, ours: &[VolumeMount]) {
    for mount in ours {
        let list = user.get_or_insert_default();
        if !list.iter().any(|own| own.name == mount.name || own.mount_path == mount.mount_path) {
            list.push(mount.clone());
        }
    }
    if let Some(list) = user {
        list.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// Adds volumes whose name is missing, and sorts by name.
pub(crate) fn add_volumes(user: &mut Option<Vec<Volume>>, ours: &[Volume]) {
    for volume in ours {
        let list = user.get_or_insert_default();
        if !list.iter().any(|own| own.name == volume.name) {
            list.push(volume.clone());
        }
    }
    if let Some(list) = user {
        list.sort_by(|a, b| a.name.cmp(&b.name));
    }
}
