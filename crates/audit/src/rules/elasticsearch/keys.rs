//! Keys: those that API clients need TLS for, and Kibana's own: OBS-ES-06 and 09.

use parapet_manifest::Node;
use serde_json::json;

use super::{components, elastic, has_no_tls};
use crate::finding::Findings;
use crate::world::{Config, Setting, Settings, Workload, World};

/// Kibana settings that issue API keys.
pub(super) const NEED_API_KEYS: &[&str] = &["alerting", "actions", "fleet", "reporting"];

/// Kibana's first setting that needs API keys.
pub(in crate::rules) fn needs_api_keys<'w>(
    world: &'w World<'w>,
    elasticsearch: &Workload<'_>,
) -> Option<(&'w Settings<'w>, &'w Setting)> {
    components(world, Config::Kibana).into_iter().find_map(|kibana| {
        let workload = kibana.workload?;
        let refers = workload.document.at("/spec/elasticsearchRef/name").and_then(Node::as_str)
            == Some(&*elasticsearch.document.name);
        let found = kibana.settings.iter().find_map(|settings| {
            let setting = settings.values.iter().find(|setting| {
                setting.value != "false" && NEED_API_KEYS.iter().any(|feature| setting.key.contains(feature))
            })?;
            Some((*settings, setting))
        });
        found.filter(|_| refers)
    })
}

pub(super) fn api_keys<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in
        elastic(world).filter(|workload| &*workload.document.kind == "Elasticsearch" && has_no_tls(workload))
    {
        if let Some((settings, setting)) = needs_api_keys(world, workload) {
            found
                .add_at(
                    settings.document,
                    setting.pointer.clone(),
                    setting.span,
                    format!("{} needs API keys, which Elasticsearch issues only over TLS", setting.key),
                )
                .related(
                    workload.document,
                    "/spec/http/tls/selfSignedCertificate/disabled",
                    "where TLS is switched off",
                )
                .set_in(workload.document, "/spec/http/tls/selfSignedCertificate/disabled", json!(false));
        }
    }
}

pub(super) fn encryption_keys<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Kibana) {
        match component.ending("encryptionkey") {
            Some(at) if !at.1.value.is_empty() && !at.1.value.starts_with("${") => {
                component.say(found, Some(at), "an encryption key is written into the manifest");
            }
            Some(_) => {}
            None => {
                let replicas =
                    component.workload.and_then(|workload| workload.document.at("/spec/replicas")?.as_i64());
                let by_secret = component.workload.is_some_and(|workload| {
                    workload.containers.iter().any(|container| {
                        container.env().any(|(_, entry)| {
                            entry
                                .get("name")
                                .and_then(Node::as_str)
                                .is_some_and(|name| name.to_lowercase().ends_with("encryptionkey"))
                        })
                    })
                });
                if replicas.is_some_and(|replicas| replicas > 1) && !component.managed() && !by_secret {
                    component.say(
                        found,
                        None,
                        "several replicas without a common encryption key: each makes its own",
                    );
                }
            }
        }
    }
}
