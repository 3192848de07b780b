//! Volumes together with where they are mounted.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount,
};

/// A volume, where the main container has it, and where the first init container has it if elsewhere.
#[derive(Clone, Debug)]
struct Mounted {
    volume: Option<Volume>,
    mount: Option<VolumeMount>,
    init_path: Option<&'static str>,
}

/// All of a pod's.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounts(Vec<Mounted>);

/// Scripts are executed: rwxr-xr-x.
const EXECUTABLE: i32 = 0o755;

impl Mounts {
    /// A folder that lives as long as its pod.
    pub(super) fn empty_dir(&mut self, name: &str, path: &str) -> &mut Self {
        let volume = Volume { empty_dir: Some(EmptyDirVolumeSource::default()), ..named(name) };
        self.push(Some(volume), Some(mount(name, path, None)))
    }

    /// A Secret, or some of its keys under their own names.
    pub(super) fn secret(&mut self, name: &str, secret: &str, path: &str, keys: &[&str]) -> &mut Self {
        let items = keys
            .iter()
            .map(|key| KeyToPath { key: (*key).to_owned(), path: (*key).to_owned(), mode: None })
            .collect::<Vec<_>>();
        let volume = secret_volume(name, secret, (!items.is_empty()).then_some(items));
        self.push(Some(volume), Some(mount(name, path, Some(true))))
    }

    /// A Secret that only some init container mounts.
    pub(super) fn unmounted_secret(&mut self, name: &str, secret: &str) -> &mut Self {
        self.push(Some(secret_volume(name, secret, None)), None)
    }

    /// A ConfigMap with scripts.
    pub(super) fn scripts(&mut self, name: &str, config_map: &str, path: &str) -> &mut Self {
        self.config(name, config_map, path, Some(EXECUTABLE))
    }

    /// A ConfigMap with files.
    pub(super) fn config_map(&mut self, name: &str, config_map: &str, path: &str) -> &mut Self {
        self.config(name, config_map, path, None)
    }

    fn config(&mut self, name: &str, config_map: &str, path: &str, mode: Option<i32>) -> &mut Self {
        let source = ConfigMapVolumeSource {
            name: config_map.to_owned(),
            optional: Some(false),
            default_mode: mode,
            items: None,
        };
        let volume = Volume { config_map: Some(source), ..named(name) };
        self.push(Some(volume), Some(mount(name, path, Some(true))))
    }

    /// A volume as it is.
    pub(super) fn volume(&mut self, volume: Volume, path: &str) -> &mut Self {
        let mount = mount(&volume.name, path, Some(true));
        self.push(Some(volume), Some(mount))
    }

    /// A volume that nothing mounts for now.
    pub(super) fn unmounted(&mut self, volume: Volume) -> &mut Self {
        self.push(Some(volume), None)
    }

    /// A mount of a volume that somebody else declares.
    pub(super) fn existing(&mut self, name: &str, path: &str) -> &mut Self {
        self.push(None, Some(mount(name, path, None)))
    }

    /// The last one is elsewhere in the first init container.
    pub(super) fn at_first(&mut self, path: &'static str) -> &mut Self {
        if let Some(last) = self.0.last_mut() {
            last.init_path = Some(path);
        }
        self
    }

    /// Whether a volume of this name is declared here.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.0.iter().any(|mounted| mounted.volume.as_ref().is_some_and(|volume| volume.name == name))
    }

    /// What the pod declares.
    pub(super) fn volumes(&self) -> Vec<Volume> {
        self.0.iter().filter_map(|mounted| mounted.volume.clone()).collect()
    }

    /// What the main container mounts.
    pub(super) fn main(&self) -> Vec<VolumeMount> {
        self.0.iter().filter_map(|mounted| mounted.mount.clone()).collect()
    }

    /// What the first init container mounts elsewhere; the rest it gets from the main container.
    pub(super) fn first_init(&self) -> Vec<VolumeMount> {
        let elsewhere = self.0.iter().filter_map(|mounted| {
            let path = mounted.init_path?;
            Some(VolumeMount { mount_path: path.to_owned(), ..mounted.mount.clone()? })
        });
        elsewhere.collect()
    }

    fn push(&mut self, volume: Option<Volume>, mount: Option<VolumeMount>) -> &mut Self {
        self.0.push(Mounted { volume, mount, init_path: None });
        self
    }
}

fn secret_volume(name: &str, secret: &str, items: Option<Vec<KeyToPath>>) -> Volume {
    let source = SecretVolumeSource {
        secret_name: Some(secret.to_owned()),
        optional: Some(false),
        items,
        default_mode: None,
    };
    Volume { secret: Some(source), ..named(name) }
}

fn named(name: &str) -> Volume {
    Volume { name: name.to_owned(), ..Volume::default() }
}

/// A mount of a volume.
pub(super) fn mount(name: &str, path: &str, read_only: Option<bool>) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), read_only, ..VolumeMount::default() }
}
