//! What is odd in a specification, which nothing is held back for: what its own rules find, and annotations that name what isn't there.

use parapet_api::validate::{Warning, elasticsearch_warnings};
use parapet_api::{Application as _, Elasticsearch, annotations};
use parapet_orchestrate::{Disabled, Predicate};

/// Of a cluster.
pub(crate) fn of_elasticsearch(es: &Elasticsearch) -> Vec<Warning> {
    elasticsearch_warnings(es).into_iter().chain(of_predicates(es)).collect()
}

/// Names in the annotation that switches rules of restarts off which are no rule's.
fn of_predicates(es: &Elasticsearch) -> Option<Warning> {
    let annotation = annotations::DISABLE_UPGRADE_PREDICATES;
    let (_, unknown) = Disabled::parse(es.annotation(annotation).unwrap_or_default());
    if unknown.is_empty() {
        return None;
    }
    let unknown: Vec<String> = unknown.iter().map(|one| format!("{:?}", one.0)).collect();
    let known = Predicate::ALL.map(Predicate::name).join(", ");
    let reason = format!(
        "{} is no upgrade predicate, and switches nothing off; there are {known}",
        unknown.join(", ")
    );
    Some(Warning::new(format!("metadata.annotations[{annotation}]"), reason))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(annotation: &str, expected: Option<&str>) {
        let es: Elasticsearch = serde_json::from_value(json!({
            "metadata": { "name": "a", "annotations": { annotations::DISABLE_UPGRADE_PREDICATES: annotation } },
            "spec": { "version": "8.16.0", "nodeSets": [{ "name": "default", "count": 1 }] },
        }))
        .unwrap();
        let found: Vec<String> = of_elasticsearch(&es).iter().map(ToString::to_string).collect();
        let start = expected.map(|names| {
            format!("metadata.annotations[eck.k8s.elastic.co/disable-upgrade-predicates]: {names} is no upgrade predicate, and")
        });
        match start {
            None => assert_eq!(found, Vec::<String>::new(), "{annotation}"),
            Some(start) => {
                assert!(found.len() == 1 && found[0].starts_with(&start), "{annotation}: {found:?}");
            }
        }
    }

    #[test]
    fn names_that_are_no_rules_are_told_at_once() {
        check("", None);
        check("*", None);
        check("one_master_at_a_time, require_started_replica", None);
        check("one_master", Some("\"one_master\""));
        check("*,nonsense,one_master_at_a_time,a\nb", Some("\"nonsense\", \"a\\nb\""));
    }
}
