//! Values of charts that harden one pipeline and forget another: OBS-POD-09.

use parapet_manifest::{Document, Node};

use crate::finding::{Draft, Findings};
use crate::world::World;

/// The chart's securityContexts by the values' names.
pub(super) const VALUES: &[&str] = &[
    "/metadata/securityContext",
    "/otelevents/statefulset/securityContext",
    "/otellogs/daemonset/securityContext",
];

/// Chart values that were kept in a ConfigMap or in a HelmRelease.
pub(in crate::rules) fn chart_values<'w>(world: &'w World<'w>) -> Vec<(&'w Document, String, Node)> {
    let mut all = Vec::new();
    for document in world.documents {
        match &*document.kind {
            "HelmRelease" | "Application" => {
                for at in ["/spec/values", "/spec/source/helm/valuesObject"] {
                    if let Some(values) = document.at(at) {
                        all.push((document, at.to_owned(), values.clone()));
                    }
                }
            }
            "ConfigMap" => {
                for entry in document.root.get("data").map_or(&[] as &[_], Node::entries) {
                    if matches!(&*entry.key.name, "values.yaml" | "values.yml")
                        && let Some(values) =
                            parapet_manifest::embedded(&entry.value, &parapet_manifest::Limits::default())
                    {
                        all.push((document, parapet_manifest::pointer(["data", &*entry.key.name]), values));
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// The patch sets one of the chart's values, in a text or as a part of the object.
pub(in crate::rules) fn set_value(
    draft: &mut Draft<'_>,
    document: &Document,
    values: &str,
    inner: &str,
    value: serde_json::Value,
) {
    if document.at(values).is_some_and(|node| node.as_str().is_some()) {
        draft.set_in_text(document, values, inner, value);
    } else {
        draft.set_in(document, format!("{values}{inner}"), value);
    }
}

pub(super) fn values<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (document, pointer, values) in chart_values(world) {
        let missing: Vec<String> =
            VALUES.iter().filter(|at| values.at(at).is_none()).map(|at| at[1..].replace('/', ".")).collect();
        if !missing.is_empty() && missing.len() < VALUES.len() {
            let span =
                VALUES.iter().find(|at| values.at(at).is_some()).map_or(values.span, |at| values.place(at));
            let known = VALUES.iter().find_map(|at| values.at(at)).map(Node::to_json);
            let draft = found.add_at(
                document,
                pointer.clone(),
                span,
                format!("{} isn't set while others are", missing.join(" and ")),
            );
            let Some(known) = known else { continue };
            // What one of them has is what the others lack.
            for at in VALUES.iter().filter(|at| values.at(at).is_none()) {
                set_value(draft, document, &pointer, at, known.clone());
            }
        }
    }
}
