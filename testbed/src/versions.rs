//! The versions of everything, from `versions.yaml`, and the key under which their builds are kept.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What the control plane's program is made of; all of it is compiled in, so that no checkout is needed to build it.
pub(crate) const MAIN_GO: &str = include_str!("../control-plane/main.go");
pub(crate) const GO_MOD: &str = include_str!("../control-plane/go.mod");
pub(crate) const GO_SUM: &str = include_str!("../control-plane/go.sum");
pub(crate) const PAUSE_GO: &str = include_str!("../pause/main.go");
const VERSIONS: &str = include_str!("../versions.yaml");

/// Releases, without a leading `v`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy.
    pub kubernetes: String,
    /// etcd.
    pub etcd: String,
    /// kwok.
    pub kwok: String,
    /// helm.
    pub helm: String,
}

impl Versions {
    /// Reads `versions.yaml`.
    pub fn read() -> Result<Self> {
        serde_saphyr::from_str(VERSIONS).context("versions.yaml is damaged")
    }

    /// Names a build: the same key, the same programs.
    pub fn key() -> String {
        let mut hash = Sha256::new();
        for part in [VERSIONS, MAIN_GO, GO_MOD, GO_SUM, PAUSE_GO] {
            // Lengths keep two parts from being read as one.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        // 64 bits tell a handful of builds apart.
        hex::encode(&hash.finalize()[..8])
    }

    /// Kubernetes' staging modules carry its version with a 0 before the minor: 1.34.4 is 0.34.4 there.
    pub(crate) fn staging(&self) -> Result<String> {
        let rest = self.kubernetes.strip_prefix("1.").context("kubernetes is no 1.x.y")?;
        Ok(format!("0.{rest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_go_module_is_made_of_the_versions_file() {
        let versions = Versions::read().unwrap();
        for line in [
            format!("\tk8s.io/kubernetes v{}\n", versions.kubernetes),
            format!("\tgo.etcd.io/etcd/server/v3 v{}\n", versions.etcd),
            format!("\tk8s.io/api => k8s.io/api v{}\n", versions.staging().unwrap()),
        ] {
            assert!(GO_MOD.contains(&line), "{line:?} is not in go.mod: run `cargo xtask testbed pin`");
        }
    }

    #[test]
    fn the_key_is_a_file_name() {
        assert_eq!(Versions::key().len(), 16);
        assert!(Versions::key().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
