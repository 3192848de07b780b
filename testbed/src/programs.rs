//! Where the programs are: in `$KUBEBUILDER_ASSETS`, else where [`crate::build`] put them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::versions::Versions;

/// The one program that is etcd and all of Kubernetes.
pub(crate) const KUBE_ALL: &str = "kube-all";
/// What holds a pod's namespaces.
pub(crate) const PAUSE: &str = "pause";
/// Written last: a build that has it is whole.
pub(crate) const COMPLETE: &str = "complete";

/// A program, and how one file that holds several is told which.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    name: Option<&'static str>,
}

/// What a cluster is started from.
#[derive(Clone, Debug)]
pub struct Programs {
    pub(crate) etcd: Program,
    pub(crate) apiserver: Program,
    /// Not among the assets of kubebuilder's own tools.
    pub(crate) controllers: Option<Program>,
    pub(crate) scheduler: Option<Program>,
    pub(crate) kubelet: Option<Program>,
    pub(crate) kube_proxy: Option<Program>,
    pub(crate) kwok: Option<Program>,
    pub(crate) helm: Option<PathBuf>,
    /// What a pod's sandbox runs, without shared libraries.
    pub(crate) pause: Option<PathBuf>,
}

impl Program {
    fn file(path: PathBuf) -> Self {
        Self { path, name: None }
    }

    /// A command that runs it, without arguments yet.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(self.name);
        command
    }
}

impl Programs {
    /// Looks for them. `None`: nothing was built yet for these versions, and `$KUBEBUILDER_ASSETS` is not set.
    ///
    /// etcd and kube-apiserver of `$KUBEBUILDER_ASSETS` go before ours; what that folder doesn't hold is taken from our
    /// build if there is one, and is missing otherwise.
    ///
    /// # Errors
    /// `$KUBEBUILDER_ASSETS` is set to a folder without the two programs.
    pub fn find() -> Result<Option<Self>> {
        let built = Self::built(&build_dir()?);
        let Some(assets) = env::var_os("KUBEBUILDER_ASSETS").filter(|dir| !dir.is_empty()) else {
            return Ok(built);
        };
        let assets = PathBuf::from(assets);
        let named = |name: &str| {
            let path = assets.join(name);
            path.is_file()
                .then(|| Program::file(path))
                .with_context(|| format!("KUBEBUILDER_ASSETS is {}, which holds no {name}", assets.display()))
        };
        Ok(Some(Self {
            etcd: named("etcd")?,
            apiserver: named("kube-apiserver")?,
            controllers: built.as_ref().and_then(|built| built.controllers.clone()),
            scheduler: built.as_ref().and_then(|built| built.scheduler.clone()),
            kubelet: built.as_ref().and_then(|built| built.kubelet.clone()),
            kube_proxy: built.as_ref().and_then(|built| built.kube_proxy.clone()),
            kwok: built.as_ref().and_then(|built| built.kwok.clone()),
            helm: built.as_ref().and_then(|built| built.helm.clone()),
            pause: built.and_then(|built| built.pause),
        }))
    }

    /// The two that make a cluster, by the names that `$KUBEBUILDER_ASSETS` has for them.
    pub fn etcd_and_apiserver(&self) -> [(&'static str, Command); 2] {
        [("etcd", self.etcd.command()), ("kube-apiserver", self.apiserver.command())]
    }

    pub(crate) fn built(dir: &Path) -> Option<Self> {
        if !dir.join(COMPLETE).is_file() {
            return None;
        }
        let part = |name| Program { path: dir.join(KUBE_ALL), name: Some(name) };
        Some(Self {
            etcd: part("etcd"),
            apiserver: part("kube-apiserver"),
            controllers: Some(part("kube-controller-manager")),
            scheduler: Some(part("kube-scheduler")),
            kubelet: Some(part("kubelet")),
            kube_proxy: Some(part("kube-proxy")),
            kwok: Some(Program::file(dir.join("kwok"))),
            helm: Some(dir.join("helm")),
            pause: Some(dir.join(PAUSE)),
        })
    }
}

/// What builds and downloads are kept in: `$PARAPET_CACHE`, else `~/.cache/parapet`.
///
/// # Errors
/// Neither `PARAPET_CACHE` nor `HOME` is set.
pub fn cache_dir() -> Result<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match variable("PARAPET_CACHE") {
        Some(cache) => Ok(cache),
        None => Ok(variable("HOME").context("neither PARAPET_CACHE nor HOME is set")?.join(".cache/parapet")),
    }
}

/// Where the build of these versions is or will be.
pub(crate) fn build_dir() -> Result<PathBuf> {
    Ok(cache_dir()?.join("testbed").join(Versions::key()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn half_a_build_is_no_build() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(KUBE_ALL), "half").unwrap();
        assert!(Programs::built(dir.path()).is_none());
        fs::write(dir.path().join(COMPLETE), "").unwrap();
        let programs = Programs::built(dir.path()).unwrap();
        let command = programs.etcd.command();
        assert_eq!(command.get_program(), dir.path().join(KUBE_ALL));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["etcd"]);
    }
}
