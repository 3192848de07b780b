//! Where things are: the checkout, and the cache that every checkout of one user shares.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The checkout and its caches.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Python environments, peers, generated bench data: `$PARAPET_CACHE`, else `~/.cache/parapet`.
    pub(crate) cache: PathBuf,
    /// Cargo's target directory: `$CARGO_TARGET_DIR`, else `target` in the cache.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let xtask = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = xtask.parent().context("xtask lies in the workspace's root")?.to_owned();
        let cache = match path_variable("PARAPET_CACHE") {
            Some(cache) => cache,
            None => {
                path_variable("HOME").context("neither PARAPET_CACHE nor HOME is set")?.join(".cache/parapet")
            }
        };
        let target = path_variable("CARGO_TARGET_DIR").unwrap_or_else(|| cache.join("target"));
        Ok(Self { root, cache, target })
    }

    pub(crate) fn console(&self) -> PathBuf {
        self.root.join("console")
    }

    /// Where cargo puts the binaries of `profile`.
    pub(crate) fn profile_dir(&self, profile: &str) -> PathBuf {
        let name = match profile {
            "dev" | "test" => "debug",
            "bench" => "release",
            other => other,
        };
        self.target.join(name)
    }

    /// A directory of this checkout alone inside the cache: two checkouts share cargo's target directory, so the
    /// binaries that a run uses are linked here, where the other checkout's build does not replace them.
    pub(crate) fn own_dir(&self) -> PathBuf {
        self.cache.join("checkouts").join(file_name_of(&self.root))
    }
}

/// A path as one file name, readable and the same at each run.
fn file_name_of(path: &Path) -> String {
    path.to_string_lossy().trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

fn path_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_has_a_readable_directory_of_its_own() {
        assert_eq!(file_name_of(Path::new("/home/ann/parapet.2")), "home-ann-parapet-2");
    }
}
