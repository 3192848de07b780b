//! Taking over what another operator made, without restarting it.
//!
//! Pods restart when the hash of their configuration changes. The reference's hashes can't be recomputed, so what it left on a
//! pod template is kept as long as the configuration behind it says the same.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

use crate::compare::{Compare, is_foreign, short_hash, stamped};

/// A label of a StatefulSet or a Deployment itself, never of its pods: our hash of the configuration that belongs to the foreign
/// hash on its pod template. As long as it is what we compute, the foreign one stays. An annotation would do as well, but that
/// a Deployment's generation counts changes of annotations, and none of labels.
pub const ADOPTED_CONFIG_HASH: &str = "operator.parapet.dev/adopted-config-hash";

/// A kind that runs a pod template.
pub trait Workload: Compare {
    /// Its pod template.
    fn template(&self) -> Option<&PodTemplateSpec>;
}

impl Workload for StatefulSet {
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }
}

impl Workload for Deployment {
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }
}

/// The hash of all that an application reads only when it starts; each part is told from the next. Other parts, or the same in
/// another order, restart every application: what is hashed must not change from one release of the operator to the next.
pub fn config_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut content = Vec::new();
    for part in parts {
        content.extend((part.len() as u64).to_be_bytes());
        content.extend(part);
    }
    short_hash(&content)
}

/// The object as `build` makes it of a hash of its configuration: of `computed`, or of the hash that another operator left in
/// the pod template's `annotation`, as long as the configuration is what it was at the takeover.
///
/// A hash of ours is never kept: after a crash between the configuration and the template, only the template would tell that
/// its pods still have to restart. At the takeover `unchanged` decides whether the configuration is still that of the other operator; it is given the object
/// with the foreign hash ([`same_settings`] and [`runs_the_same`] answer). From then on [`ADOPTED_CONFIG_HASH`] tells.
pub fn with_config_hash<K: Workload>(
    live: Option<&K>,
    annotation: &str,
    computed: &str,
    build: impl Fn(&str) -> K,
    unchanged: impl FnOnce(&K) -> bool,
) -> K {
    let foreign = live.and_then(Workload::template).and_then(|template| {
        let hash = template.metadata.as_ref()?.annotations.as_ref()?.get(annotation)?;
        is_foreign(hash).then_some(hash)
    });
    let Some(foreign) = foreign else { return build(computed) };
    let remembered = live.and_then(|live| live.meta().labels.as_ref()?.get(ADOPTED_CONFIG_HASH));
    let kept = build(foreign);
    let stays = remembered.map_or_else(|| unchanged(&kept), |remembered| remembered == computed);
    if !stays {
        return build(computed);
    }
    let mut kept = kept;
    let labels = kept.meta_mut().labels.get_or_insert_default();
    labels.insert(ADOPTED_CONFIG_HASH.to_owned(), computed.to_owned());
    stamped(kept)
}

/// Whether a hash on a pod template was made by another operator.
pub fn is_foreign_hash(hash: &str) -> bool {
    is_foreign(hash)
}

/// Whether `live` runs the very pods that `desired` asks for, whatever else about the two differs.
pub fn runs_the_same<K: Workload>(live: &K, desired: &K) -> bool {
    // What says the same is taken from `live` as it is spelled there.
    K::onto(live, desired).template() == live.template()
}

/// Whether two configurations set the same, however they are spelled: dotted or nested keys, quoted or plain values. The list of
/// initial masters is no difference, as a cluster that has formed doesn't need it any more.
pub fn same_settings(one: &str, other: &str) -> bool {
    match (settings(one), settings(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// All settings with their dotted names, sorted, values as text.
fn settings(text: &str) -> Option<Vec<(String, String)>> {
    let tree: Value = serde_saphyr::from_str(text).ok()?;
    let mut all = Vec::new();
    flatten(String::new(), &tree, &mut all);
    all.retain(|(name, _)| !name.starts_with("cluster.initial_master_nodes"));
    all.sort();
    Some(all)
}

fn flatten(name: String, value: &Value, all: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(name, value, all);
            }
        }
        Value::Array(list) => {
            if list.is_empty() {
                all.push((name, "[]".to_owned()));
                return;
            }
            for (index, value) in list.iter().enumerate() {
                // Behind a wide number, so that sorting keeps the order of the list.
                flatten(format!("{name}[{index:08}]"), value, all);
            }
        }
        Value::String(text) => all.push((name, text.clone())),
        other => all.push((name, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_compared_by_what_they_set() {
        let same = [
            ("a.b: 1\n", "a:\n    b: \"1\"\n"),
            ("a: true\nb: x\n", "b: x\na: \"true\"\n"),
            ("a: 1\ncluster.initial_master_nodes: [x, y]\n", "a: 1\n"),
            ("a: [x, y]\n", "a:\n    - x\n    - y\n"),
        ];
        for (one, other) in same {
            assert!(same_settings(one, other), "{one} {other}");
        }
        for (one, other) in
            [("a: 1\n", "a: 2\n"), ("a: [x, y]\n", "a: [y, x]\n"), ("a: 1\n", ""), ("a: []\n", "a: 1\n")]
        {
            assert!(!same_settings(one, other), "{one} {other}");
        }
    }

    #[test]
    fn parts_of_a_hash_are_told_apart() {
        let hash = |parts: &[&str]| config_hash(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a"]), hash(&["a", ""]));
        assert!(hash(&["a"]).parse::<u64>().unwrap() > u64::from(u32::MAX));
    }
}
