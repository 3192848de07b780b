//! Files that pods mount and that are no configuration: scripts, the masters' addresses, settings that Elasticsearch watches.

mod hosts;
mod keystore;
mod scripts;
mod settings;

pub use hosts::{unicast_hosts, unicast_hosts_name};
pub use keystore::{
    ForeignEntries, KeystoreProblem, secure_settings, secure_settings_name, with_foreign_entries,
};
pub use scripts::{elasticsearch_scripts, kibana_scripts, suspended_pods};
pub use settings::{file_settings, has_settings_of_a_policy};

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A ConfigMap of texts.
fn config_map<const N: usize>(metadata: ObjectMeta, entries: [(&str, String); N]) -> ConfigMap {
    let data = entries.map(|(key, value)| (key.to_owned(), value)).into();
    ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
}
