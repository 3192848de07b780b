//! What is accepted, and its user should know.

use k8s_openapi::api::core::v1::Container;

use super::zones::{about, required_terms, topology_key};
use super::{Warning, annotation_path, missing};
use crate::settings::Settings;
use crate::{
    ApmServer, Application, Elasticsearch, GoDuration, Kibana, NodeSet, Resources, StackVersion, annotations,
};

/// Settings that the operator sets. A user may set them too, at one's own risk.
const RESERVED: [&str; 16] = [
    "cluster.initial_master_nodes",
    "cluster.name",
    "discovery.seed_hosts",
    "discovery.seed_providers",
    "network.host",
    "network.publish_host",
    "node.name",
    "path.data",
    "path.logs",
    "xpack.security.authc.reserved_realm.enabled",
    "xpack.security.enabled",
    "xpack.security.http.ssl.certificate",
    "xpack.security.http.ssl.enabled",
    "xpack.security.http.ssl.key",
    "xpack.security.transport.ssl.enabled",
    "xpack.security.transport.ssl.verification_mode",
];
const CLIENT_AUTHENTICATION: &str = "xpack.security.http.ssl.client_authentication";
const FIPS: &str = "xpack.security.fips_mode.enabled";

/// What to know of an Elasticsearch.
pub fn elasticsearch(es: &Elasticsearch) -> Vec<Warning> {
    let mut found = common(es);
    let mut fips = Vec::new();
    for (index, node_set) in es.spec.node_sets.iter().enumerate() {
        let path = format!("spec.nodeSets[{index}]");
        // A configuration that can't be read is refused elsewhere.
        let settings = Settings::read(node_set.config.as_ref()).unwrap_or_default();
        found.extend(reserved(&format!("{path}.config"), &settings));
        let spec = node_set.pod_template.spec.as_ref();
        let containers = spec.map(|spec| &*spec.containers).unwrap_or_default();
        found.extend(masked::<Elasticsearch>(&path, node_set.resources.as_ref(), containers));
        found.extend(excluded_zones(&path, node_set));
        fips.push(settings.flag(FIPS).unwrap_or(false));
    }
    if fips.contains(&true) && fips.contains(&false) {
        found.push(Warning::new(
            "spec.nodeSets",
            format!("{FIPS} is set for some groups of nodes and not for others"),
        ));
    }
    found.extend(durations(es));
    found.extend(restart(es));
    found.extend(missing::elasticsearch(es));
    found
}

/// What to know of a Kibana.
pub fn kibana(kb: &Kibana) -> Vec<Warning> {
    let mut found = common(kb);
    let spec = kb.spec.pod_template.spec.as_ref();
    let containers = spec.map(|spec| &*spec.containers).unwrap_or_default();
    found.extend(masked::<Kibana>("spec", kb.spec.resources.as_ref(), containers));
    found.extend(missing::kibana(kb));
    found
}

/// What to know of an APM Server.
pub fn apm_server(apm: &ApmServer) -> Vec<Warning> {
    let mut found = common(apm);
    let spec = apm.spec.pod_template.spec.as_ref();
    let containers = spec.map(|spec| &*spec.containers).unwrap_or_default();
    found.extend(masked::<ApmServer>("spec", apm.spec.resources.as_ref(), containers));
    found.extend(missing::apm_server(apm));
    found
}

fn common<K: Application>(object: &K) -> Vec<Warning> {
    let mut found = Vec::new();
    if object.version().parse().is_ok_and(|version: StackVersion| version.major() < 8) {
        let reason =
            format!("{} is no longer maintained by its makers; upgrade to 8 or later", object.version());
        found.push(Warning::new("spec.version", reason));
    }
    for (key, value) in [(annotations::MANAGED, "false"), (annotations::PAUSE, "true")] {
        if object.annotation(key) == Some(value) {
            let reason = format!(
                "is deprecated, and stops certificates from being renewed too; use {}",
                annotations::PAUSE_ORCHESTRATION
            );
            found.push(Warning::new(annotation_path(key), reason));
        }
    }
    found
}

/// The reference takes anything, too: what is no duration is as if it weren't there.
fn durations(es: &Elasticsearch) -> impl Iterator<Item = Warning> + '_ {
    [annotations::CLIENT_TIMEOUT, annotations::OBSERVER_INTERVAL].into_iter().filter_map(|key| {
        let error = es.annotation(key)?.parse::<GoDuration>().err()?;
        Some(Warning::new(annotation_path(key), format!("{error}; the operator's own setting holds")))
    })
}

fn reserved(path: &str, settings: &Settings<'_>) -> Vec<Warning> {
    let mut found: Vec<_> = RESERVED
        .iter()
        .filter(|setting| settings.has(setting))
        .map(|setting| {
            Warning::new(format!("{path}.{setting}"), "is the operator's to set; another value may break it")
        })
        .collect();
    if settings.get(CLIENT_AUTHENTICATION).and_then(|value| value.as_str()) == Some("required") {
        let reason = "the operator and the probes have no client certificate and will be turned away";
        found.push(Warning::new(format!("{path}.{CLIENT_AUTHENTICATION}"), reason));
    }
    found
}

/// The shorthand wins over the container's own resources.
fn masked<K: Application>(
    path: &str,
    shorthand: Option<&Resources>,
    containers: &[Container],
) -> Option<Warning> {
    let shorthand = shorthand?;
    if shorthand.requests.is_none() && shorthand.limits.is_none() {
        return None;
    }
    let main = containers.iter().find(|container| container.name == K::KIND.container())?;
    let own = main.resources.as_ref()?;
    let names = |all: &Option<std::collections::BTreeMap<String, _>>| {
        all.iter().flatten().any(|(name, _)| name == "cpu" || name == "memory")
    };
    (names(&own.requests) || names(&own.limits)).then(|| {
        let reason = format!("takes the place of what the pod template gives to the container {}", main.name);
        Warning::new(format!("{path}.resources"), reason)
    })
}

/// An affinity that keeps nodes out of the zones that the same group is spread over.
fn excluded_zones(path: &str, node_set: &NodeSet) -> Option<Warning> {
    let key = topology_key(node_set)?;
    let zones = node_set.zone_awareness.as_ref()?.zones.as_deref().unwrap_or_default();
    let contradicts =
        required_terms(node_set).iter().flat_map(|term| about(term, key)).any(
            |expression| match &*expression.operator {
                "DoesNotExist" => true,
                "NotIn" => expression.values.iter().flatten().any(|zone| zones.contains(zone)),
                _ => false,
            },
        );
    contradicts.then(|| {
        Warning::new(
            format!("{path}.zoneAwareness"),
            format!("the pod template's node affinity excludes zones by {key}"),
        )
    })
}

fn restart(es: &Elasticsearch) -> Vec<Warning> {
    let mut found = Vec::new();
    let Some(delay) = es.annotation(annotations::RESTART_ALLOCATION_DELAY) else { return found };
    let path = annotation_path(annotations::RESTART_ALLOCATION_DELAY);
    if !is_time_value(delay) {
        found.push(Warning::new(path.clone(), format!("{delay:?} is no time like 20m")));
    }
    if es.annotation(annotations::RESTART_TRIGGER).is_none() {
        let reason = format!("is without effect as long as there is no {}", annotations::RESTART_TRIGGER);
        found.push(Warning::new(path, reason));
    }
    found
}

/// A time as Elasticsearch takes it.
/// <https://www.elastic.co/guide/en/elasticsearch/reference/8.15/api-conventions.html#time-units>
fn is_time_value(text: &str) -> bool {
    let units = ["nanos", "micros", "ms", "s", "m", "h", "d"];
    units.iter().any(|unit| {
        text.strip_suffix(unit)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
    })
}
