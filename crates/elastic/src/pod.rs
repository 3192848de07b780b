//! Pod templates of the three applications: the user's template over what the application needs.

mod apm_server;
mod elasticsearch;
mod environment;
mod keystore;
mod kibana;
mod mounts;
mod security;
mod sidecars;
mod zones;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use parapet_api::{Resources, StackVersion};

pub use apm_server::{ApmServerInputs, apm_server};
pub(crate) use elasticsearch::MAIN as ELASTICSEARCH_MAIN;
pub use elasticsearch::elasticsearch;
pub use keystore::CONTAINER as KEYSTORE_CONTAINER;
pub(crate) use kibana::{
    ADDED_VOLUMES as KIBANA_VOLUMES, INIT as KIBANA_INIT, MAIN as KIBANA_MAIN, SCRIPTS as KIBANA_SCRIPTS,
};
pub use kibana::{KibanaInputs, base_path, kibana};
pub(crate) use security::{
    beat as beat_security, kibana as kibana_security, kibana_pod as kibana_pod_security,
};
pub use sidecars::Sidecars;
pub use zones::{topology_key, zone_awareness};

use crate::Settings;

/// What every pod template needs besides its custom resource.
#[derive(Clone, Copy, Debug)]
pub struct PodInputs<'a> {
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The version of the custom resource, parsed.
    pub version: &'a StackVersion,
    /// The hash of everything that the application reads only when it starts; another value restarts it.
    pub config_hash: &'a str,
    /// Whether there are secure settings: the Secret `<name>-<es|kb|apm>-secure-settings` exists, and an init container
    /// makes the keystore of it.
    pub keystore: bool,
}

/// The name of the Secret with the entries of the keystore.
pub fn secure_settings_secret(kind: parapet_api::Kind, owner: &str) -> String {
    parapet_api::names::generated(kind, owner, &["secure-settings"])
}

/// The same amount as request and as limit.
fn exactly(cpu: Option<&str>, memory: &str) -> ResourceRequirements {
    let mut amounts = BTreeMap::from([("memory".to_owned(), Quantity(memory.to_owned()))]);
    if let Some(cpu) = cpu {
        amounts.insert("cpu".to_owned(), Quantity(cpu.to_owned()));
    }
    ResourceRequirements { limits: Some(amounts.clone()), requests: Some(amounts), ..Default::default() }
}

/// The shorthand `resources` wins over the template's container, key by key; with it no default is filled in.
fn apply_shorthand(template: &mut PodTemplateSpec, main: &str, shorthand: Option<&Resources>) {
    let Some(shorthand) = shorthand.filter(|given| given.requests.is_some() || given.limits.is_some()) else {
        return;
    };
    let spec = template.spec.get_or_insert_default();
    let position = spec.containers.iter().position(|container| container.name == main);
    let container = match position {
        Some(position) => &mut spec.containers[position],
        None => {
            spec.containers.push(Container { name: main.to_owned(), ..Container::default() });
            spec.containers.last_mut().expect("one was just pushed")
        }
    };
    let resources = container.resources.get_or_insert_default();
    for (own, given) in
        [(&mut resources.requests, &shorthand.requests), (&mut resources.limits, &shorthand.limits)]
    {
        if let Some(given) = given {
            own.get_or_insert_default().extend(given.clone());
        }
    }
}

/// Text into the maps of Kubernetes.
fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
