//! Values of charts that harden one pipeline and forget another: OBS-POD-09.

use parapet_manifest::Node;

use crate::finding::Findings;
use crate::world::World;

/// The chart's securityContexts by the values' names.
pub(super) const VALUES: &[&str] = &[
    "/metadata/securityContext",
    "/otelevents/statefulset/securityContext",
    "/otellogs/daemonset/securityContext",
];

/// Chart values that were kept in a ConfigMap or in a HelmRelease.
pub(in crate::rules) fn chart_values<'w>(
    world: &'w World<'w>,
) -> Vec<(&'w parapet_manifest::Document, String, Node)> {
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

pub(super) fn values<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (document, pointer, values) in chart_values(world) {
        let missing: Vec<String> =
            VALUES.iter().filter(|at| values.at(at).is_none()).map(|at| at[1..].replace('/', ".")).collect();
        if !missing.is_empty() && missing.len() < VALUES.len() {
            let span =
                VALUES.iter().find(|at| values.at(at).is_some()).map_or(values.span, |at| values.place(at));
            found.add_at(
                document,
                pointer,
                span,
                format!("{} isn't set while others are", missing.join(" and ")),
            );
        }
    }
}
