//! What Elastic's operator is told about its metrics and certificates: OBS-MET-15, 18 and 21.

use std::time::Duration;

use serde_json::json;

use super::proxies::{operators, proxy, version};
use crate::finding::Findings;
use crate::world::{Container, Workload, World};

/// The version of an operator's image.
pub(super) fn operator_version(workload: &Workload<'_>) -> Option<(u32, u32)> {
    workload
        .main_containers()
        .filter_map(Container::image)
        .find(|image| image.contains("eck-operator"))
        .and_then(version)
}

pub(super) fn opted_out<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (settings, workload) in operators(world) {
        let on = settings.get("metrics-port").is_some_and(|port| port.value != "0");
        let Some(workload) = workload.filter(|workload| on && proxy(workload).is_none()) else { continue };
        let secure = settings.get("metrics-secure");
        let (setting, message) = match (operator_version(workload), secure) {
            (Some(version), None) if version < (2, 14) => (
                settings.get("metrics-port"),
                "this version of the operator serves its metrics in clear, without a proxy".to_owned(),
            ),
            (_, Some(secure)) if secure.value == "false" => {
                (Some(secure), "secure metrics are switched off".to_owned())
            }
            _ => continue,
        };
        let span = setting.map_or(settings.document.place(&settings.pointer), |setting| setting.span);
        let draft = found.add_at(settings.document, settings.pointer.clone(), span, message);
        if secure.is_some() {
            settings.set(draft, "metrics-secure", json!(true));
        }
    }
}

pub(super) fn telemetry<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (settings, _) in operators(world) {
        if let Some(setting) = settings.get("disable-telemetry").filter(|setting| setting.value == "false") {
            found.add_at(
                settings.document,
                settings.pointer.clone(),
                setting.span,
                "the operator sends usage telemetry out of the cluster",
            );
        }
    }
}

pub(super) fn durations<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (settings, _) in operators(world) {
        for (validity_key, rotate_key) in
            [("ca-cert-validity", "ca-cert-rotate-before"), ("cert-validity", "cert-rotate-before")]
        {
            let read = |key: &str| {
                let setting = settings.get(key)?;
                Some((setting, humantime::parse_duration(&setting.value).ok()?))
            };
            let Some((setting, rotate)) = read(rotate_key) else { continue };
            // ECK's default validity: a year.
            let validity =
                read(validity_key).map_or(Duration::from_secs(8760 * 3600), |(_, validity)| validity);
            let message = if rotate.is_zero() {
                "it is renewed only after it has expired"
            } else if rotate >= validity {
                "it is renewed earlier than it is valid: all the time"
            } else {
                continue;
            };
            let draft = found.add_at(
                settings.document,
                settings.pointer.clone(),
                setting.span,
                format!("{rotate_key}: {message}"),
            );
            let hours = validity.as_secs() / 3600 / 10;
            settings.set(draft, rotate_key, json!(format!("{}h", hours.max(1))));
        }
    }
}
