//! How a mesh is set up, from what its installation leaves behind: the ConfigMap of its own configuration, that of its injector, and
//! the DaemonSet of its CNI plugin.
//!
//! What can't be known stays open. Checks are asked twice then, with the best and with the worst that could be: where the answers
//! differ, nobody can say whether everything fits.

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::Value;

use super::{Istio, pods};

/// Where a mesh is installed unless `mesh-namespace` says otherwise: where its own documentation puts it.
pub const NAMESPACE: &str = "istio-system";
/// The label of a webhook's configuration that gives a revision another name, a tag; its label `istio.io/rev` names the revision.
pub const TAG: &str = "istio.io/tag";
/// The ConfigMap with the mesh's configuration; those of revisions end with theirs.
pub const CONFIGURATION: &str = "istio";
/// The ConfigMap with the injector's values; those of revisions end with theirs.
pub const INJECTOR: &str = "istio-sidecar-injector";
/// The DaemonSet of the CNI plugin.
pub const CNI: &str = "istio-cni-node";
/// The key of the ConfigMap `istio`.
pub const MESH: &str = "mesh";
/// The key of the ConfigMap `istio-sidecar-injector`.
pub const VALUES: &str = "values";

/// What is known of how a mesh is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where mesh-wide objects are.
    pub root_namespace: Option<String>,
    /// The end of host names.
    pub cluster_domain: Option<String>,
    /// Major and minor number.
    pub version: Option<(u32, u32)>,
    /// `meshConfig.enableAutoMtls`.
    pub auto_mtls: Option<bool>,
    /// Whether the injector rewrites probes unless told otherwise.
    pub rewrites_probes: Option<bool>,
    /// Whether a CNI plugin redirects traffic before init containers run.
    pub cni: Option<bool>,
    /// Whether proxies are native sidecars.
    pub native_sidecars: Option<bool>,
    /// Whether Kubernetes projects tokens for the mesh.
    pub projected_tokens: Option<bool>,
}

/// Why an installation can't be understood.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The ConfigMap lacks its one key.
    #[error("it has no key {0}")]
    NoKey(&'static str),
    /// It is no YAML of a mesh's configuration.
    #[error("its key {MESH} can't be read")]
    Mesh(#[source] serde_saphyr::Error),
    /// It is no JSON.
    #[error("its key {VALUES} can't be read")]
    Values(#[source] serde_json::Error),
}

/// The part of Istio's `MeshConfig` that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeshConfig {
    /// Istio's default since 1.5.
    #[serde(default = "yes")]
    enable_auto_mtls: bool,
    #[serde(default)]
    root_namespace: Option<String>,
}

fn yes() -> bool {
    true
}

impl Facts {
    /// Adds what the key `mesh` of the ConfigMap `istio` says.
    ///
    /// # Errors
    /// It isn't there or isn't what it should be; nothing was added then.
    pub fn add_mesh(&mut self, text: Option<&str>) -> Result<(), FactsError> {
        let text = text.ok_or(FactsError::NoKey(MESH))?;
        let mesh: MeshConfig = serde_saphyr::from_str(text).map_err(FactsError::Mesh)?;
        self.auto_mtls = Some(mesh.enable_auto_mtls);
        self.root_namespace = mesh.root_namespace.filter(|name| !name.is_empty());
        Ok(())
    }

    /// Adds what the key `values` of the ConfigMap `istio-sidecar-injector` says: the chart's values that the injector's templates
    /// use.
    ///
    /// # Errors
    /// It isn't there or isn't what it should be; nothing was added then.
    pub fn add_values(&mut self, text: Option<&str>) -> Result<(), FactsError> {
        let text = text.ok_or(FactsError::NoKey(VALUES))?;
        let values: Value = serde_json::from_str(text).map_err(FactsError::Values)?;
        let flag = |pointer: &str| values.pointer(pointer).and_then(flag);
        let text =
            |pointer: &str| values.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        self.cluster_domain = text("/global/proxy/clusterDomain").map(str::to_owned);
        self.version = text("/global/tag").and_then(version);
        // The injector's template takes its absence for yes.
        self.rewrites_probes = Some(flag("/sidecarInjectorWebhook/rewriteAppHTTPProbe").unwrap_or(true));
        self.cni = flag("/pilot/cni/enabled").or_else(|| flag("/istio_cni/enabled"));
        self.native_sidecars = flag("/pilot/env/ENABLE_NATIVE_SIDECARS").or_else(|| {
            /// Before it they were off unless asked for; from it on, it is Kubernetes' version that decides.
            const BY_KUBERNETES: (u32, u32) = (1, 27);
            self.version.filter(|version| *version < BY_KUBERNETES).map(|_| false)
        });
        self.projected_tokens = Some(text("/global/jwtPolicy") != Some("first-party-jwt"));
        Ok(())
    }

    /// How it is, with the mesh's present defaults for what isn't known.
    pub fn at_best(&self) -> Istio {
        self.or(&Istio::default())
    }

    /// How it is, with the worst for what isn't known.
    pub fn at_worst(&self) -> Istio {
        self.or(&Istio {
            version: (1, 0),
            auto_mtls: false,
            rewrites_probes: false,
            cni: true,
            native_sidecars: false,
            projected_tokens: false,
            ..Istio::default()
        })
    }

    /// Adds what pods show: whether those that have a proxy have it as a native sidecar.
    pub fn add_pods<'a>(&mut self, pods: impl IntoIterator<Item = &'a Pod>) {
        if let Some(native) = pods.into_iter().find_map(pods::native_proxy) {
            self.native_sidecars = Some(native);
        }
    }

    fn or(&self, other: &Istio) -> Istio {
        let text = |known: &Option<String>, other: &String| known.as_ref().unwrap_or(other).clone();
        Istio {
            root_namespace: text(&self.root_namespace, &other.root_namespace),
            cluster_domain: text(&self.cluster_domain, &other.cluster_domain),
            version: self.version.unwrap_or(other.version),
            auto_mtls: self.auto_mtls.unwrap_or(other.auto_mtls),
            rewrites_probes: self.rewrites_probes.unwrap_or(other.rewrites_probes),
            cni: self.cni.unwrap_or(other.cni),
            native_sidecars: self.native_sidecars.unwrap_or(other.native_sidecars),
            projected_tokens: self.projected_tokens.unwrap_or(other.projected_tokens),
        }
    }
}

/// Values of charts are flags or their text.
fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

/// The numbers that a tag such as `1.24.1-distroless` begins with.
fn version(tag: &str) -> Option<(u32, u32)> {
    let mut parts = tag.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_installation_says_is_known_and_nothing_else() {
        let mut facts = Facts::default();
        facts
            .add_mesh(Some("enableAutoMtls: false\nrootNamespace: mesh\nextensionProviders: [{name: a}]\n"))
            .unwrap();
        assert_eq!((facts.auto_mtls, facts.root_namespace.as_deref()), (Some(false), Some("mesh")));
        facts.add_mesh(Some("accessLogFile: /dev/stdout\n")).unwrap();
        assert_eq!(facts.auto_mtls, Some(true), "that it isn't said is known too");
        let old = json!({
            "global": { "tag": "1.6.1", "jwtPolicy": "first-party-jwt", "proxy": { "clusterDomain": "example" } },
            "sidecarInjectorWebhook": { "rewriteAppHTTPProbe": false }, "istio_cni": { "enabled": true },
        });
        facts.add_values(Some(&old.to_string())).unwrap();
        let expected = Istio {
            root_namespace: "istio-system".to_owned(),
            cluster_domain: "example".to_owned(),
            version: (1, 6),
            auto_mtls: true,
            rewrites_probes: false,
            cni: true,
            native_sidecars: false,
            projected_tokens: false,
        };
        assert_eq!((facts.at_best(), facts.at_worst()), (expected.clone(), expected));
        let new = json!({
            "global": { "tag": "1.27.0-distroless" }, "sidecarInjectorWebhook": {},
            "pilot": { "cni": { "enabled": false }, "env": {} },
        });
        facts.add_values(Some(&new.to_string())).unwrap();
        assert_eq!((facts.version, facts.cni, facts.native_sidecars), (Some((1, 27)), Some(false), None));
        assert_eq!((facts.rewrites_probes, facts.projected_tokens), (Some(true), Some(true)));
        let asked = json!({ "global": { "tag": "latest" }, "pilot": { "env": { "ENABLE_NATIVE_SIDECARS": "true" } } });
        facts.add_values(Some(&asked.to_string())).unwrap();
        assert_eq!((facts.version, facts.cni, facts.native_sidecars), (None, None, Some(true)));
    }

    #[test]
    fn what_can_not_be_read_is_said_and_adds_nothing() {
        let mut facts = Facts::default();
        for text in [None, Some("5"), Some("enableAutoMtls: perhaps"), Some("a: [")] {
            assert!(facts.add_mesh(text).is_err(), "{text:?}");
        }
        for text in [None, Some("{"), Some("")] {
            assert!(facts.add_values(text).is_err(), "{text:?}");
        }
        assert_eq!(facts, Facts::default());
        assert_eq!(facts.at_best(), Istio::default());
        assert_ne!(facts.at_worst(), Istio::default());
    }
}
